/** Certificates of signers, checked as rapha/proof/certificate.py does. */
import {bigEndian, hex, joined, same, sha256, utf8, wholeNumber} from "./bytes.js";
import {Unproven} from "./checklist.js";
import {BITS, INTEGER, OCTETS, OID, SEQUENCE, inside, momentOf, oid, readSignature, readWhole, sequence, tlv} from "./der.js";
import {checkP256, checkSignature, publicP256} from "./keys.js";

const MAX_BYTES = 8 << 10;
const MALFORMED = "this is not a certificate in DER";
const ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
const KEY_USES = hex(oid("2.5.29.37")), NAMES = hex(oid("2.5.29.17")), STAMPS = hex(oid("1.3.6.1.4.1.11129.2.4.2"));
const CODE_SIGNING = sequence(oid("1.3.6.1.5.5.7.3.3"));
const URI = 0x86, VERSION_3 = tlv(0xa0, tlv(INTEGER, Uint8Array.of(2))), EXTENSIONS = 0xa3, PRECERTIFICATE = 1;

/** A certificate's parts, its key imported. Nothing is verified yet. Throws Unproven. */
export async function readCertificate(der) {
  if (der.length > MAX_BYTES) throw new Unproven(`the certificate has ${der.length} bytes: at most ${MAX_BYTES}`);
  const [body, algorithm, signature, ...more] = inside(readWhole(der, MALFORMED), SEQUENCE, MALFORMED);
  const fields = inside(body, SEQUENCE, MALFORMED);
  const [version, serial, inner, issuer, validity, subject, spki, extended] = fields;
  const known = fields.length === 8 && !more.length && same(version.whole, VERSION_3) && serial.tag === INTEGER
    && [inner, algorithm].every((one) => one && same(one.whole, ECDSA_SHA256)) && signature?.tag === BITS && signature.contents[0] === 0;
  if (!known) throw new Unproven(`${MALFORMED}, of the one form used here`);
  const [from, until, ...times] = inside(validity, SEQUENCE, MALFORMED);
  if (times.length) throw new Unproven(MALFORMED);
  return {
    der, body: body.whole, fields, issuer: issuer.whole, subject: subject.whole, serial: serial.whole,
    from: momentOf(from, MALFORMED), until: momentOf(until, MALFORMED), extensions: extensionsOf(extended),
    signature: readSignature(signature.contents.slice(1)),
    public: await publicP256(spki.whole, "the certificate is of a key that is not on P-256"),
  };
}

/** Extensions by the hex of their identifier: {value, whole}. */
function extensionsOf(item) {
  const [list, ...more] = inside(item, EXTENSIONS, MALFORMED), found = new Map();
  for (const one of inside(list, SEQUENCE, MALFORMED)) {
    const fields = inside(one, SEQUENCE, MALFORMED), name = fields[0], value = fields.at(-1);
    if (more.length || name.tag !== OID || value.tag !== OCTETS || fields.length > 3 || found.has(hex(name.whole))) throw new Unproven(MALFORMED);
    found.set(hex(name.whole), {value: value.contents, whole: one.whole});
  }
  return found;
}

/** The key that the authority says is held by `identity` at that moment. Throws Unproven. */
export async function checkCertificate(der, authority, stamping, identity, at) {
  const certificate = await readCertificate(der);
  // 1. The authority that is known issued it, and may.
  const foreign = "the certificate was not issued by the authority that is known";
  if (!same(certificate.issuer, authority.subject)) throw new Unproven(foreign);
  await checkP256(authority.public, certificate.signature, certificate.body, foreign);
  // 2. It is for signing, and for nothing more.
  if (!same(extension(certificate, KEY_USES), CODE_SIGNING)) throw new Unproven("the certificate is not one for signing");
  // 3. It is of the signer whose name is on the receipt.
  if (!same(extension(certificate, NAMES), sequence(tlv(URI, utf8(identity))))) throw new Unproven("the certificate is of another signer than the receipt");
  // 4. It was good when the receipt was stamped.
  if (at < certificate.from || at > certificate.until) throw new Unproven("the certificate was not good at the time of the time stamp");
  // 5. Its issuing was stamped.
  await checkStamps(certificate, authority, stamping);
  return certificate.public;
}

function extension(certificate, name) {
  const found = certificate.extensions.get(name);
  if (!found) throw new Unproven("the certificate lacks what says whose it is and what it is for");
  return found.value;
}

/** One stamp of its issuing (RFC 6962, 3.2 and 3.3), over the certificate without it. */
async function checkStamps(certificate, authority, stamping) {
  const wrong = "the certificate does not carry exactly one stamp of its issuing";
  const listed = readWhole(extension(certificate, STAMPS), wrong), list = listed.contents, one = list.slice(4);
  const signature = one.slice(47);
  const form = joined(bigEndian(one.length + 2, 2), bigEndian(one.length, 2), Uint8Array.of(0), one.slice(1, 41), Uint8Array.of(0, 0, 4, 3), bigEndian(signature.length, 2), signature);
  if (listed.tag !== OCTETS || one.length < 48 || !same(form, list)) throw new Unproven(wrong);
  if (hex(one.slice(1, 33)) !== stamping.keyid) throw new Unproven("the certificate's issuing was stamped by another than the one known");
  await checkSignature(stamping, signature, await stampedBytes(certificate, authority, wholeNumber(one.slice(33, 41))));
}

async function stampedBytes(certificate, authority, moment) {
  const kept = [...certificate.extensions].filter(([name]) => name !== STAMPS).map(([, one]) => one.whole);
  const draft = sequence(...certificate.fields.slice(0, 7).map((field) => field.whole), tlv(EXTENSIONS, sequence(...kept)));
  const head = joined(Uint8Array.of(0, 0), bigEndian(moment, 8), bigEndian(PRECERTIFICATE, 2), await sha256(authority.public.spki));
  return joined(head, bigEndian(draft.length, 3), draft, bigEndian(0, 2));
}
