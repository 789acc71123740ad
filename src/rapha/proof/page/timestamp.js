/** RFC 3161 time stamps, in the one form of rapha/proof/timestamp.py: what is to be there is written again and compared. */
import {hex, same, sha256} from "./bytes.js";
import {Unproven} from "./checklist.js";
import {INTEGER, OCTETS, SEQUENCE, SET, TIME, inside, momentOf, oid, readWhole, sequence, small, tlv} from "./der.js";
import {checkSignature} from "./keys.js";

const MAX_BYTES = 16 << 10;
const OTHER = "the time stamp is not a response by RFC 3161 in the one form used here";
const SHA256 = sequence(oid("2.16.840.1.101.3.4.2.1")), ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"));
const SIGNED_DATA = oid("1.2.840.113549.1.7.2"), TST_INFO = oid("1.2.840.113549.1.9.16.1.4"), POLICY = oid("1.3.6.1.4.1.57264.2");
const CONTENT_TYPE = oid("1.2.840.113549.1.9.3"), MESSAGE_DIGEST = oid("1.2.840.113549.1.9.4"), SIGNING_CERTIFICATE = oid("1.2.840.113549.1.9.16.2.47");
const EXPLICIT_0 = 0xa0;

/** When `message` was there, in milliseconds since 1970, by the word of the holder of this certificate. Throws Unproven. */
export async function checkStamp(response, message, certificate) {
  if (response.length > MAX_BYTES) throw new Unproven(`the time stamp has ${response.length} bytes: at most ${MAX_BYTES}`);
  const {content, signature} = takenApart(response);
  // 1. and 2. It is of this content, this certificate and this stamper, in the one form.
  const attributes = await attributesOf(content, certificate);
  if (!same(response, responseOf(content, certificate, attributes, signature))) throw new Unproven("the time stamp is by another stamper or certificate than the one known, or of another form");
  // 3. It signed them: as a SET, not under the tag they travel under (RFC 5652, 5.4).
  await checkSignature(certificate.public, signature, tlv(SET, ...attributes));
  // 4. What it stamped is this message.
  const [, , , serial, time] = inside(readWhole(content, OTHER), SEQUENCE, OTHER);
  const imprint = sequence(SHA256, tlv(OCTETS, await sha256(message)));
  if (serial?.tag !== INTEGER || time?.tag !== TIME || !same(content, sequence(small(1), POLICY, imprint, serial.whole, time.whole))) {
    throw new Unproven("the time stamp is over another signature than this receipt's, or of another form");
  }
  // 5. The certificate was good at that time.
  const at = momentOf(time, OTHER);
  if (at < certificate.from || at > certificate.until) throw new Unproven("the stamper's certificate was not good at the time stamped");
  return at;
}

/** The two parts of a response that are not known beforehand. */
function takenApart(response) {
  const step = (item, at, tag = SEQUENCE) => inside(item, tag, OTHER)[at];
  const data = step(step(step(readWhole(response, OTHER), 1), 1), 0, EXPLICIT_0);
  const content = step(step(step(data, 2), 1), 0, EXPLICIT_0), signed = inside(step(step(data, 3), 0, SET), SEQUENCE, OTHER);
  if (content?.tag !== OCTETS || signed.at(-1)?.tag !== OCTETS) throw new Unproven(OTHER);
  return {content: content.contents, signature: signed.at(-1).contents};
}

function responseOf(content, certificate, attributes, signature) {
  const signer = sequence(certificate.issuer, certificate.serial);
  const signed = sequence(small(1), signer, SHA256, tlv(EXPLICIT_0, ...attributes), ECDSA_SHA256, tlv(OCTETS, signature));
  const data = sequence(small(3), tlv(SET, SHA256), sequence(TST_INFO, tlv(EXPLICIT_0, tlv(OCTETS, content))), tlv(SET, signed));
  return sequence(sequence(small(0)), sequence(SIGNED_DATA, tlv(EXPLICIT_0, data)));
}

/** In the order of DER. */
async function attributesOf(content, certificate) {
  const named = sequence(sequence(sequence(tlv(OCTETS, await sha256(certificate.der)))));
  const found = [
    sequence(CONTENT_TYPE, tlv(SET, TST_INFO)),
    sequence(MESSAGE_DIGEST, tlv(SET, tlv(OCTETS, await sha256(content)))),
    sequence(SIGNING_CERTIFICATE, tlv(SET, named)),
  ];
  return found.sort((one, other) => (hex(one) < hex(other) ? -1 : 1));
}
