/** The statement: read from its one form, and understood whole. As rapha/proof/statement.py and claim.py. */
import {same} from "./bytes.js";
import {Unproven} from "./checklist.js";
import {canonicalBytes, readJson} from "./json.js";
import {hasShape} from "./shape.js";
import {said, shapes} from "./stated.js";

const NONCE = /^[0-9a-f]{32}$/, SITE = /^[a-z0-9][a-z0-9-]{0,62}$/, NUMBER = /^-?[0-9]+$/;
const MAX_REMARKS = 32, MAX_REMARK_CHARS = 300;
const EXTERNAL_OF_SITE = ["study", "study_digest", "architecture"], EXTERNAL_OF_HUB = ["study", "study_digest"];
const INTERNAL_OF_SITE = ["site", "approval", "policy", "decided_by", "cohort", "numerics", "sandbox", "egress", "privacy"];
const INTERNAL_OF_HUB = ["hub", "method", "approvals", "denials"];
/** Stated only where there is something to state. */
const OPTIONAL_OF_HUB = ["released_round", "updates", "freezes"], OPTIONAL_OF_SITE = ["transcript", "freeze"];

/** A JSON object from its RFC 8785 bytes. Throws Unproven. */
export function readCanonical(payload) {
  const none = "the payload is not JSON that has a canonical form", value = readJson(payload, none);
  let again;
  try {
    again = canonicalBytes(value);
  } catch {
    throw new Unproven(none);
  }
  if (!isObject(value) || !same(again, payload)) {
    throw new Unproven("the payload is not in canonical form (RFC 8785), so two readers might read two things");
  }
  return value;
}

export function checkTypes(value, expected) {
  if (value._type !== said.STATEMENT_TYPE) throw new Unproven("this is not an in-toto Statement v1");
  if (value.predicateType !== said.PREDICATE_TYPE) throw new Unproven("the predicate is not SLSA provenance v1");
  if (at(value, "predicate", "buildDefinition", "buildType") !== expected) {
    throw new Unproven("the statement is of another kind than this receipt should hold (buildType)");
  }
  return expected;
}

export function checkNonce(value) {
  const nonce = at(value, "predicate", "runDetails", "metadata", "invocationId");
  if (typeof nonce !== "string" || !NONCE.test(nonce)) throw new Unproven("the nonce is not 128 bits in hex, so the statement might be guessed from its hash");
  return nonce;
}

/** The claim of a statement, of which all is understood: what it says, written again, is the payload. Throws Unproven. */
export function readClaim(value, payload, buildType) {
  let claim, again;
  try {
    claim = buildType === said.SITE_BUILD ? siteClaim(value) : hubClaim(value);
    again = canonicalBytes(statementOf(claim));
  } catch (problem) {
    if (problem instanceof Unproven) throw problem;
    throw new Unproven("the statement lacks a field of this format, or has one that cannot be read");
  }
  if (!same(again, payload)) throw new Unproven("the statement has a field that this format does not know, or a name that contradicts another");
  return claim;
}

/** A signer's name as a URI. */
export const signerUri = (role, owner) => role === "node" ? said.NODE_URI + owner
  : said.HUB_URI + encodeURIComponent(owner).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);

function siteClaim(value) {
  const {definition, details, inside: {evidence = null, ...inside}, about} = parts(value);
  if (evidence !== null && !hasShape(evidence, shapes.Evidence, true)) throw new TypeError("no evidence");
  const wentIn = byName(definition.resolvedDependencies), subjects = byName(value.subject);
  const rounds = [...byName(details.byproducts)].map(([name, update]) => {
    const round = numbered(name);
    return {round, weights_in: wentIn.get(`round/${round}/weights-in`) ?? null, weights_out: update};
  });
  const metrics = `metrics/${inside.site}.json`;
  const absent = Object.fromEntries(OPTIONAL_OF_SITE.map((name) => [name, null]));
  const release = {mode: "A", ...absent, ...definition.externalParameters, ...inside, rounds, weights: subjects.get(said.WEIGHTS_FILE), metrics: subjects.get(metrics),
    code: wentIn.get("code"), packages: details.builder.version};
  const counts = [release.cohort?.patients, release.cohort?.train_rows];
  if (!hasShape(release, shapes.Release, true) || !counts.every(isCount) || !SITE.test(release.site)) throw new TypeError("no release");
  return {...about, kind: "site", speaker: release.site, stated: release, evidence, files: new Map([[said.WEIGHTS_FILE, release.weights], [metrics, release.metrics]])};
}

