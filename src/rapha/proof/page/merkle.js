/** The Merkle tree of RFC 6962 (RFC 9162, 2.1): what an inclusion proof proves. As rapha/proof/merkle.py. */
import {HASH_BYTES, joined, sha256} from "./bytes.js";
import {Unproven} from "./checklist.js";

const MAX_PROOF_HASHES = 63;

export const leafHash = (entry) => sha256(joined(Uint8Array.of(0), entry));

const nodeHash = (left, right) => sha256(joined(Uint8Array.of(1), left, right));

/** The one root under which `proof` shows `leaf` at `index` of `size`, both BigInt (RFC 9162, 2.1.3.2). Throws Unproven. */
export async function rootOfInclusion(index, size, leaf, proof) {
  if (index < 0n || index >= size) throw new Unproven(`leaf ${index} cannot be in a log of ${size} entries`);
  if (proof.length > MAX_PROOF_HASHES || proof.some((hash) => hash.length !== HASH_BYTES)) {
    throw new Unproven(`a proof is a list of at most ${MAX_PROOF_HASHES} hashes of ${HASH_BYTES} bytes`);
  }
  let at = index, last = size - 1n, found = leaf;
  for (const hash of proof) {
    if (last === 0n) throw new Unproven("the inclusion proof has too many hashes for its place in the log");
    if (at & 1n || at === last) {
      found = await nodeHash(hash, found);
      while (!(at & 1n) && at) [at, last] = [at >> 1n, last >> 1n];
    } else {
      found = await nodeHash(found, hash);
    }
    [at, last] = [at >> 1n, last >> 1n];
  }
  if (last) throw new Unproven("the inclusion proof has too few hashes for its place in the log");
  return found;
}
