/** A receipt and its place in the log, taken apart: a Sigstore bundle v0.3. As rapha/proof/bundle.py, envelope.py, entry.py. */
import {fromBase64, joined, same, sha256, toBase64, utf8} from "./bytes.js";
import {Unproven} from "./checklist.js";
import {readCheckpoint} from "./checkpoint.js";
import {canonicalBytes, readJson} from "./json.js";
import {checkSignature} from "./keys.js";
import {leafHash, rootOfInclusion} from "./merkle.js";
import {hasShape} from "./shape.js";
import {shapes} from "./stated.js";

export const MAX_RECEIPT_BYTES = 33 << 20;
const MAX_PAYLOAD_BYTES = 24 << 20;

/** The bytes of a receipt file as {envelope, entry, material}. Nothing is verified yet. Throws Unproven. */
export const readBundle = (bytes) => read(bytes, shapes.Bundle, "this is not a Sigstore bundle v0.3 with a DSSE envelope and its log entry");

/** The second form, of that very envelope. Throws Unproven. */
export function readCertified(bytes, envelope) {
  const found = read(bytes, shapes.CertifiedBundle, "this is not a Sigstore bundle v0.3 with a certificate, a time stamp and its log entry");
  if (!same(canonicalBytes(found.envelope), canonicalBytes(envelope))) throw new Unproven("the Sigstore form holds another envelope than the receipt");
  return found;
}

/** A bare DSSE envelope with one signature. Nothing is verified yet. Throws Unproven. */
export const readWord = (bytes) => checkForm(shaped(bytes, shapes.Receipt, "this is not a DSSE envelope as rapha node reexecute signs one"));

function read(bytes, shape, wrong) {
  const value = shaped(bytes, shape, wrong);
  return {envelope: checkForm(value.dsseEnvelope), material: value.verificationMaterial, entry: value.verificationMaterial.tlogEntries[0]};
}

function shaped(bytes, shape, wrong) {
  if (bytes.length > MAX_RECEIPT_BYTES) throw new Unproven(`the receipt has ${bytes.length} bytes: at most ${MAX_RECEIPT_BYTES}`);
  const value = readJson(bytes, wrong);
  if (!hasShape(value, shape)) throw new Unproven(wrong);
  return value;
}

function checkForm(envelope) {
  const count = envelope.signatures.length;
  if (count !== 1) throw new Unproven(`the envelope has ${count} signatures: a receipt has exactly one`);
  payloadOf(envelope);
  signatureOf(envelope);
  return envelope;
}

export const signatureOf = (envelope) => fromBase64(envelope.signatures[0].sig, "the signature is not base64 in its one form");

export function payloadOf(envelope) {
  const payload = fromBase64(envelope.payload, "the payload is not base64 in its one form");
  if (payload.length > MAX_PAYLOAD_BYTES) throw new Unproven(`the payload has ${payload.length} bytes: at most ${MAX_PAYLOAD_BYTES}`);
  return payload;
}

/** DSSE's pre-authentication encoding: the bytes that are signed. */
function signedBytes(envelope) {
  const payload = payloadOf(envelope), kind = utf8(envelope.payloadType);
  return joined(utf8(`DSSEv1 ${kind.length} ${envelope.payloadType} ${payload.length} `), payload);
}

/** The exact payload, once the owner of the key is seen to have signed it. Throws Unproven. */
export async function openEnvelope(envelope, found) {
  if (envelope.signatures[0].keyid !== found.keyid) throw new Unproven("the envelope does not hold exactly one signature by this key");
  await checkSignature(found, signatureOf(envelope), signedBytes(envelope));
  return payloadOf(envelope);
}

/** The log's entry for this envelope; `signer` is {publicKey} or {x509Certificate}, in DER. */
async function entryFor(envelope, signer) {
  const digest = toBase64(await sha256(signedBytes(envelope)));
  const data = {algorithm: "SHA2_256", digest};
  const signature = {content: envelope.signatures[0].sig, verifier: {keyDetails: "PKIX_ECDSA_P256_SHA_256", ...signer}};
  return canonicalBytes({apiVersion: "0.0.2", kind: "hashedrekord", spec: {hashedRekordV002: {data, signature}}});
}

export const keyEntry = (envelope, spki) => entryFor(envelope, {publicKey: {rawBytes: toBase64(spki)}});

export const certifiedEntry = (envelope, certificate) => entryFor(envelope, {x509Certificate: {rawBytes: toBase64(certificate)}});

/** The log holds exactly this receipt's signature, digest and signer. Throws Unproven. */
export function checkEntry(entry, expected) {
  if (!same(fromBase64(entry.canonicalizedBody), expected)) {
    throw new Unproven("the log's entry is of another signature, another key or other bytes than this receipt");
  }
  return `hashedrekord/0.0.2, ${expected.length} bytes`;
}

/** The checkpoint under which the entry is in the log. Its signatures are not checked yet. Throws Unproven. */
export async function checkInclusion(entry) {
  const proof = entry.inclusionProof, checkpoint = readCheckpoint(proof.checkpoint.envelope);
  if (entry.logIndex !== proof.logIndex) throw new Unproven("the bundle gives the entry two places in the log");
  if (BigInt(proof.treeSize) !== checkpoint.size || !same(fromBase64(proof.rootHash), checkpoint.root)) {
    throw new Unproven("the inclusion proof is for another size or root than the checkpoint's");
  }
  const leaf = await leafHash(fromBase64(entry.canonicalizedBody));
  const root = await rootOfInclusion(BigInt(proof.logIndex), checkpoint.size, leaf, proof.hashes.map((hash) => fromBase64(hash)));
  if (!same(root, checkpoint.root)) throw new Unproven("the inclusion proof does not lead to the checkpoint's root: this entry is not in that log");
  return checkpoint;
}
