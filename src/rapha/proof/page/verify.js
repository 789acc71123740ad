/** The judgement of a model folder, receipt by receipt: the same steps, by the same names, as rapha/proof/verify.py. */
import {fromBase64} from "./bytes.js";
import {certifiedEntry, checkEntry, checkInclusion, keyEntry, openEnvelope, readBundle, readCertified, signatureOf} from "./bundle.js";
import {checkCertificate} from "./certificate.js";
import {certifiedPath, readTrust, stampedWhen} from "./certified.js";
import {checkAllFroze, checkApprovals, checkFreezes, checkRefusals, checkRounds, checkSites, checkStarts, checkUpdates, gaps, stoppedEarly, unsignedDenials} from "./chain.js";
import {Checklist, FAILED, NotChecked, PASSED, Stopped, UNCHECKED, Unproven} from "./checklist.js";
import {checkBefore, checkFreezeType, checkSame, readFreeze} from "./freeze.js";
import {p256FromPem} from "./keys.js";
import {checkSignedByLog, checkWitnesses} from "./logged.js";
import {checkRefusalNonce, checkRefusalType, readRefusal} from "./refusal.js";
import {checkNonce, checkTypes, readCanonical, readClaim, signerUri} from "./statement.js";
import {said} from "./stated.js";
import {claimedTier, flags, foundIn, notShown} from "./shown.js";
import {checkAsked, checkPrivacy, checkTranscript, studyOf} from "./study.js";
import {checkWindow, windowInWords, withoutStart} from "./window.js";

const AGGREGATION = said.AGGREGATION_RECEIPT;
const NAME = /^(?:receipts|refusals|freezes)\/([a-z0-9][a-z0-9-]{0,62})\.json$/;
const isRefusal = (path) => path.startsWith(said.REFUSALS), isFreeze = (path) => path.startsWith(said.FREEZES);
/** How a statement with a predicate of our own is read, by the folder that it lies in. */
const PLAIN = new Map([[said.REFUSALS, {checkType: checkRefusalType, read: readRefusal}], [said.FREEZES, {checkType: checkFreezeType, read: readFreeze}]]);
const STUDY_NOT_READ = "That study.json is whole and consistent in itself: this page reads its name, architecture, privacy, hospitals, release, and what it asks of rounds and updates, no more.";

/** One verdict per receipt: hospitals by name, those that refused, then the aggregation, whose absence is a failure too.
 *  A verdict is {subject, outcome, tier, claimed, steps, found, flagged, notShown}; `folder` is as files.js gives it. */
export async function judge(folder) {
  const verdicts = [], standing = [];
  for (const path of [...folder.receipts.keys()].sort()) {
    if (path === AGGREGATION || isFreeze(path)) continue;
    const found = new Checklist(path);
    const reached = await claimOf(folder, path, found).then((one) => checkFrozen(folder, one, found)).catch(stopped);
    verdicts.push(verdictOn(folder, found, reached));
    if (reached) standing.push(reached.claim);
  }
  return [...verdicts, await judgeAggregation(folder, standing)];
}

/** Step 20 of a hospital's receipt that names a freeze, or of which one is asked for: what was reached, and where its freeze was seen. Throws Stopped where it fails. */
async function checkFrozen(folder, reached, found) {
  const {claim, seen} = reached;
  if (claim.kind !== "site" || (claim.stated.freeze === null && !folder.known.frozen)) return reached;
  let frozen;
  // 20. Whom it says it used was signed and in the log before it could know what came of it.
  await found.step("Its cohort was frozen, signed and logged before the run", async () => {
    if (claim.stated.freeze === null) throw new Unproven(said.NO_FREEZE);
    const path = `${said.FREEZES}${claim.stated.site}.json`, own = new Checklist(path), freeze = await claimOf(folder, path, own).catch(stopped);
    const last = own.steps.at(-1);
    if (!freeze) throw new Unproven(`${path}, step ${last.number}: ${last.detail}`);
    await checkSame(claim, freeze.claim);
    const unchecked = own.steps.find((step) => step.outcome === UNCHECKED);
    if (unchecked) throw new NotChecked(`${path}, step ${unchecked.number}: ${unchecked.detail.replace(/^not checked here: /, "")}`);
    frozen = freeze.seen;
    return checkBefore(claim, seen, frozen);
  });
  const witnesses = frozen ? seen.witnesses.filter((one) => frozen.witnesses.includes(one)) : seen.witnesses;
  return {...reached, seen: {...seen, witnesses, frozen}};
}

