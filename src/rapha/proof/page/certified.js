/** Whom the second form relies on: certificates whose keys are known in their roles. As rapha/proof/certified.py. */
import {fromBase64} from "./bytes.js";
import {readCertificate} from "./certificate.js";
import {Unproven} from "./checklist.js";
import {readJson} from "./json.js";
import {p256FromPem, publicP256} from "./keys.js";
import {hasShape} from "./shape.js";
import {said, shapes} from "./stated.js";
import {checkStamp} from "./timestamp.js";

/** Where the second form of `receipts/north.json`, `refusals/north.json` or `freezes/north.json` lies. */
export function certifiedPath(receipt) {
  const [place, name] = receipt.slice(0, -".json".length).split("/");
  const kind = {[said.REFUSALS]: ".refusal", [said.FREEZES]: ".freeze"}[`${place}/`] ?? "";
  return `sigstore/${name}${kind}.sigstore.json`;
}

/** Authorities, each with its stamper and log of certificates, all of whose keys are known: {authority, stamper, certificateLog, known}. Throws Unproven. */
export async function readTrust(bytes, known, where) {
  const file = said.TRUST_CONFIG_FILE, wrong = `${file} is not a trust configuration for Sigstore's clients`;
  if (!bytes) throw new Unproven(`${file} is missing: ask the hub for the folder again`);
  const value = readJson(bytes, wrong);
  if (!hasShape(value, shapes.TrustConfig)) throw new Unproven(wrong);
  const {certificateAuthorities, timestampAuthorities, ctlogs} = value.trustedRoot;
  if (certificateAuthorities.length !== ctlogs.length || timestampAuthorities.length !== ctlogs.length) throw new Unproven(wrong);
  const all = await Promise.all(ctlogs.map(async (issuing, place) => ({
    authority: await first(certificateAuthorities[place]), stamper: await first(timestampAuthorities[place]),
    certificateLog: await publicP256(fromBase64(issuing.publicKey.rawBytes), "this is not a public key on P-256"),
  })));
  const found = await Promise.all(all.map((trust) => withKnown(trust, known, where).catch(unproven)));
  const good = found.filter((one) => !(one instanceof Unproven));
  if (!good.length) throw found.at(-1);
  return good;
}

/** Which of these has stamped `message`, and when: {trust, at}. Throws Unproven: none of them has. */
export async function stampedWhen(trusts, response, message) {
  let wrong;
  for (const trust of trusts) {
    const at = await checkStamp(response, message, trust.stamper).catch(unproven);
    if (!(at instanceof Unproven)) return {trust, at};
    wrong = at;
  }
  throw wrong;
}

const first = (authority) => readCertificate(fromBase64(authority.certChain.certificates[0].rawBytes));

function unproven(problem) {
  if (!(problem instanceof Unproven)) throw problem;
  return problem;
}

async function withKnown(trust, known, where) {
  const owned = [[said.AUTHORITY, trust.authority.public], [said.STAMPER, trust.stamper.public], [said.CERTIFICATE_LOG, trust.certificateLog]];
  return {...trust, known: await Promise.all(owned.map(([role, held]) => knownKey(held, role, known, where)))};
}

async function knownKey(held, role, known, where) {
  for (const key of known.keys.filter((one) => one.role === role)) {
    if ((await p256FromPem(key.public_key)).keyid === held.keyid) return key;
  }
  throw new Unproven(`the key of the ${role} in ${said.TRUST_CONFIG_FILE} is not ${where}`);
}
