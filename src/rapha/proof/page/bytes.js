/** Bytes and their texts. */
import {Unproven} from "./checklist.js";

export const HASH_BYTES = 32;

export const utf8 = (text) => new TextEncoder().encode(text);

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

export const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

export const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

export const digestOf = async (bytes) => `sha256:${hex(await sha256(bytes))}`;

/** The text of strict UTF-8. Throws TypeError; a byte order mark stays, and is no JSON. */
export const textOf = (bytes) => new TextDecoder("utf-8", {fatal: true, ignoreBOM: true}).decode(bytes);

export function joined(...parts) {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** A whole number in so many bytes, big endian. */
export function bigEndian(value, size) {
  const bytes = new Uint8Array(size);
  let rest = BigInt(value);
  for (let at = size - 1; at >= 0; at--, rest >>= 8n) bytes[at] = Number(rest & 255n);
  return bytes;
}

export const wholeNumber = (bytes) => bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);

/** What is in base64 (RFC 4648, 4) in its one form: padded, no white space, unused bits zero. */
export function fromBase64(text, wrong = "the bundle has base64 that is not in its one form") {
  let raw;
  try {
    raw = atob(text);
  } catch {
    throw new Unproven(wrong);
  }
  if (btoa(raw) !== text) throw new Unproven(wrong);
  return Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
}

export function toBase64(bytes) {
  let raw = "";
  for (let at = 0; at < bytes.length; at += 8192) raw += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(raw);
}
