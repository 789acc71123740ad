/** Verdicts on the page. Whatever a file brings with it becomes text, never markup. */
import {FAILED, PASSED, UNCHECKED} from "./checklist.js";

const MARKS = {[PASSED]: "✓", [FAILED]: "✗", [UNCHECKED]: "?"};
const OUTCOMES = {
  [PASSED]: "holds",
  [FAILED]: "does NOT hold; what comes after was not looked at",
  [UNCHECKED]: "is NOT wholly checked here: see the steps marked “not checked here”",
};
const MAX_CHARS = 2000;

/** Show these verdicts in the place of what was there. */
export function showVerdicts(place, verdicts) {
  const outcomes = verdicts.map((verdict) => verdict.outcome);
  const whole = outcomes.includes(FAILED) ? FAILED : outcomes.includes(UNCHECKED) ? UNCHECKED : PASSED;
  const names = (kind) => verdicts.filter((verdict) => verdict.outcome === kind).map((verdict) => verdict.subject).join(", ");
  const sentence = {
    [PASSED]: `VERIFIED: all ${verdicts.length} receipts hold.`,
    [FAILED]: `NOT VERIFIED: ${names(FAILED)}. Do not rely on this folder.`,
    [UNCHECKED]: `NOT WHOLLY CHECKED: ${names(UNCHECKED)}. Use rapha receipt verify for the rest.`,
  }[whole];
  const remarks = [...new Set(verdicts.flatMap((verdict) => verdict.notShown))];
  place.replaceChildren(
    element("p", {class: "outcome", "data-outcome": whole}, sentence),
    ...verdicts.map(sectionOf),
    element("section", {class: "remarks"}, element("h2", {}, "What this does not show"), element("ul", {}, ...remarks.map((one) => element("li", {}, one)))),
  );
}

/** One sentence, and no verdict. */
export const showSentence = (place, sentence, kind = "busy") => place.replaceChildren(element("p", {class: "outcome", "data-outcome": kind}, sentence));

const sectionOf = (verdict) => element("section", {class: "receipt", "data-subject": verdict.subject, "data-outcome": verdict.outcome},
  element("h2", {}, verdict.subject),
  element("ol", {}, ...verdict.steps.map((step) => element("li", {"data-outcome": step.outcome},
    element("span", {class: "mark", "aria-label": step.outcome}, MARKS[step.outcome]), element("span", {class: "check"}, step.check),
    element("span", {class: "detail"}, step.outcome === UNCHECKED ? `${UNCHECKED}: ${step.detail}` : step.detail)))),
  element("p", {class: "of-receipt"}, `${verdict.subject} ${OUTCOMES[verdict.outcome]}${verdict.outcome === PASSED ? ` (tier ${tierOf(verdict)})` : ""}`),
  ...verdict.found.map((line) => element("p", {class: "found"}, line)),
  ...verdict.flagged.map((line) => element("p", {class: "flagged"}, `FLAGGED: ${line}`)));

/** The tier as the evidence has it, and the one that is claimed beyond it. */
const tierOf = ({tier, claimed}) => (claimed > tier ? `${tier}; ${claimed} claimed, and nobody's word of a second run was given` : tier);

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.map((child) => (typeof child === "string" ? plain(child) : child)));
  return made;
}

/** Without control or direction marks, which could make a line read otherwise, and not without end. */
const plain = (text) => (text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text).replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}]/gu, "\uFFFD");
