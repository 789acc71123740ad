/** A freeze: what a hospital signed of its cohort before a run, read from its one form, and held against the receipt. As rapha/proof/freeze.py. */
import {digestOf, same} from "./bytes.js";
import {Unproven} from "./checklist.js";
import {canonicalBytes} from "./json.js";
import {hasShape} from "./shape.js";
import {said, shapes} from "./stated.js";

export function checkFreezeType(value) {
  if (value._type !== said.STATEMENT_TYPE) throw new Unproven("this is not an in-toto Statement v1");
  if (value.predicateType !== said.FREEZE_TYPE) throw new Unproven("the statement is no freeze (predicateType)");
  return said.FREEZE_TYPE;
}

/** The claim of a canonical statement of this type. Throws Unproven where anything is missing or besides. */
export function readFreeze(value, payload) {
  const freeze = value.predicate;
  if (!hasShape(freeze, shapes.Freeze, true)) throw new Unproven("the statement lacks a field of this format, or has one that cannot be read");
  if (!same(canonicalBytes(statementOf(freeze)), payload)) {
    throw new Unproven("the statement has a field that this format does not know, or a name that contradicts another");
  }
  return {kind: "freeze", speaker: freeze.site, stated: freeze, payload, files: new Map([[said.STUDY_FILE, freeze.study_digest]]), notShown: []};
}

const statementOf = (freeze) => ({
  _type: said.STATEMENT_TYPE,
  subject: [{name: said.STUDY_FILE, digest: {sha256: freeze.study_digest.replace(/^sha256:/, "")}}],
  predicateType: said.FREEZE_TYPE,
  predicate: freeze,
});

/** That a receipt names this freeze, and says the same of the cohort. Throws Unproven. */
export async function checkSame(claim, freeze) {
  const release = claim.stated, frozen = freeze.stated, digest = await digestOf(freeze.payload);
  // 1. The very freeze that the receipt names, of this run.
  if (digest !== release.freeze) throw new Unproven(`the freeze that is here is ${digest}, the receipt names ${release.freeze}`);
  if (["site", "study_digest", "approval"].some((name) => frozen[name] !== release[name])) {
    throw new Unproven("the freeze is of another hospital, study or approval than the receipt");
  }
  if (!release.rounds.some(({round}) => round === 0)) {
    throw new Unproven("the receipt names a freeze, and not the run's first round: the hospital had seen weights of the run before its work");
  }
  // 2. The same patients, and the same rows.
  if (frozen.patients_root !== release.cohort.patients_root) throw new Unproven("the receipt has another tree of patients than the hospital froze before the run");
  if (frozen.commitment !== release.cohort.commitment) throw new Unproven("the receipt is of other rows than the hospital froze before the run");
}

/** That it came after it; `seen` and `logged` are {logs, trees, places, stamped}. Throws Unproven. */
export function checkBefore(claim, seen, logged) {
  // 3. Both of its entries come before both of the receipt's, in one tree of one log: of two trees nothing says that one became the other.
  if (new Set([...seen.logs, ...logged.logs]).size !== 1) throw new Unproven("freeze and receipt are in different logs: which came first is not shown");
  if (new Set([...seen.trees, ...logged.trees]).size !== 1) throw new Unproven("freeze and receipt are not proven in one tree of the log: which came first is not shown");
  if (!logged.places.every((one) => seen.places.every((other) => one < other))) {
    throw new Unproven("the log has the freeze after the receipt: whom to name could be chosen afterwards");
  }
  // 4. It was stamped no later than the receipt, and before the run ended, by the hospital's own word.
  if (logged.stamped > seen.stamped) throw new Unproven("the freeze was time-stamped after the receipt");
  if (logged.stamped > Date.parse(claim.at) + said.FREEZE_WITHIN_SECONDS * 1000) throw new Unproven("the freeze was time-stamped after the run had ended, by the hospital's own word");
  const [first, second] = logged.places;
  return `entries ${first} and ${second}, stamped ${new Date(logged.stamped).toISOString()}; the same tree of patients, the same rows`;
}
