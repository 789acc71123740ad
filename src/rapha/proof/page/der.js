/** DER, read with limits and written: enough for certificates, signatures and time stamps (X.690). */
import {fromHex, hex, joined, same} from "./bytes.js";
import {Unproven} from "./checklist.js";

export const INTEGER = 0x02, BITS = 0x03, OCTETS = 0x04, OID = 0x06, UTC_TIME = 0x17, TIME = 0x18, SEQUENCE = 0x30, SET = 0x31;
const MAX_ITEMS = 64;

/** One item: its tag, its contents, and all of it. `wrong` is what to say where it is malformed. */
export function readWhole(bytes, wrong) {
  const items = readAll(bytes, wrong);
  if (items.length !== 1) throw new Unproven(wrong);
  return items[0];
}

/** The items that lie one after the other in these bytes. */
export function readAll(bytes, wrong) {
  const items = [];
  for (let at = 0; at < bytes.length; at = items.at(-1).end) {
    if (items.length === MAX_ITEMS) throw new Unproven(wrong);
    items.push(itemAt(bytes, at, wrong));
  }
  return items;
}

/** The items inside an item that has this tag. */
export function inside(item, tag, wrong) {
  if (item?.tag !== tag) throw new Unproven(wrong);
  return readAll(item.contents, wrong);
}

function itemAt(bytes, at, wrong) {
  const tag = bytes[at], first = bytes[at + 1], more = first & 0x7f;
  const start = at + 2 + (first < 0x80 ? 0 : more);
  const length = first < 0x80 ? first : Number(bytes.slice(at + 2, start).reduce((size, byte) => size * 256 + byte, 0));
  const end = start + length;
  const contents = bytes.slice(start, end);
  const item = {tag, contents, end, whole: bytes.slice(at, end)};
  // Its one form: one byte of tag, the shortest length, and all of it there.
  if (end > bytes.length || (tag & 0x1f) === 0x1f || !same(item.whole, tlv(tag, contents))) throw new Unproven(wrong);
  return item;
}

export function tlv(tag, ...parts) {
  const contents = joined(...parts), size = contents.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : size < 0x10000 ? [0x82, size >> 8, size & 0xff] : [0x83, size >> 16, (size >> 8) & 0xff, size & 0xff];
  return joined(Uint8Array.of(tag, ...length), contents);
}

export const sequence = (...parts) => tlv(SEQUENCE, ...parts);

/** A small whole number, from 0 to 127. */
export const small = (value) => tlv(INTEGER, Uint8Array.of(value));

/** An object identifier from its dotted form. */
export function oid(dotted) {
  const [first, second, ...rest] = dotted.split(".").map(Number);
  const packed = [first * 40 + second, ...rest].flatMap((arc) => {
    const bytes = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left; left = Math.floor(left / 128)) bytes.unshift(0x80 | (left & 0x7f));
    return bytes;
  });
  return tlv(OID, Uint8Array.from(packed));
}

/** A moment: milliseconds since 1970. UTC, whole seconds. */
export function momentOf(item, wrong) {
  const text = String.fromCharCode(...(item?.contents ?? []));
  const century = item?.tag === UTC_TIME ? (Number(text.slice(0, 2)) < 50 ? "20" : "19") : "";
  const found = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(century + text);
  if (!found || ![UTC_TIME, TIME].includes(item.tag)) throw new Unproven(wrong);
  const [, year, month, day, hour, minute, second] = found;
  const iso = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`, at = Date.parse(iso);
  if (Number.isNaN(at) || new Date(at).toISOString() !== iso) throw new Unproven(wrong);
  return at;
}

/** r and s of an ECDSA signature in DER, in its one form. */
export function readSignature(bytes) {
  const wrong = "the signature is not in DER form";
  const [r, s, ...more] = inside(readWhole(bytes, wrong), SEQUENCE, wrong).map((item) => {
    const digits = hex(item.contents);
    const longer = item.contents.length > 1 && item.contents[0] === 0 && item.contents[1] < 0x80;
    if (item.tag !== INTEGER || !digits || item.contents[0] >= 0x80 || longer) throw new Unproven(wrong);
    return BigInt(`0x${digits}`);
  });
  if (s === undefined || more.length) throw new Unproven(wrong);
  return [r, s];
}

/** In the form that WebCrypto takes: r and s in 32 bytes each. */
export const rawSignature = ([r, s]) => fromHex(r.toString(16).padStart(64, "0") + s.toString(16).padStart(64, "0"));

