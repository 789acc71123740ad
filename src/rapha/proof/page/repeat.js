/** A second machine's word that it did a run again: what makes of a hospital's receipt one of tier T1. As rapha/proof/repeat.py. */
import {openEnvelope, payloadOf, readBundle, readWord} from "./bundle.js";
import {digestOf, same} from "./bytes.js";
import {FAILED, PASSED, Unproven} from "./checklist.js";
import {canonicalBytes} from "./json.js";
import {p256FromPem} from "./keys.js";
import {hasShape} from "./shape.js";
import {checkNonce, checkTypes, readCanonical, readClaim} from "./statement.js";
import {said, shapes} from "./stated.js";

/** These verdicts, each with a step more where there is a word about it. Throws Unproven where one is about a receipt that is not here. */
export async function raisedBy(verdicts, folder, words) {
  let judged = verdicts;
  for (const word of words) {
    const subject = `receipts/${readRepeat(payloadOf(readWord(word))).site}.json`;
    if (!folder.receipts.has(subject)) throw new Unproven(`the word of a second run is about ${subject}, which is not in this folder`);
    judged = await Promise.all(judged.map((one) => (one.subject === subject ? raised(one, folder, word) : one)));
  }
  return judged;
}

/** The verdict on a hospital's receipt, with one step more; of tier T1 where that holds, of T0, and failed, where it does not. One that does not hold stays as it is. */
async function raised(verdict, folder, word) {
  if (verdict.outcome !== PASSED) return verdict;
  const step = (outcome, detail) => [...verdict.steps, {number: verdict.steps.length + 1, check: said.REPEAT_CHECK, outcome, detail}];
  const rest = verdict.notShown.filter((remark) => remark !== said.T0_NOT_SHOWN[0] && !said.T1_NOT_SHOWN.includes(remark));
  try {
    const steps = step(PASSED, await checkRepeat(verdict.subject, folder, word));
    return {...verdict, tier: "T1", steps, notShown: [...said.T1_NOT_SHOWN, ...rest]};
  } catch (problem) {
    if (!(problem instanceof Unproven)) throw problem;
    return {...verdict, outcome: FAILED, tier: "T0", steps: step(FAILED, problem.message), notShown: [said.T0_NOT_SHOWN[0], ...rest]};
  }
}

async function checkRepeat(path, folder, word) {
  // 1. A key that the reader has from somewhere else, as a repeater's; not the receipt's own.
  const envelope = readWord(word), receipt = readBundle(folder.receipts.get(path)).envelope;
  const signer = envelope.signatures[0].keyid, short = signer.slice(0, 16);
  if (!folder.pinned) throw new Unproven("no keys are pinned: a key that came with the folder cannot raise its receipts");
  const named = folder.known.keys.filter((key) => key.keyid === signer && key.role === said.REPEATER);
  if (!named.length) throw new Unproven(`the key ${short} is not pinned as that of a ${said.REPEATER}`);
  const pinned = named.filter((key) => path === `receipts/${key.owner}.json`);
  if (pinned.length > 1) throw new Unproven(`the key ${short} is pinned twice for one hospital`);
  const key = pinned[0] ?? named[0];
  if (signer === receipt.signatures[0].keyid) throw new Unproven("it is signed with the key that signed the receipt: nobody raises their own word");
  // 2. Its signature, over the one form of such a statement.
  const repeat = readRepeat(await openEnvelope(envelope, await p256FromPem(key.public_key)));
  // 3. About this receipt, this hospital, and what this receipt's transcript says.
  const payload = payloadOf(receipt), value = readCanonical(payload);
  checkTypes(value, said.SITE_BUILD);
  checkNonce(value);
  const stated = readClaim(value, payload, said.SITE_BUILD).stated.transcript;
  if (repeat.site !== key.owner || path !== `receipts/${repeat.site}.json`) throw new Unproven(`the key is pinned for ${key.owner}, the word is about ${repeat.site}`);
  if (repeat.statement !== (await digestOf(payload))) throw new Unproven("it is about another receipt than the one in this folder");
  if (!stated || repeat.root !== stated.root || repeat.waypoints !== stated.waypoints) throw new Unproven("what came out again is not what the receipt's transcript says");
  return `key ${short}; ${repeat.waypoints} waypoints came out the same, root ${repeat.root}`;
}

function readRepeat(payload) {
  const value = readCanonical(payload), repeat = value.predicate;
  if (value.predicateType !== said.REPEAT_TYPE) throw new Unproven("this is not the word of a machine that did a run again (predicateType)");
  if (!hasShape(repeat, shapes.Repeat, true)) throw new Unproven("the statement lacks a field of this format, or has one that cannot be read");
  if (!same(canonicalBytes(statementOf(repeat)), payload)) throw new Unproven("the statement has a field that this format does not know, or a name that contradicts another");
  return repeat;
}

const statementOf = (repeat) => ({
  _type: said.STATEMENT_TYPE,
  subject: [{name: `receipts/${repeat.site}.json`, digest: {sha256: repeat.statement.replace(/^sha256:/, "")}}],
  predicateType: said.REPEAT_TYPE,
  predicate: repeat,
});
