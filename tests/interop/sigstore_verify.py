"""Run in an environment that has `sigstore` and nothing of ours. Reads {trust, identity, issuer, bundles} as JSON from standard
input; writes one word for each bundle: ok, or why not."""

import json
import sys

from sigstore.models import Bundle, ClientTrustConfig
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity

asked = json.load(sys.stdin)
verifier = Verifier(trusted_root=ClientTrustConfig.from_json(json.dumps(asked["trust"])).trusted_root)
policy = Identity(identity=asked["identity"], issuer=asked["issuer"])
verdicts = []
for bundle in asked["bundles"]:
    try:
        verifier.verify_dsse(Bundle.from_json(json.dumps(bundle)), policy)
        verdicts.append("ok")
    except Exception as problem:  # whatever it is: it was not accepted
        verdicts.append(f"{type(problem).__name__}: {problem}")
json.dump(verdicts, sys.stdout)
