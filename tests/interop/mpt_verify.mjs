// Reads [{root, key, branch}] and says of each which value @ethereumjs/mpt finds at that key, or "no".
import { readFileSync } from "node:fs";
import { MerklePatriciaTrie, verifyMPTWithMerkleProof } from "@ethereumjs/mpt";

const bytes = (text) => Uint8Array.from(Buffer.from(text.slice(2), "hex"));
const said = [];
for (const { root, key, branch } of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    const found = await verifyMPTWithMerkleProof(new MerklePatriciaTrie(), bytes(root), bytes(key), branch.map(bytes));
    said.push(found === null ? "no" : "0x" + Buffer.from(found).toString("hex"));
  } catch {
    said.push("no");
  }
}
process.stdout.write(JSON.stringify(said));