async function judgeAggregation(folder, standing) {
  const found = new Checklist(AGGREGATION);
  const [releases, refused] = ["site", "refusal"].map((kind) => standing.filter((claim) => claim.kind === kind).map((claim) => claim.stated));
  const reached = await claimOf(folder, AGGREGATION, found).then(async ({claim, seen, study}) => {
    const aggregation = claim.stated;
    // 20. Rounds follow on each other and end in these weights, or the best of them gave these.
    await found.step("Every round leads to the next, and the last to these weights", () => checkRounds(aggregation, study.training));
    // 21. The hospitals that took part said yes, to this study, in the very words that they signed.
    await found.step("Every hospital that took part had approved, as it says itself", () => {
      checkSites(aggregation, study.sites);
      checkRefusals(aggregation, refused);
      return checkApprovals(aggregation, releases);
    });
    // 22. What a hospital signed as handed in is what the hub says went in.
    await found.step("What went into each round is what the hospitals signed", () => checkUpdates(aggregation, releases));
    // 23. What came out of a round is what the hospitals say they started the next one from.
    await found.step("Each hospital started each round from what the round before gave", () => checkStarts(aggregation, releases));
    // 24. What a hospital froze before the run is what the hub says that it had before it took anything of it.
    if (folder.known.frozen || aggregation.freezes !== null || releases.some((release) => release.freeze !== null)) {
      await found.step("The hub had each hospital's freeze before its first round", () => {
        if (folder.known.frozen) checkAllFroze(aggregation);
        return checkFreezes(aggregation, releases);
      });
    }
    return {claim, seen, gaps: [...stoppedEarly(aggregation, study.training), ...gaps(aggregation, releases), ...unsignedDenials(aggregation, refused), ...uncovered(folder, [claim, ...standing])]};
  }).catch(stopped);
  return verdictOn(folder, found, reached);
}

/** What stopped the list is in the list. A fault of this page itself goes on, and no verdict is given. */
function stopped(problem) {
  if (!(problem instanceof Stopped)) throw problem;
  return null;
}

function verdictOn(folder, found, reached) {
  const outcomes = found.steps.map((step) => step.outcome);
  const outcome = !reached || outcomes.includes(FAILED) ? FAILED : outcomes.includes(UNCHECKED) ? UNCHECKED : PASSED;
  const always = isRefusal(found.subject) ? said.REFUSAL_NOT_SHOWN : said.T0_NOT_SHOWN, whole = reached?.seen.stamped === undefined ? null : reached.seen;
  const remarks = [...(whole ? notShown(reached.claim, whole) : always), ...(reached?.gaps ?? []), ...(folder.pinned ? [] : [said.KEYS_FROM_FOLDER]), STUDY_NOT_READ];
  return {subject: found.subject, outcome, tier: "T0", claimed: whole ? claimedTier(reached.claim) : "T0", steps: found.steps,
    found: whole ? foundIn(reached.claim, whole) : [], flagged: whole ? flags(reached.claim) : [], notShown: [...new Set(remarks)]};
}

/** Steps 1 to 19: the claim, and what was seen of it in the log and by the time stamper. Throws Stopped at the first that fails. */
async function claimOf(folder, path, found) {
  const {bundle, payload, key, signer} = await signedBytes(folder, path, found);
  const plain = PLAIN.get(path.slice(0, path.indexOf("/") + 1)), expected = path === AGGREGATION ? said.AGGREGATION_BUILD : said.SITE_BUILD;
  let value, claim, study;
  // 5. One way to write it, so that everybody reads the same.
  await found.step("The statement is in canonical form", () => {
    value = readCanonical(payload);
    return "RFC 8785, byte for byte";
  });
  // 6. It is the kind of statement that this place holds.
  await found.step("The statement is of the right type", () =>
    `in-toto Statement v1, ${plain ? plain.checkType(value) : `SLSA provenance v1, ${checkTypes(value, expected)}`}`);
  // 7. It cannot be guessed from its hash.
  await found.step("The nonce has 128 bits", () => (plain ? checkRefusalNonce(value) : checkNonce(value)));
  // 8. All of it is understood.
  await found.step("Every field is there, and none besides", () => {
    claim = plain ? plain.read(value, payload) : readClaim(value, payload, expected);
    return "the whole statement is understood";
  });
  // 9. Nobody signs for another.
  await found.step("The signer speaks for itself", () => {
    if (claim.speaker !== key.owner) throw new Unproven(`the statement is about ${claim.speaker}, but the key is of ${key.owner}`);
    return `key and statement are both of ${claim.speaker}`;
  });
  // 10. It is about this study.
  await found.step("The study is the one in this folder", async () => {
    study = await studyOf(folder.study, claim);
    checkAsked(claim, study);
    return `${study.name}, ${study.digest}${checkPrivacy(claim, study)}${checkTranscript(claim, study)}`;
  });
  // 11. The files are here, unchanged; only what the study did not ask back may be absent.
  await found.step("The files it vouches for are here, unchanged", () => checkFiles(folder, claim, study));
  const first = await checkInLog(folder, bundle, signer, found);
  const seen = await checkSecondForm(folder, path, bundle, [key, first.log], found);
  return {claim, study, seen: {...seen, witnesses: seen.witnesses.filter((one) => first.seen.has(one))}};
}

