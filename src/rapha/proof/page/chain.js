/** The hub's account of the rounds, held against what the hospitals signed themselves. As rapha/proof/chain.py. */
import {Unproven} from "./checklist.js";
import {said} from "./stated.js";
import {checkNamed} from "./study.js";

/** `asked`: {rounds, stopping, keep, updates, aggregation} of the study's training. */
export function checkRounds(aggregation, asked) {
  const rounds = aggregation.rounds, empty = rounds.find((one) => !Object.keys(one.updates).length);
  if (!rounds.length || rounds.some((one, at) => one.round !== at)) throw new Unproven("the rounds are not numbered 0, 1, 2 and so on: one is missing or was moved");
  if (empty) throw new Unproven(`round ${empty.round} took in no update at all`);
  const last = rounds.length - 1, least = fewest(asked);
  if (last < least || last > asked.rounds) {
    const early = asked.stopping === null ? "" : `, or as few as ${least} where it stops early`;
    throw new Unproven(`the study asks for ${asked.rounds} rounds of training${early}; the hub says ${last}`);
  }
  const at = releasedRound(aggregation, asked);
  if (rounds[at].weights_out !== aggregation.weights) throw new Unproven(`the weights delivered are not those that came out of ${at === last ? "the last round" : `round ${at}`}`);
  if (aggregation.method !== asked.aggregation) throw new Unproven(`the study asks for ${asked.aggregation}, and the hub says that it averaged by another way`);
  if ((aggregation.updates ?? "float32") !== asked.updates) throw new Unproven("the study asks for updates in another form than the one that the hub says they travelled in");
  const best = asked.keep === null ? "" : `; the weights are of round ${at}, by the hub's word the best by ${asked.keep.best}, or the last where no round has one`;
  return `rounds 0 to ${last}${best}${aggregation.updates === null ? "" : `; updates as ${asked.updates}`}`;
}

/** After how many rounds of training it can be over: a figure is best in one, and no better for `patience` more. */
const fewest = ({rounds, stopping}) => (stopping === null ? rounds : Math.min(rounds, stopping.patience + 1));

/** What is not shown of a training that was over before all of its rounds, in plain words. */
export function stoppedEarly(aggregation, asked) {
  const last = aggregation.rounds.length - 1;
  if (asked.stopping === null || last === asked.rounds) return [];
  return [`That training had come to a stand after ${last} of ${asked.rounds} rounds: the hub compared the figures.`];
}

/** The number of the round whose weights are delivered. Throws Unproven. */
function releasedRound(aggregation, asked) {
  const last = aggregation.rounds.length - 1, named = aggregation.released_round;
  if ((named === null) !== (asked.keep === null)) {
    throw new Unproven(named === null ? "the study asks for the best round, and the hub does not say which it is"
      : "the hub names a round whose weights these are, and the study did not ask for the best one");
  }
  if (named !== null && named > last) throw new Unproven(`the weights are said to be of round ${named}, and there is none`);
  return named ?? last;
}

/** As many hospitals as the study asks for went into every round, and none but those that it names approved. */
export function checkSites(aggregation, asked) {
  checkNamed(Object.keys(aggregation.approvals), asked);
  const few = aggregation.rounds.find(({updates}) => Object.keys(updates).length < asked.atLeast);
  if (few) throw new Unproven(`the study asks for ${asked.atLeast} hospitals in every round; into round ${few.round} went ${Object.keys(few.updates).length}`);
}

export function checkApprovals(aggregation, releases) {
  if (!releases.length) throw new Unproven("no hospital's own receipt stands behind this: the hub's word is all there is");
  const stranger = [...contributors(aggregation).keys()].sort().find((site) => !Object.hasOwn(aggregation.approvals, site));
  if (stranger !== undefined) throw new Unproven(`${stranger} took part without an approval`);
  for (const {site, approval} of releases) {
    if (!Object.hasOwn(aggregation.approvals, site)) throw new Unproven(`${site} signed a receipt, but the hub names no approval of it`);
    if (aggregation.approvals[site] !== approval) throw new Unproven(`the approval that ${site} signed is not the one that the hub names`);
  }
  return releases.map((release) => release.site).join(", ");
}

/** No hospital's no is passed over, nor told for another reason. */
export function checkRefusals(aggregation, refused) {
  const missed = refused.find(({site}) => !Object.hasOwn(aggregation.denials, site));
  if (missed) throw new Unproven(`${missed.site} signed a refusal, but the hub names none of it`);
  const other = refused.find(({site, reason}) => signedFor(aggregation.denials[site]) !== reason);
  if (other) throw new Unproven(`${other.site} signed that it refused for another reason than the hub names`);
}

