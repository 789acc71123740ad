/** Public keys: P-256 of signers (rapha/proof/keys.py), Ed25519 of logs and witnesses (rapha/proof/checkpoint.py). */
import {fromBase64, hex, sha256} from "./bytes.js";
import {NotChecked, Unproven} from "./checklist.js";
import {rawSignature, readSignature} from "./der.js";

const GROUP_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const MAX_PEM = 2000;
const ECDSA = {name: "ECDSA", namedCurve: "P-256", hash: "SHA-256"};
const NO_ED25519 = "this browser has no Ed25519 (RFC 8032), so signatures of logs and witnesses cannot be looked at: use a newer one";

/** A P-256 key: {key, spki, keyid}; `keyid` is the SHA-256 of its SubjectPublicKeyInfo, in hex. */
export const publicP256 = (spki, wrong) => imported(spki, ECDSA, wrong);

export const p256FromPem = (pem) => publicP256(pemBytes(pem), "this is not a public key on P-256 in PEM: ask its owner for it again");

/** An Ed25519 key: {key, spki, keyid, raw}; `raw` is its 32 bytes. Throws NotChecked where the browser has none of the kind. */
export async function ed25519FromPem(pem) {
  const found = await imported(pemBytes(pem), {name: "Ed25519"}, "this is not an Ed25519 public key in PEM: ask its owner for it again");
  return {...found, raw: new Uint8Array(await crypto.subtle.exportKey("raw", found.key))};
}

async function imported(spki, kind, wrong) {
  let key;
  try {
    key = await crypto.subtle.importKey("spki", spki, kind, true, ["verify"]);
  } catch (problem) {
    if (problem.name === "NotSupportedError") throw new NotChecked(NO_ED25519);
    throw new Unproven(wrong);
  }
  const again = new Uint8Array(await crypto.subtle.exportKey("spki", key));
  return {key, spki: again, keyid: hex(await sha256(again))};
}

function pemBytes(pem) {
  const found = pem.length <= MAX_PEM && /^-----BEGIN PUBLIC KEY-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END PUBLIC KEY-----\s*$/.exec(pem);
  if (!found) throw new Unproven("this is not a public key in PEM: ask its owner for it again");
  return fromBase64(found[1].replace(/[\r\n]/g, ""), "this is not a public key in PEM: ask its owner for it again");
}

/** The owner of `found` made this signature over `message`: DER, in its one form, low S. Throws Unproven. */
export async function checkSignature(found, signature, message) {
  const [r, s] = readSignature(signature);
  if (s > GROUP_ORDER / 2n) throw new Unproven("the signature is not in its one allowed form (DER, low S)");
  await checkP256(found, [r, s], message, "the signature does not fit: these bytes were changed, or another key signed them");
}

/** The same, with either S: certificates by others have both. */
export async function checkP256(found, [r, s], message, wrong) {
  const inRange = [r, s].every((part) => part > 0n && part < GROUP_ORDER);
  if (!inRange || !(await crypto.subtle.verify(ECDSA, found.key, rawSignature([r, s]), message))) throw new Unproven(wrong);
}

export async function checkEd25519(found, signature, message, wrong) {
  if (!(await crypto.subtle.verify({name: "Ed25519"}, found.key, signature, message))) throw new Unproven(wrong);
}
