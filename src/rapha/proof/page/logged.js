/** Is it in the public log, and who has seen that log? As rapha/proof/logged.py. */
import {fromBase64, same} from "./bytes.js";
import {NotChecked, Unproven} from "./checklist.js";
import {checkLog, cosignatureTime, noteKeyHash} from "./checkpoint.js";
import {ed25519FromPem} from "./keys.js";

/** The key, of a log that is known by name and key, that signed the checkpoint. Throws Unproven. */
export async function checkSignedByLog(entry, checkpoint, known, where) {
  const mine = known.keys.filter((key) => key.role === "log" && key.owner === checkpoint.origin);
  if (!mine.length) throw new Unproven(`the key of the log ${checkpoint.origin} is not ${where}`);
  for (const key of mine) {
    const found = await ed25519FromPem(key.public_key);
    if (same(await noteKeyHash(checkpoint.origin, found), fromBase64(entry.logId.keyId))) {
      if (found.keyid !== key.keyid) throw new Unproven(`the key listed as ${key.keyid.slice(0, 16)} is another one: its SHA-256 differs`);
      await checkLog(checkpoint, found);
      return key;
    }
  }
  throw new Unproven(`the bundle is from another log than the ${checkpoint.origin} that is known`);
}

/** The witnesses that have seen this checkpoint, by key id: at least as many as the keys file asks for. Throws Unproven. */
export async function checkWitnesses(checkpoint, known) {
  const witnesses = known.keys.filter((key) => key.role === "witness"), seen = new Map();
  for (const key of witnesses) {
    const found = await ed25519FromPem(key.public_key), at = await cosignatureTime(checkpoint, key.owner, found);
    if (at) seen.set(found.keyid, `${key.owner} at ${at}`);
  }
  if (known.ml_dsa_at_least || known.log_ml_dsa) throw new NotChecked("this page cannot look at signatures of ML-DSA-44, which your keys file asks for: use `rapha receipt verify`");
  const asked = known.witnesses_at_least ?? 0;
  if (seen.size < asked) throw new Unproven(`${seen.size} of ${witnesses.length} known witnesses have seen this checkpoint; ${asked} are asked for`);
  return seen;
}
