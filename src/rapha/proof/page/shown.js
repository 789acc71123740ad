/** What a receipt shows and what it does not, worked out of what was checked. As rapha/proof/shown.py and remarks.py. */
import {said} from "./stated.js";

const OWN_CLOCK = [said.T0_NOT_SHOWN[3], said.REFUSAL_NOT_SHOWN[2]];
const NO_INK = /[\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufeff\uffa0]+/g;
const QUOTES = /[\u201c-\u201f]/g, QUOTED_CHARACTERS = 200;

function releaseRemarks(release, evidence) {
  const first = said.T0_NOT_SHOWN.map((remark, place) => (evidence && place === 1 ? said.EVIDENCE_NOT_SHOWN : remark));
  const repeat = release.transcript ? said.TRANSCRIPT_NOT_SHOWN : said.NO_REPEAT_NOT_SHOWN;
  const privacy = release.privacy.mechanism === "none" ? said.NO_PRIVACY_NOT_SHOWN : said.PRIVACY_NOT_SHOWN;
  const audit = release.egress.rules.includes(said.AUDIT_PASSED) ? [] : [said.NO_AUDIT_NOT_SHOWN];
  return [...first, repeat, ...said.MODE_NOT_SHOWN[release.mode], privacy, ...audit, ...walls(release.sandbox)];
}

/** Isolation counts as far as it was tried. */
function walls(box) {
  if (!box.isolated) return [said.NO_WALLS_NOT_SHOWN];
  return box.layers.length && box.attempts > 0 && box.attempts === box.held ? [] : [said.WALLS_FELL_NOT_SHOWN];
}

/** What the signer has to say is not shown, by its own record. */
function implied(claim) {
  if (claim.kind === "site") return releaseRemarks(claim.stated, claim.evidence);
  if (claim.kind === "refusal") return said.REFUSAL_NOT_SHOWN;
  return [...said.T0_NOT_SHOWN, ...said.MERGE_NOT_SHOWN, ...(claim.stated.released_round === null ? [] : [said.BEST_NOT_SHOWN])];
}

/** T1 where a transcript is signed that a second machine can be held against. */
export const claimedTier = (claim) => (claim.kind === "site" && claim.stated.transcript ? "T1" : "T0");

/** What is not shown of this claim with all that was seen: {places, witnesses, stamped}; the witnesses, by key id, are those that saw both checkpoints. */
export function notShown(claim, seen) {
  const modest = claim.notShown.filter((remark) => said.PLAIN_NEGATIVES.includes(remark));
  const known = [...implied(claim), ...modest].map((remark) => (OWN_CLOCK.includes(remark) ? said.STAMPED_NOT_SHOWN : remark));
  const frozen = claim.kind === "site" ? [claim.stated.freeze !== null ? said.FREEZE_NOT_SHOWN : said.NOT_FROZEN_BEFORE] : [];
  return [...new Set(known), ...frozen, ...(seen.witnesses.length ? [] : [said.NO_WITNESS]), said.NOT_ANCHORED];
}

/** Where the signer's own words are not those of its record. */
export function flags(claim) {
  const due = implied(claim), leftOut = due.filter((one) => !claim.notShown.includes(one));
  const beyond = claim.notShown.filter((one) => said.SIGNERS_WORDS.includes(one) && !due.includes(one) && !said.PLAIN_NEGATIVES.includes(one));
  const besides = claim.notShown.filter((one) => !said.SIGNERS_WORDS.includes(one));
  const name = claim.kind === "site" ? claim.stated.sandbox.backend : said.SANDBOXES[0];
  return [
    ...leftOut.map((one) => `It leaves out what its own record does not show: ${quoted(one)}`),
    ...beyond.map((one) => `It tells of what its own record does not have: ${quoted(one)}`),
    ...besides.map((one) => `It says besides, in words of its own: ${quoted(one)}`),
    ...(said.SANDBOXES.includes(name) ? [] : [`It names a sandbox that is not known: ${quoted(name)}`]),
  ];
}

/** What the evidence is, line by line. */
export function foundIn(claim, seen) {
  const frozen = seen.frozen ? [`Frozen before the run: ${entries(seen.frozen)}, time-stamped ${new Date(seen.frozen.stamped).toISOString()}.`] : [];
  return [...(claim.kind === "site" ? ofRelease(claim.stated) : []), ...frozen, `In the log: ${entries(seen)}, seen by ${seen.witnesses.length} of the witnesses that are known.`,
    `Time-stamped: ${new Date(seen.stamped).toISOString()}.`, ...ofEvidence(claim)];
}

const entries = ({places: [first, second]}) => (first === second ? `entry ${first}` : `entries ${first} and ${second}`);

/** On one line, and no longer than a sentence: what is quoted can neither end its quotation nor begin a line of its own. */
function quoted(words) {
  const line = words.replace(NO_INK, " ").replace(QUOTES, '"'), characters = [...line];
  return `“${said.SIGNERS_WORDS.includes(line) || characters.length <= QUOTED_CHARACTERS ? line : `${characters.slice(0, QUOTED_CHARACTERS).join("")}…`}”`;
}

/** What this page leaves to the command: it holds no maker's roots, and takes no launches that a reader trusts. */
const ofEvidence = ({evidence}) => (evidence ? [`Hardware evidence (${evidence.kind}) is with it, and is not checked by this page: rapha receipt verify --launches does.`] : []);

function ofRelease({transcript, sandbox, privacy}) {
  const name = said.SANDBOXES.includes(sandbox.backend) ? sandbox.backend : quoted(sandbox.backend);
  return [
    transcript ? `Tier T1 is claimed: a transcript of ${transcript.waypoints} waypoints is signed and logged; it takes the word of a machine that did the run again.`
      : "Tier T0 is all that is claimed: no transcript of the run is signed.",
    `Sandbox, by the signer's word: ${name}, ${sandbox.isolated ? `${sandbox.layers.length} layers, ` : "NO isolation, "}${sandbox.held} of the ${sandbox.attempts} ways out that it says were tried held.`,
    privacy.mechanism === "none" ? "Differential privacy: none."
      : `Differential privacy, by the signer's word: ${privacy.mechanism}, epsilon at most ${privacy.epsilon} at delta ${privacy.delta}.`,
  ];
}
