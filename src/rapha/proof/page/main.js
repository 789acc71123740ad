/** Files in, verdicts out. */
import {Unproven} from "./checklist.js";
import {folderOf, wordsOf} from "./files.js";
import {raisedBy} from "./repeat.js";
import {judge} from "./verify.js";
import {showSentence, showVerdicts} from "./view.js";

const find = (id) => document.getElementById(id);
const NO_CRYPTO = "This page can check nothing here: the browser gives it no cryptography, since the page came over a line that is not https. Save it and open it from your disk.";
let turn = 0, found = [];

/** Judge what is there now. What was dropped later counts, whichever is done first. */
async function look() {
  const mine = ++turn, place = find("verdicts"), pinned = find("pinned").files[0] ?? null;
  if (!globalThis.crypto?.subtle) return showSentence(place, NO_CRYPTO, "failed");
  if (!found.length) return place.replaceChildren();
  showSentence(place, "Looking ...");
  try {
    const folder = await folderOf(found, pinned, find("frozen").checked), words = await wordsOf([...find("repeated").files]);
    const verdicts = await raisedBy(await judge(folder), folder, words);
    return mine === turn && showVerdicts(place, verdicts);
  } catch (problem) {
    const sentence = problem instanceof Unproven ? problem.message : `this page cannot read these files (${problem.name})`;
    return mine === turn && showSentence(place, `NOT VERIFIED: ${sentence}`, "failed");
  }
}

function take(files) {
  found = files;
  return look();
}

/** Every file below a dropped folder. */
async function filesBelow(entry) {
  if (entry.isFile) return [{path: entry.fullPath.slice(1), file: await new Promise((done, failed) => entry.file(done, failed))}];
  const reader = entry.createReader(), all = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return all;
    for (const one of some) all.push(...(await filesBelow(one)));
  }
}

async function dropped(event) {
  event.preventDefault();
  find("drop").classList.remove("over");
  const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  try {
    await take((await Promise.all(entries.map(filesBelow))).flat());
  } catch (problem) {
    showSentence(find("verdicts"), `NOT VERIFIED: these files cannot be read (${problem.name})`, "failed");
  }
}

const chosen = (event) => take([...event.target.files].map((file) => ({path: file.webkitRelativePath || file.name, file})));

find("folder").addEventListener("change", chosen);
find("files").addEventListener("change", chosen);
find("pinned").addEventListener("change", look);
find("frozen").addEventListener("change", look);
find("repeated").addEventListener("change", look);
find("drop").addEventListener("dragover", (event) => {
  event.preventDefault();
  find("drop").classList.add("over");
});
find("drop").addEventListener("dragleave", () => find("drop").classList.remove("over"));
find("drop").addEventListener("drop", dropped);
document.documentElement.classList.add("ready");
look();
