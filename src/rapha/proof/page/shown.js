/** What a receipt shows and what it does not, worked out of what was checked. As rapha/proof/shown.py and remarks.py. */
import {said} from "./stated.js";

const OWN_CLOCK = [said.T0_NOT_SHOWN[3], said.REFUSAL_NOT_SHOWN[2]];

function releaseRemarks(release) {
  const repeat = release.transcript ? said.TRANSCRIPT_NOT_SHOWN : said.NO_REPEAT_NOT_SHOWN;
  const privacy = release.privacy.mechanism === "none" ? said.NO_PRIVACY_NOT_SHOWN : said.PRIVACY_NOT_SHOWN;
  const audit = release.egress.rules.includes(said.AUDIT_PASSED) ? [] : [said.NO_AUDIT_NOT_SHOWN];
  return [...said.T0_NOT_SHOWN, repeat, ...said.MODE_NOT_SHOWN[release.mode], privacy, ...audit, ...walls(release.sandbox)];
}

/** Isolation counts as far as it was tried. */
function walls(box) {
  if (!box.isolated) return [said.NO_WALLS_NOT_SHOWN];
  return box.layers.length && box.attempts > 0 && box.attempts === box.held ? [] : [said.WALLS_FELL_NOT_SHOWN];
}

/** What the signer has to say is not shown, by its own record. */
function implied(claim) {
  if (claim.kind === "site") return releaseRemarks(claim.stated);
  if (claim.kind === "refusal") return said.REFUSAL_NOT_SHOWN;
  return [...said.T0_NOT_SHOWN, ...said.MERGE_NOT_SHOWN, ...(claim.stated.released_round === null ? [] : [said.BEST_NOT_SHOWN])];
}

/** T1 where a transcript is signed that a second machine can be held against. */
export const claimedTier = (claim) => (claim.kind === "site" && claim.stated.transcript ? "T1" : "T0");

/** What is not shown of this claim with all that was seen: {places, witnesses, stamped}. */
export function notShown(claim, seen) {
  const modest = claim.notShown.filter((remark) => said.SIGNERS_WORDS.includes(remark));
  const known = [...implied(claim), ...modest].map((remark) => (OWN_CLOCK.includes(remark) ? said.STAMPED_NOT_SHOWN : remark));
  return [...new Set(known), ...(seen.witnesses ? [] : [said.NO_WITNESS]), said.NOT_ANCHORED];
}

/** Where the signer's own words are not those of its record. */
export function flags(claim) {
  const leftOut = implied(claim).filter((remark) => !claim.notShown.includes(remark));
  const besides = claim.notShown.filter((remark) => !said.SIGNERS_WORDS.includes(remark));
  return [...leftOut.map((one) => `It leaves out what its own record does not show: “${one}”`), ...besides.map((one) => `It says besides, in words of its own: “${one}”`)];
}

/** What the evidence is, line by line. */
export function foundIn(claim, seen) {
  const [first, second] = seen.places, entries = first === second ? `entry ${first}` : `entries ${first} and ${second}`;
  return [...(claim.kind === "site" ? ofRelease(claim.stated) : []), `In the log: ${entries}, seen by ${seen.witnesses} of the witnesses that are known.`,
    `Time-stamped: ${new Date(seen.stamped).toISOString()}.`];
}

function ofRelease({transcript, sandbox, privacy}) {
  return [
    transcript ? `Tier T1 is claimed: a transcript of ${transcript.waypoints} waypoints is signed and logged; it takes the word of a machine that did the run again.`
      : "Tier T0 is all that is claimed: no transcript of the run is signed.",
    `Sandbox, by the signer's word: ${sandbox.backend}, ${sandbox.isolated ? `${sandbox.layers.length} layers, ` : "NO isolation, "}${sandbox.held} of ${sandbox.attempts} ways out held.`,
    privacy.mechanism === "none" ? "Differential privacy: none."
      : `Differential privacy, by the signer's word: ${privacy.mechanism}, epsilon at most ${privacy.epsilon} at delta ${privacy.delta}.`,
  ];
}
