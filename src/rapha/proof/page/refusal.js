/** A refusal: a hospital's signed no, read from its one form. As rapha/proof/refusal.py. */
import {same} from "./bytes.js";
import {Unproven} from "./checklist.js";
import {canonicalBytes} from "./json.js";
import {hasShape} from "./shape.js";
import {said, shapes} from "./stated.js";

const NONCE = /^[0-9a-f]{32}$/;

export function checkRefusalType(value) {
  if (value._type !== said.STATEMENT_TYPE) throw new Unproven("this is not an in-toto Statement v1");
  if (value.predicateType !== said.REFUSAL_TYPE) throw new Unproven("the statement is no refusal (predicateType)");
  return said.REFUSAL_TYPE;
}

export function checkRefusalNonce(value) {
  const nonce = value.predicate?.nonce;
  if (typeof nonce !== "string" || !NONCE.test(nonce)) throw new Unproven("the nonce is not 128 bits in hex, so the statement might be guessed from its hash");
  return nonce;
}

/** The claim of a canonical statement of this type. Throws Unproven where anything is missing or besides. */
export function readRefusal(value, payload) {
  const refusal = value.predicate;
  if (!hasShape(refusal, shapes.Refusal, true) || said.STAGES[refusal.reason] !== refusal.stage || !isTime(refusal.at)) {
    throw new Unproven("the statement lacks a field of this format, or has one that cannot be read");
  }
  if (!same(canonicalBytes(statementOf(refusal)), payload)) {
    throw new Unproven("the statement has a field that this format does not know, or a name that contradicts another");
  }
  return {kind: "refusal", speaker: refusal.site, stated: refusal, files: new Map([[said.STUDY_FILE, refusal.study_digest]]), notShown: said.REFUSAL_NOT_SHOWN};
}

const statementOf = (refusal) => ({
  _type: said.STATEMENT_TYPE,
  subject: [{name: said.STUDY_FILE, digest: {sha256: refusal.study_digest.replace(/^sha256:/, "")}}],
  predicateType: said.REFUSAL_TYPE,
  predicate: refusal,
});

const isTime = (text) => Number.isFinite(Date.parse(text)) && new Date(text).toISOString() === text;
