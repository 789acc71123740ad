/** Checkpoints: a log's promise of its size and root, signed and cosigned. As rapha/proof/checkpoint.py (C2SP). */
import {HASH_BYTES, fromBase64, joined, same, sha256, utf8, wholeNumber} from "./bytes.js";
import {Unproven} from "./checklist.js";
import {checkEd25519} from "./keys.js";

export const LOG_SIGNATURE = 0x01, COSIGNATURE = 0x04;
const MAX_BYTES = 64 << 10, MAX_SIGNATURES = 64, MAX_SIZE = (1n << 63n) - 1n, LAST_SECOND = 253402300799n;
const NAME = /^[^\s+\x00-\x1f]{1,255}$/u;
const LINE = /^— ([^ +]{1,255}) ([A-Za-z0-9+/]+={0,2})$/u;
const TEXT = /^([^\n]{1,255})\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/=]{44})\n$/u;

/** A note as {text, origin, size, root, signatures}. Nothing is verified yet. Throws Unproven where it is no checkpoint. */
export function readCheckpoint(note) {
  if (utf8(note).length > MAX_BYTES) throw new Unproven(`the checkpoint has more than ${MAX_BYTES} bytes`);
  const cut = note.indexOf("\n\n"), text = `${cut < 0 ? note : note.slice(0, cut)}\n`;
  const lines = cut < 0 ? [""] : note.slice(cut + 2).split("\n");
  const found = TEXT.exec(text), ended = lines.pop() === "";
  if (!found || !ended || lines.length < 1 || lines.length > MAX_SIGNATURES) {
    throw new Unproven("this is not a checkpoint: an origin, a size and a root, an empty line, then signatures");
  }
  const signatures = lines.map((line) => {
    const signed = LINE.exec(line);
    if (!signed) throw new Unproven("a signature line of the checkpoint cannot be read");
    return {name: signed[1], raw: decoded(signed[2])};
  });
  const [, origin, size, root] = found;
  const checkpoint = {text: utf8(text), origin, size: BigInt(size), root: decoded(root), signatures};
  if (!NAME.test(origin) || checkpoint.size > MAX_SIZE || checkpoint.root.length !== HASH_BYTES) {
    throw new Unproven("the checkpoint's origin, size or root has not the form of one");
  }
  return checkpoint;
}

const decoded = (text) => fromBase64(text, "the checkpoint has base64 that is not in its one form");

/** signed-note's hash of a key; its first four bytes are the key id, and all of it is Sigstore's log id. */
export const noteKeyHash = (name, found, kind = LOG_SIGNATURE) => sha256(joined(utf8(`${name}\n`), Uint8Array.of(kind), found.raw));

/** The log that the checkpoint names signed it with this key. Throws Unproven. */
export async function checkLog(checkpoint, found) {
  const raw = signatureOf(checkpoint, checkpoint.origin, await noteKeyHash(checkpoint.origin, found));
  if (!raw) throw new Unproven("the checkpoint is not signed by this log's key");
  await checkEd25519(found, raw, checkpoint.text, "the log's signature does not fit the checkpoint");
}

/** When this witness saw the checkpoint, as ISO text; null where it is not among the signatures. Throws Unproven. */
export async function cosignatureTime(checkpoint, name, found) {
  const raw = signatureOf(checkpoint, name, await noteKeyHash(name, found, COSIGNATURE));
  if (!raw) return null;
  const seconds = wholeNumber(raw.slice(0, 8)), wrong = `the cosignature of ${name} does not fit the checkpoint`;
  await checkEd25519(found, raw.slice(8), joined(utf8(`cosignature/v1\ntime ${seconds}\n`), checkpoint.text), wrong);
  if (raw.length < 8 || seconds > LAST_SECOND) throw new Unproven(`${wrong}: it names no time`);
  return new Date(Number(seconds) * 1000).toISOString();
}

function signatureOf(checkpoint, name, keyHash) {
  const mine = checkpoint.signatures.filter((one) => one.name === name && same(one.raw.slice(0, 4), keyHash.slice(0, 4)));
  if (mine.length > 1) throw new Unproven(`the checkpoint has more than one signature of ${name}`);
  return mine[0]?.raw.slice(4);
}

