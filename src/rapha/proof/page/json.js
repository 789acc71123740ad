/** JSON from strangers: read with limits, and written in its one form (RFC 8785). */
import {textOf, utf8} from "./bytes.js";
import {Unproven} from "./checklist.js";

const MAX_DEPTH = 64;

/** A JSON value of UTF-8 bytes. Throws Unproven(wrong) where it is none. */
export function readJson(bytes, wrong) {
  try {
    return JSON.parse(textOf(bytes));
  } catch {
    throw new Unproven(wrong);
  }
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
