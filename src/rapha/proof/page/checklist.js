/** Steps, taken one by one. As rapha/proof/checklist.py, with one outcome more: what this browser cannot do is said, not passed. */

/** The evidence does not show it. */
export class Unproven extends Error {}

/** This browser cannot look: neither shown nor refuted. */
export class NotChecked extends Error {}

/** The step that failed is in the list; nothing after it is looked at. */
export class Stopped extends Error {}

export const PASSED = "passed", FAILED = "failed", UNCHECKED = "not checked here";

export class Checklist {
  constructor(subject) {
    this.subject = subject;
    this.steps = [];
  }

  /** Take one step: `look` resolves to what was compared. Whatever it throws fails the step, also a fault of this page. */
  async step(check, look) {
    const number = this.steps.length + 1;
    const note = (outcome, detail) => this.steps.push({number, check, outcome, detail});
    try {
      note(PASSED, await look());
    } catch (problem) {
      if (problem instanceof NotChecked) {
        note(UNCHECKED, problem.message);
        return;
      }
      note(FAILED, problem instanceof Unproven ? problem.message : `this page cannot read it (${problem.name})`);
      throw new Stopped();
    }
  }
}
