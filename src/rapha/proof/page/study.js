/** Step 10: the study is the one that was signed; hospital, rounds, cohort and privacy as it asked. As rapha/proof/of_study.py and privacy.py. */
import {digestOf} from "./bytes.js";
import {Unproven} from "./checklist.js";
import {readJson} from "./json.js";
import {said} from "./stated.js";

const UNREADABLE = `${said.STUDY_FILE} is signed, but is no study that this page can read`;

/** {name, architecture, mode, asked, fewest, sites, release, training, digest}: of the study, what these steps need and no more. Throws Unproven. */
export async function studyOf(bytes, claim) {
  if (!bytes) throw new Unproven(`${said.STUDY_FILE} is not in this folder`);
  const digest = await digestOf(bytes), stated = claim.stated;
  if (digest !== stated.study_digest) throw new Unproven(`${said.STUDY_FILE} is ${digest}, signed was ${stated.study_digest}`);
  if (claim.kind === "site" && (stated.cohort.study_digest !== digest || stated.cohort.site !== stated.site)) {
    throw new Unproven("the cohort was frozen for another study, or by another hospital");
  }
  const study = readStudy(bytes);
  if (claim.kind === "refusal" || claim.kind === "freeze") return {...study, digest};
  if (study.name !== stated.study) throw new Unproven(`the receipt calls the study ${stated.study}, the study itself ${study.name}`);
  if (claim.kind === "site" && stated.architecture !== study.architecture) throw new Unproven(`the receipt is of a ${stated.architecture}, the study asks for another architecture`);
  if (claim.kind === "site" && stated.mode !== study.mode) throw new Unproven(`the receipt is of release mode ${stated.mode}, the study asks for mode ${study.mode}`);
  return {...study, digest};
}

function readStudy(bytes) {
  const value = readJson(bytes, UNREADABLE);
  const study = {name: value?.study, architecture: value?.model?.architecture, mode: value?.model?.mode ?? "A", asked: value?.privacy?.differential_privacy ?? null,
    fewest: value?.privacy?.min_cohort, sites: {atLeast: value?.sites?.at_least, only: value?.sites?.only}, release: value?.release,
    training: {rounds: value?.training?.rounds, epochs: value?.training?.local_epochs, stopping: value?.training?.early_stopping ?? null, keep: value?.training?.keep ?? null, updates: value?.training?.updates ?? "float32",
      aggregation: value?.training?.aggregation?.kind ?? value?.training?.aggregation ?? "fedavg"}};
  const fine = typeof study.name === "string" && typeof study.architecture === "string" && Array.isArray(study.release)
    && [study.fewest, study.sites.atLeast, study.training.rounds, study.training.epochs].every(Number.isSafeInteger) && Array.isArray(study.sites.only)
    && (study.training.stopping === null || Number.isSafeInteger(study.training.stopping.patience))
    && (study.training.keep === null || typeof study.training.keep.best === "string")
    && (study.asked === null || (typeof study.asked === "object" && real(study.asked.epsilon) && real(study.asked.delta)));
  if (!fine) throw new Unproven(UNREADABLE);
  return study;
}

/** Where the study names the hospitals that it asks, these are among them. Throws Unproven. */
export function checkNamed(sites, {only}) {
  const other = only.length ? [...sites].sort().find((site) => !only.includes(site)) : undefined;
  if (other !== undefined) throw new Unproven(`the study names the hospitals that it asks, and ${other} is none of them`);
}

/** A hospital that the study asks, rounds that it asks for, and no fewer people than it asks for. Throws Unproven. */
export function checkAsked(claim, {fewest, sites, training}) {
  if (claim.kind !== "site") return;
  checkNamed([claim.speaker], sites);
  const beyond = claim.stated.rounds.find(({round}) => round > training.rounds), {patients, train_rows: rows} = claim.stated.cohort;
  if (beyond) throw new Unproven(`the receipt is of a round ${beyond.round}, and the study asks for ${training.rounds}`);
  for (const [people, {about, below}] of [["patients", patients], ["rows to train on", rows]]) {
    if (about === null ? fewest >= below : fewest > about) throw new Unproven(`the receipt is of fewer ${people} than the ${fewest} that the study asks for at the least`);
  }
}

/** What the transcript is of, where it is one that this study and these rounds can have. Throws Unproven. */
export function checkTranscript(claim, {asked, architecture, training}) {
  const made = claim.kind === "site" ? claim.stated.transcript : null;
  if (!made) return "";
  const keeps = training.updates !== "float32" || training.aggregation === "scaffold";
  if (asked !== null || keeps || ["gwas", "script"].includes(architecture)) throw new Unproven("the receipt has a transcript, and no run of such a study can be done again");
  if (made.every_steps !== said.EVERY_STEPS) throw new Unproven(`the receipt's transcript has a waypoint every ${made.every_steps} steps, and not ${said.EVERY_STEPS}`);
  const rounds = claim.stated.rounds.filter((trace) => trace.round > 0).length;
  if (made.waypoints < rounds) throw new Unproven(`a transcript of ${made.waypoints} waypoints cannot be of ${rounds} rounds`);
  return `; transcript of ${made.waypoints} waypoints, one every ${made.every_steps} steps`;
}

const real = (value) => value !== null && value !== "" && Number.isFinite(Number(value));

const ofTheStudy = (spent, asked, name) => spent[name] !== null && asked[name] !== undefined && Number(spent[name]) === Number(asked[name]);

/** What was spent, where it is no more than the study asked for. Throws Unproven. */
export function checkPrivacy(claim, {asked, mode, training}) {
  if (claim.kind !== "site") return "";
  const spent = claim.stated.privacy;
  if (asked === null) {
    if (spent.mechanism !== "none") throw new Unproven("the receipt speaks of differential privacy, which the study did not ask for");
    if (Object.entries(spent).some(([name, stated]) => stated !== null && !["mechanism", "ledger"].includes(name))) {
      throw new Unproven("the receipt states what differential privacy spent, and that there was none");
    }
    return "";
  }
  if (spent.mechanism !== (mode === "B" ? "sample-and-aggregate" : "dp-sgd")) {
    throw new Unproven(`the receipt is of release mode ${mode}, and states the mechanism ${spent.mechanism}`);
  }
  const sampled = mode === "B" ? spent.sampling_rate === null : ofTheStudy(spent, asked, "sampling_rate");
  const alike = sampled && ["delta", "clip"].every((name) => ofTheStudy(spent, asked, name));
  if (spent.epsilon === null || !alike) throw new Unproven("the study asks for differential privacy, and the receipt does not state it as asked for");
  if (!(Number(spent.epsilon) <= Number(asked.epsilon)) || !(Number(spent.noise_multiplier) > 0)) {
    throw new Unproven(`the receipt says that more was spent than epsilon ${asked.epsilon}, or that there was no noise`);
  }
  const aRound = mode === "B" ? 1 : training.epochs * Math.ceil(1 / Number(asked.sampling_rate));
  if (spent.steps !== training.rounds * aRound || spent.unit === null) {
    throw new Unproven("the receipt states what was spent over another number of steps than the study's, or does not say per whom");
  }
  return `; differential privacy: epsilon at most ${spent.epsilon} at delta ${spent.delta}, per ${spent.unit}`;
}
