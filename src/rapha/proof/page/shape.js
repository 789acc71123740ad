/** Is a value of a record's shape? The shapes are the JSON schemas of rapha/records, written into this page when it is built. */
import {realText} from "./json.js";

const MAX_DEPTH = 64;
const KINDS = {
  string: (value) => typeof value === "string" && value.isWellFormed(),
  integer: (value) => Number.isSafeInteger(value),
  boolean: (value) => typeof value === "boolean",
  null: (value) => value === null,
  array: (value) => Array.isArray(value),
  object: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  // A real is written as a string, in the one way that records write it.
  number: (value) => typeof value === "string" && Number.isFinite(Number(value)) && realText(Number(value)) === value,
};

/** `whole`: every field has to be there, also one that has a default. */
export const hasShape = (value, shape, whole = false) => fits(value, shape, {names: shape.$defs ?? {}, whole}, 0);

function fits(value, shape, given, depth) {
  if (depth > MAX_DEPTH) return false;
  if (shape.$ref) return fits(value, given.names[shape.$ref.slice("#/$defs/".length)], given, depth + 1);
  if (shape.anyOf) return shape.anyOf.some((one) => fits(value, one, given, depth + 1));
  if ("const" in shape && value !== shape.const) return false;
  if (shape.enum && !shape.enum.includes(value)) return false;
  if (shape.type && !KINDS[shape.type](value)) return false;
  switch (shape.type) {
    case "string":
      return fitsText(value, shape);
    case "integer":
    case "number":
      return fitsNumber(Number(value), shape);
    case "array":
      return fitsList(value, shape, given, depth);
    case "object":
      return fitsFields(value, shape, given, depth);
    default:
      return true;
  }
}

const within = (size, least = 0, most = Infinity) => least <= size && size <= most;

const fitsText = (text, shape) =>
  within([...text].length, shape.minLength, shape.maxLength) && (!shape.pattern || new RegExp(shape.pattern, "u").test(text));

const fitsNumber = (value, shape) => within(value, shape.minimum ?? -Infinity, shape.maximum);

const fitsList = (list, shape, given, depth) =>
  within(list.length, shape.minItems, shape.maxItems) && list.every((item) => fits(item, shape.items, given, depth + 1));

function fitsFields(value, shape, given, depth) {
  const fields = shape.properties ?? {}, needed = given.whole ? Object.keys(fields) : (shape.required ?? []);
  return needed.every((name) => Object.hasOwn(value, name)) && Object.entries(value).every(([name, item]) => {
    const field = Object.hasOwn(fields, name) ? fields[name] : shape.additionalProperties;
    return name.isWellFormed() && Boolean(field) && fits(item, field, given, depth + 1);
  });
}
