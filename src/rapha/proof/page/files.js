/** From what was dropped to a folder as verify.js takes it. Files are read here, on this machine, and go nowhere. */
import {digestOf} from "./bytes.js";
import {MAX_RECEIPT_BYTES} from "./bundle.js";
import {Unproven} from "./checklist.js";
import {readJson} from "./json.js";
import {hasShape} from "./shape.js";
import {said, shapes} from "./stated.js";

const MAX_FILES = 20000, MAX_KEYS_BYTES = 1 << 20, MAX_STUDY_BYTES = 8 << 20, MAX_HASHED_BYTES = 1 << 30;
const OWN_FOLDERS = ["receipts", "refusals", "freezes", "sigstore", "metrics"];

/** `found`: [{path, file}]; `pinned`: a keys file, or null; `frozen`: whether freezes are asked for, whatever the keys file says. Throws Unproven where they are no model folder. */
export async function folderOf(found, pinned, frozen = false) {
  if (found.length > MAX_FILES) throw new Unproven(`more than ${MAX_FILES} files: this is not a model folder`);
  const files = new Map(await Promise.all(withoutTop(found).map(async ({path, file}) => [path.includes("/") ? path : await placed(path, file), file])));
  const receipts = new Map(), certified = new Map();
  let known = {keys: []}, study = null;
  for (const [path, file] of files) {
    if (path === said.KEYS_FILE) known = await readKeys(file);
    else if (path === said.STUDY_FILE) study = await bytesOf(file, MAX_STUDY_BYTES);
    else if (/^(receipts|refusals|freezes)\/.*\.json$/.test(path)) receipts.set(path, await bytesOf(file, MAX_RECEIPT_BYTES));
    else if (path === said.TRUST_CONFIG_FILE || /^sigstore\/.*\.sigstore\.json$/.test(path)) certified.set(path, await bytesOf(file, MAX_RECEIPT_BYTES));
  }
  const own = pinned ? await readKeys(pinned) : null;
  return {files, receipts, certified, study, pinned: own !== null, known: frozen ? {...(own ?? known), frozen} : own ?? known, where: own ? "among the keys you pinned" : `in ${said.KEYS_FILE}`,
    digest: async (path) => (files.get(path).size > MAX_HASHED_BYTES ? null : digestOf(new Uint8Array(await files.get(path).arrayBuffer())))};
}

/** The bytes of the words of machines that did a run again. */
export const wordsOf = (files) => Promise.all(files.map((file) => bytesOf(file, MAX_RECEIPT_BYTES)));

async function readKeys(file) {
  const wrong = `${file.name} is not a keys file: it should look like a folder's ${said.KEYS_FILE}`;
  const value = readJson(await bytesOf(file, MAX_KEYS_BYTES), wrong);
  if (!hasShape(value, shapes.TrustedKeys)) throw new Unproven(wrong);
  return value;
}

async function bytesOf(file, limit) {
  if (file.size > limit) throw new Unproven(`${file.name} is larger than ${limit} bytes: no file of this kind is`);
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new Unproven(`${file.name} cannot be read`);
  }
}

/** Paths inside the model folder, where the whole folder was dropped. */
function withoutTop(found) {
  const tops = new Set(found.map(({path}) => path.split("/")[0])), [top] = tops;
  const whole = tops.size === 1 && found.every(({path}) => path.includes("/")) && !OWN_FOLDERS.includes(top);
  return whole ? found.map(({path, file}) => ({path: path.slice(top.length + 1), file})) : found;
}

/** Where a single file belongs: by its name, and a receipt and a hospital's figures, which share one, by what is inside. */
async function placed(name, file) {
  if (name === "keys.json") return said.KEYS_FILE;
  if (name === "trust-config.json") return said.TRUST_CONFIG_FILE;
  if (name.endsWith(".sigstore.json")) return `sigstore/${name}`;
  if (!name.endsWith(".json") || ["study.json", "metrics.json", "config.json"].includes(name) || file.size > MAX_RECEIPT_BYTES) return name;
  const text = await file.text();
  if (!text.includes("dsseEnvelope")) return `metrics/${name}`;
  return `${folderBy(text)}${name}`;
}

/** By what it is said to be, for its place in the folder: nothing relies on it. */
function folderBy(text) {
  try {
    const payload = atob(JSON.parse(text).dsseEnvelope.payload);
    const [found] = [[said.REFUSAL_TYPE, said.REFUSALS], [said.FREEZE_TYPE, said.FREEZES]].filter(([type]) => payload.includes(`"predicateType":"${type}"`));
    return found ? found[1] : "receipts/";
  } catch {
    return "receipts/";
  }
}
