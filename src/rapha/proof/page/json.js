/** JSON from strangers: read with limits, and written in its one form (RFC 8785). */
import {textOf, utf8} from "./bytes.js";
import {Unproven} from "./checklist.js";

const MAX_DEPTH = 64;

/** A JSON value of UTF-8 bytes, with no name twice in one object: another reader might take the other value. Throws Unproven(wrong) where it is none. */
export function readJson(bytes, wrong) {
  try {
    const text = textOf(bytes), value = JSON.parse(text);
    if (namesWritten(text) === namesHeld(value)) return value;
  } catch {
    // not JSON, or nested too deep to be counted
  }
  throw new Unproven(wrong);
}

/** How many texts of this JSON stand before a colon. */
function namesWritten(text) {
  let count = 0;
  for (let from = text.indexOf('"'), to; from !== -1; from = text.indexOf('"', to + 1)) {
    to = closing(text, from);
    let next = to + 1;
    while (" \t\r\n".includes(text[next] ?? "x")) next += 1;
    if (text[next] === ":") count += 1;
  }
  return count;
}

/** Where the text that opens here ends: at a quotation mark with an even number of backslashes before it. */
function closing(text, from) {
  for (let to = text.indexOf('"', from + 1); ; to = text.indexOf('"', to + 1)) {
    let slashes = 0;
    while (text[to - 1 - slashes] === "\\") slashes += 1;
    if (slashes % 2 === 0) return to;
  }
}

function namesHeld(value) {
  if (value === null || typeof value !== "object") return 0;
  const inside = Object.values(value).reduce((sum, item) => sum + namesHeld(item), 0);
  return Array.isArray(value) ? inside : inside + Object.keys(value).length;
}

/** RFC 8785 bytes of a value without bare real numbers. Throws TypeError where it has no such form. */
export const canonicalBytes = (value) => utf8(written(value, 0));

function written(value, depth) {
  if (depth > MAX_DEPTH) throw new TypeError("too deep");
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number") return whole(value);
  if (Array.isArray(value)) return `[${value.map((item) => written(item, depth + 1)).join(",")}]`;
  if (typeof value !== "object") throw new TypeError("not JSON");
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${quoted(name)}:${written(value[name], depth + 1)}`).join(",")}}`;
}

function quoted(text) {
  if (!text.isWellFormed()) throw new TypeError("not Unicode");
  return JSON.stringify(text);
}

function whole(value) {
  if (!Number.isSafeInteger(value)) throw new TypeError("a bare real number has no canonical form here");
  return String(value);
}

/** How Python writes this float: shortest that reads back the same, as reals stand in records. */
export function realText(value) {
  const [digits, power] = Math.abs(value).toExponential().split("e");
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  if (value === 0) return `${sign}0.0`;
  const exponent = Number(power), figures = digits.replace(".", "");
  if (exponent < -4 || exponent >= 16) {
    return `${sign}${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${figures}`;
  const whole_ = figures.padEnd(exponent + 1, "0");
  return `${sign}${whole_.slice(0, exponent + 1)}.${whole_.slice(exponent + 1) || "0"}`;
}
