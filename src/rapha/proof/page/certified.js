/** Whom the second form relies on: certificates whose keys are known in their roles. As rapha/proof/certified.py. */
import {fromBase64} from "./bytes.js";
import {readCertificate} from "./certificate.js";
import {Unproven} from "./checklist.js";
import {readJson} from "./json.js";
import {p256FromPem} from "./keys.js";
import {hasShape} from "./shape.js";
import {said, shapes} from "./stated.js";

/** Where the second form of `receipts/north.json`, or of `refusals/north.json`, lies. */
export function certifiedPath(receipt) {
  const [place, name] = receipt.slice(0, -".json".length).split("/");
  return `sigstore/${name}${`${place}/` === said.REFUSALS ? ".refusal" : ""}.sigstore.json`;
}

/** {authority, stamper, certificateLog} of a trust configuration. Throws Unproven. */
export async function readTrust(bytes, known, where) {
  const file = said.TRUST_CONFIG_FILE, wrong = `${file} is not a trust configuration for Sigstore's clients`;
  if (!bytes) throw new Unproven(`${file} is missing: ask the hub for the folder again`);
  const value = readJson(bytes, wrong);
  if (!hasShape(value, shapes.TrustConfig)) throw new Unproven(wrong);
  const first = (list) => readCertificate(fromBase64(list[0].certChain.certificates[0].rawBytes));
  const authority = await first(value.trustedRoot.certificateAuthorities), stamper = await first(value.trustedRoot.timestampAuthorities);
  const issuing = known.keys.filter((key) => key.role === said.CERTIFICATE_LOG);
  await checkKnown(authority, said.AUTHORITY, known, where);
  await checkKnown(stamper, said.STAMPER, known, where);
  if (issuing.length !== 1) throw new Unproven(`exactly one key of a ${said.CERTIFICATE_LOG} has to be ${where}; ${issuing.length} are`);
  return {authority, stamper, certificateLog: await p256FromPem(issuing[0].public_key)};
}

async function checkKnown(certificate, role, known, where) {
  const mine = await Promise.all(known.keys.filter((key) => key.role === role).map((key) => p256FromPem(key.public_key)));
  if (!mine.some((key) => key.keyid === certificate.public.keyid)) throw new Unproven(`the key of the ${role} in ${said.TRUST_CONFIG_FILE} is not ${where}`);
}
