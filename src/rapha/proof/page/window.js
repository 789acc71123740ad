/** When a key is believed, by the window beside it in a keys file. As rapha/proof/window.py. */
import {Unproven} from "./checklist.js";

/** A signature stamped `at` (milliseconds since 1970), at these indices of the log, was made while this key was good. Throws Unproven. */
export function checkWindow(key, at, indices) {
  const {start, end, below} = key.window ?? {}, stamped = `${new Date(at).toISOString().slice(0, 19)}Z`, whose = `the key ${key.keyid.slice(0, 16)} of ${key.owner}`;
  if (start && stamped < start) throw new Unproven(`stamped at ${stamped}, before ${whose} was good: it is believed from ${start}`);
  if (end && stamped >= end) throw new Unproven(`stamped at ${stamped}, when ${whose} had ended: it is believed until ${end}`);
  const late = typeof below === "number" ? indices.find((index) => index >= below) : undefined;
  if (late !== undefined) throw new Unproven(`entry ${late} of the log, where ${whose} is not believed from entry ${below} on: it was revoked there`);
}

/** A log's key as it is held against a stamp: what was stamped may be logged, or shown under a later key of the log, at any time after. */
export const withoutStart = (key) => (key.window?.start ? {...key, window: {...key.window, start: undefined}} : key);

export const windowInWords = (key) => (key.window?.end ? `; the key is believed until ${key.window.end}` : "");