async function signedBytes(folder, path, found) {
  let bundle, key, signer, payload;
  // 1. A bundle with an envelope, and nothing else.
  await found.step("The bundle and its envelope are well formed", () => {
    if (!folder.receipts.has(path)) throw new Unproven(`${path} is missing: ask the hub for the folder again`);
    bundle = readBundle(folder.receipts.get(path));
    return "Sigstore bundle v0.3, DSSE, one signature, one log entry, strict base64";
  });
  // 2. A key that is known; where it is known from makes all the difference, so it is said.
  await found.step("The signing key is known", async () => {
    ({key, signer} = await knownKey(folder, bundle.envelope.signatures[0].keyid));
    return `${key.keyid.slice(0, 16)} of ${key.owner}, ${folder.pinned ? "one that you pinned" : "from the folder itself: shows integrity, not identity"}`;
  });
  // 3. A key of the right role: the hub may not sign for a hospital, nor one hospital for another.
  await found.step("This key may sign this receipt", () => checkRole(path, key));
  // 4. The signature covers the exact bytes and their type.
  await found.step("The signature fits the exact bytes", async () => {
    payload = await openEnvelope(bundle.envelope, signer);
    return `ECDSA P-256 over ${payload.length} bytes`;
  });
  return {bundle, payload, key, signer};
}

async function knownKey(folder, keyid) {
  const named = folder.known.keys.filter((key) => key.keyid === keyid), short = keyid.slice(0, 16);
  if (!named.length) throw new Unproven(`the key ${short} is ${folder.pinned ? "not among the keys you pinned: do not rely on it" : `not in ${said.KEYS_FILE}`}`);
  if (named.length > 1) throw new Unproven(`the key ${short} is listed for more than one owner`);
  const signer = await p256FromPem(named[0].public_key);
  if (signer.keyid !== keyid) throw new Unproven(`the key listed as ${short} is another one: its SHA-256 differs`);
  return {key: named[0], signer};
}

function checkRole(path, key) {
  const named = NAME.exec(path), role = path === AGGREGATION ? "hub" : "node";
  if (!named) throw new Unproven(`${path} has not the name of a receipt`);
  if (key.role !== role) throw new Unproven(`${path} has to be signed by a ${role}'s key; this is a ${key.role}'s, of ${key.owner}`);
  if (role === "node" && key.owner !== named[1]) throw new Unproven(`${path} has to be signed by ${named[1]}; this key is of ${key.owner}`);
  return `a ${role}'s key, of ${key.owner}`;
}

async function checkFiles(folder, claim, study) {
  const told = [], large = [];
  for (const [path, signed] of claim.files) {
    const asked = path === said.STUDY_FILE || study.release.includes(path === said.WEIGHTS_FILE ? "weights" : "metrics");
    if (!folder.files.has(path)) {
      if (asked) throw new Unproven(`${path} is not in this folder`);
      told.push(`${path} is not here, since the study did not ask for it`);
      continue;
    }
    const digest = await folder.digest(path);
    if (digest === null) large.push(path);
    else if (digest !== signed) throw new Unproven(`${path} is not the file that was signed: it is ${digest}, signed was ${signed}`);
    told.push(path);
  }
  if (large.length) throw new NotChecked(`${large.join(", ")} is too large for a browser: compare its SHA-256 with ${claim.files.get(large[0])}, or use rapha receipt verify`);
  return told.join(", ");
}

