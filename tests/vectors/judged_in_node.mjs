// The page's own modules, outside of any browser: each folder named is judged, one line of JSON for each.
import {readdirSync, readFileSync, statSync} from "node:fs";
import {join, relative} from "node:path";
import {pathToFileURL} from "node:url";

const [modules, ...folders] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(join(modules, name)));
const [{folderOf}, {judge}] = [await load("files.js"), await load("verify.js")];
const below = (at) => readdirSync(at).flatMap((name) => (statSync(join(at, name)).isDirectory() ? below(join(at, name)) : [join(at, name)]));

for (const folder of folders) {
  const found = below(folder).map((path) => ({path: relative(folder, path), file: new File([readFileSync(path)], path)}));
  const verdicts = await judge(await folderOf(found, null));
  console.log(JSON.stringify(Object.fromEntries(verdicts.map(({subject, outcome, steps}) => [subject, [outcome, steps.map(({check, outcome}) => [check, outcome])]]))));
}