/** The reason as a hospital signs it: whatever tells of the records themselves reads alike. */
const signedFor = (reason) => (said.OF_THE_DATA.includes(reason) ? "cohort-not-answerable" : reason);

/** Hospitals of which the hub alone says that they did not take part to the end. */
export function unsignedDenials(aggregation, refused) {
  const signed = new Set(refused.map(({site}) => site));
  return Object.keys(aggregation.denials).filter((site) => !signed.has(site)).sort()
    .map((site) => `That ${site} refused or failed: the hub says so, and ${site} signed no refusal here.`);
}

export function checkUpdates(aggregation, releases) {
  let compared = 0;
  for (const release of releases) {
    const signed = new Map(release.rounds.map((trace) => [trace.round, trace.weights_out])), {about, below} = release.cohort.train_rows;
    for (const members of aggregation.rounds) {
      if (!Object.hasOwn(members.updates, release.site)) continue;
      if (members.updates[release.site] !== signed.get(members.round)) throw new Unproven(`round ${members.round}: what went in for ${release.site} is not what it signed`);
      if (members.weights_of_sites[release.site] !== (about ?? below)) {
        throw new Unproven(`round ${members.round}: the update of ${release.site} had another weight than the rows that it signed`);
      }
      compared++;
    }
  }
  return `${compared} updates compared`;
}

export function checkStarts(aggregation, releases) {
  const given = new Map(aggregation.rounds.map((members) => [members.round + 1, members.weights_out])), last = aggregation.rounds.at(-1).round;
  let compared = 0;
  for (const release of releases) {
    if (release.weights !== aggregation.weights) throw new Unproven(`${release.site} signed other weights at the end than those that are delivered`);
    for (const trace of release.rounds) {
      if (trace.round > last) throw new Unproven(`${release.site} signed a round ${trace.round}, which the hub does not know of`);
      if (trace.weights_in !== (given.get(trace.round) ?? null)) throw new Unproven(`round ${trace.round}: ${release.site} did not start from the weights before it`);
      compared++;
    }
  }
  return `${compared} starts compared`;
}

/** The freeze that each hospital's receipt names is the one that the hub says it had; where the hub names none it names none. */
export function checkFreezes(aggregation, releases) {
  const logged = aggregation.freezes ?? {};
  const other = releases.find(({site, freeze}) => (Object.hasOwn(logged, site) ? logged[site] : null) !== freeze);
  if (other) throw new Unproven(`the freeze that ${other.site} names is not the one that the hub had before its run`);
  return releases.filter(({freeze}) => freeze !== null).map(({site}) => site).join(", ") || "none of a receipt that stands";
}

/** The hub names a freeze of every hospital whose update went into a round. Throws Unproven. */
export function checkAllFroze(aggregation) {
  const logged = aggregation.freezes ?? {}, [missing] = [...contributors(aggregation).keys()].filter((site) => !Object.hasOwn(logged, site)).sort();
  if (missing) throw new Unproven(`${missing} took part, and the hub names no freeze of it before its run, which is asked for`);
}

/** What the comparison could not cover, in plain words. */
export function gaps(aggregation, releases) {
  const signed = new Set(releases.map((release) => release.site)), counted = contributors(aggregation);
  const missing = [...counted].filter(([site]) => !signed.has(site)).sort()
    .map(([site, rounds]) => `What ${site} signed: it took part in ${inWords(rounds)}, and no valid receipt of it is in this folder.`);
  const late = releases.map((release) => [release.site, release.rounds.map((trace) => trace.round).filter((round) => !(counted.get(release.site) ?? []).includes(round))])
    .filter(([, rounds]) => rounds.length)
    .map(([site, rounds]) => `Why the update of ${site} was not counted in ${inWords(rounds)}, though ${site} signed one.`);
  return [...missing, ...late];
}

/** Site -> the rounds that its update went into. */
function contributors(aggregation) {
  const found = new Map();
  for (const members of aggregation.rounds) {
    for (const site of Object.keys(members.updates)) found.set(site, [...(found.get(site) ?? []), members.round]);
  }
  return found;
}

const inWords = (rounds) => (rounds.length === 1 ? `round ${rounds[0]}` : `${rounds.length} rounds (${rounds[0]} to ${rounds.at(-1)})`);