function hubClaim(value) {
  const {definition, details, inside, about} = parts(value);
  const subjects = byName(value.subject), [code, ...updates] = definition.resolvedDependencies, rounds = new Map();
  for (const [name, weights] of byName(details.byproducts)) {
    rounds.set(name.split("/")[1], {round: numbered(name), updates: new Map(), weights_of_sites: new Map(), weights_out: weights});
  }
  for (const update of updates) {
    const [, number, , site, ...more] = update.name.split("/");
    if (site === undefined || more.length) throw new TypeError("no update");
    rounds.get(number).updates.set(site, digestIn(update));
    rounds.get(number).weights_of_sites.set(site, update.annotations.weight);
  }
  const plain = [...rounds.values()].map((one) => ({...one, updates: Object.fromEntries(one.updates), weights_of_sites: Object.fromEntries(one.weights_of_sites)}));
  const absent = Object.fromEntries(OPTIONAL_OF_HUB.map((name) => [name, null]));
  const aggregation = {...absent, ...definition.externalParameters, ...inside, rounds: plain, weights: subjects.get(said.WEIGHTS_FILE),
    metrics: subjects.get(said.POOLED_METRICS_FILE), code: digestIn(code), packages: details.builder.version};
  if (!hasShape(aggregation, shapes.Aggregation, true)) throw new TypeError("no aggregation");
  const files = new Map([[said.WEIGHTS_FILE, aggregation.weights], [said.POOLED_METRICS_FILE, aggregation.metrics]]);
  return {...about, kind: "hub", speaker: aggregation.hub, stated: aggregation, files};
}

/** What both kinds share. Throws Unproven for a tier that this page cannot judge. */
function parts(value) {
  const definition = value.predicate.buildDefinition, details = value.predicate.runDetails;
  const {tier, not_shown: remarks, ...inside} = definition.internalParameters;
  if (tier !== "T0") throw new Unproven("the statement claims a tier that this version cannot judge: use a later one");
  const at_ = details.metadata.finishedOn;
  const fine = Array.isArray(remarks) && remarks.length <= MAX_REMARKS && remarks.every((one) => typeof one === "string" && [...one].length <= MAX_REMARK_CHARS);
  if (!fine || new Date(at_).toISOString() !== at_) throw new TypeError("remarks or time");
  return {definition, details, inside, about: {nonce: details.metadata.invocationId, at: at_, notShown: remarks, tier}};
}

function statementOf(claim) {
  const stated = claim.stated, picked = (names) => Object.fromEntries(names.map((name) => [name, stated[name]]));
  if (new Set(stated.rounds.map((one) => one.round)).size !== stated.rounds.length) throw new TypeError("a round is there twice");
  const site = claim.kind === "site", optional = (site ? OPTIONAL_OF_SITE : OPTIONAL_OF_HUB).filter((name) => stated[name] !== null);
  const wentIn = site
    ? stated.rounds.filter((one) => one.weights_in).map((one) => described(`round/${one.round}/weights-in`, one.weights_in))
    : stated.rounds.flatMap((one) => Object.keys(one.weights_of_sites).sort().map((name) =>
        ({...described(`round/${one.round}/update/${name}`, one.updates[name]), annotations: {weight: one.weights_of_sites[name]}})));
  const cameOut = stated.rounds.map((one) => described(`round/${one.round}/${site ? "update" : "weights"}`, one.weights_out));
  return {
    _type: said.STATEMENT_TYPE,
    subject: [...claim.files.keys()].sort().map((path) => described(path, claim.files.get(path))),
    predicateType: said.PREDICATE_TYPE,
    predicate: {
      buildDefinition: {
        buildType: site ? said.SITE_BUILD : said.AGGREGATION_BUILD,
        externalParameters: {...picked(site ? EXTERNAL_OF_SITE : EXTERNAL_OF_HUB), ...(site && stated.mode !== "A" ? {mode: stated.mode} : {})},
        internalParameters: {
          ...picked([...(site ? INTERNAL_OF_SITE : INTERNAL_OF_HUB), ...optional]),
          ...(site && claim.evidence ? {evidence: claim.evidence} : {}),
          tier: claim.tier,
          not_shown: claim.notShown,
        },
        resolvedDependencies: [described("code", stated.code), ...wentIn],
      },
      runDetails: {
        builder: {id: signerUri(site ? "node" : "hub", claim.speaker), version: stated.packages},
        metadata: {invocationId: claim.nonce, finishedOn: claim.at},
        byproducts: cameOut,
      },
    },
  };
}

const described = (name, digest) => ({name, digest: {sha256: digest.replace(/^sha256:/, "")}});

const digestIn = (descriptor) => `sha256:${descriptor.digest.sha256}`;

const byName = (descriptors) => new Map(descriptors.map((one) => [one.name, digestIn(one)]));

function numbered(name) {
  const number = name.split("/")[1];
  if (!NUMBER.test(number)) throw new TypeError("no round");
  return Number(number);
}

const isCount = (count) => (count.about === null) !== (count.below === null);

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

const at = (value, ...path) => path.reduce((inner, name) => (isObject(inner) && Object.hasOwn(inner, name) ? inner[name] : undefined), value);