/** Steps 12 to 15: the log's key, and the witnesses that have seen the log, by key id. */
async function checkInLog(folder, bundle, signer, found) {
  let checkpoint, log, seen = new Map();
  // 12. What the log holds is this very signature.
  await found.step("The log's entry is of this receipt", async () => {
    if (bundle.material.publicKey.hint !== bundle.envelope.signatures[0].keyid) throw new Unproven("the bundle names another key than the one that signed");
    return checkEntry(bundle.entry, await keyEntry(bundle.envelope, signer.spki));
  });
  // 13. It is in the tree that the checkpoint is of.
  await found.step("The entry is in the log", async () => {
    checkpoint = await checkInclusion(bundle.entry);
    return `entry ${bundle.entry.logIndex} of ${checkpoint.size}`;
  });
  // 14. A log that is known stands by that tree.
  await found.step("The log's checkpoint is signed by a known log", async () => {
    log = await checkSignedByLog(bundle.entry, checkpoint, folder.known, folder.where);
    return `${checkpoint.origin}, ${checkpoint.size} entries`;
  });
  // 15. Others have seen that tree, and none before it that contradicts it.
  await found.step("As many witnesses as asked for have seen the log", async () => {
    seen = await checkWitnesses(checkpoint, folder.known);
    return seen.size ? `seen by ${[...seen.values()].join(", ")}` : "no witness, and none asked for";
  });
  return {log, seen};
}

/** Steps 16 to 19: what was seen on the way. `first`: the log's key of the first entry. */
async function checkSecondForm(folder, path, bundle, [key, first], found) {
  const second = certifiedPath(path);
  let certified, certificate, log, trust, at, places, witnesses = [];
  // 16. The form for Sigstore's clients says the same.
  await found.step("Its Sigstore form is the same envelope", () => {
    if (!folder.certified.has(second)) throw new Unproven(`${second} is missing: ask the hub for the folder again`);
    certified = readCertified(folder.certified.get(second), bundle.envelope);
    certificate = fromBase64(certified.material.certificate.rawBytes);
    return `${second}, byte for byte`;
  });
  // 17. The log holds it under that certificate.
  await found.step("The log holds it under its certificate too", async () => {
    checkEntry(certified.entry, await certifiedEntry(bundle.envelope, certificate));
    const checkpoint = await checkInclusion(certified.entry);
    log = await checkSignedByLog(certified.entry, checkpoint, folder.known, folder.where);
    witnesses = [...(await checkWitnesses(checkpoint, folder.known)).keys()];
    return `entry ${certified.entry.logIndex} of ${checkpoint.size}`;
  });
  // 18. A time stamper that is known saw the signature, and all keys were good then: each log's key by the end it has and the entry it is for.
  await found.step("A known time stamper has seen the signature while its key was good", async () => {
    const trusts = await readTrust(folder.certified.get(said.TRUST_CONFIG_FILE), folder.known, folder.where);
    const stamp = certified.material.timestampVerificationData.rfc3161Timestamps[0].signedTimestamp;
    ({trust, at} = await stampedWhen(trusts, fromBase64(stamp), signatureOf(bundle.envelope)));
    places = [bundle.entry, certified.entry].map((entry) => BigInt(entry.logIndex));
    [key, ...trust.known].forEach((one) => checkWindow(one, at, places));
    if (!first || !log) throw new NotChecked("which of the log's keys signed could not be looked at, and so not whether it was good then");
    [first, log].forEach((one, entry) => checkWindow(withoutStart(one), at, [places[entry]]));
    return `RFC 3161, ${new Date(at).toISOString()}${windowInWords(key)}`;
  });
  // 19. An authority that is known says whose key it is.
  await found.step("A known authority's certificate is of this signer and key", async () => {
    const identity = signerUri(key.role, key.owner);
    const held = await checkCertificate(certificate, trust.authority, trust.certificateLog, identity, at);
    if (held.keyid !== key.keyid) throw new Unproven("the certificate is of another key than the one that signed");
    return identity;
  });
  const trees = new Set([bundle.entry, certified.entry].map(({inclusionProof: {treeSize, rootHash}}) => `${treeSize} ${rootHash}`));
  return {logs: new Set([first?.owner, log?.owner]), trees, places, witnesses, stamped: at};
}

function uncovered(folder, claims) {
  const freezes = claims.filter((claim) => claim.kind === "site" && claim.stated.freeze !== null).map((claim) => `${said.FREEZES}${claim.stated.site}.json`);
  const judged = [...folder.receipts.keys(), ...folder.certified.keys()].filter((path) => !isFreeze(path) && !path.endsWith(".freeze.sigstore.json"));
  const covered = new Set([said.KEYS_FILE, said.STUDY_FILE, ...judged, ...freezes, ...freezes.map(certifiedPath), ...claims.flatMap((claim) => [...claim.files.keys()])]);
  const rest = [...folder.files.keys()].filter((path) => !covered.has(path)).sort();
  return rest.length ? [`Anything about ${rest.join(", ")}: no receipt covers them.`] : [];
}
