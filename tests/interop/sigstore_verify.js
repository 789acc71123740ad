// Reads {trustedRoot, keys, bundles} as JSON from standard input; writes one word for each bundle: ok, or why not.
const { bundleFromJSON } = require("@sigstore/bundle");
const { TrustedRoot } = require("@sigstore/protobuf-specs");
const { Verifier, toSignedEntity, toTrustMaterial } = require("@sigstore/verify");

const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const keys = Object.fromEntries(
  Object.entries(asked.keys).map(([hint, der]) => [hint, { rawBytes: Buffer.from(der, "base64") }]),
);
const material = toTrustMaterial(TrustedRoot.fromJSON(asked.trustedRoot), (hint) => {
  if (!keys[hint]) throw new Error(`unknown key ${hint}`);
  return { publicKey: require("crypto").createPublicKey({ key: keys[hint].rawBytes, format: "der", type: "spki" }), validFor: () => true };
});
const verifier = new Verifier(material, { tlogThreshold: 1, timestampThreshold: 0, ctlogThreshold: 0 });
const verdicts = asked.bundles.map((bundle) => {
  try {
    verifier.verify(toSignedEntity(bundleFromJSON(bundle)));
    return "ok";
  } catch (problem) {
    return String(problem.message || problem);
  }
});
console.log(JSON.stringify(verdicts));
