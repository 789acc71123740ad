"""`model.sig`: the folder's files under one signature of the hub, as OpenSSF Model Signing v1.0 has it. Pure.

A Sigstore bundle with a managed key around an in-toto Statement, so that `model_signing verify key` checks a folder as it checks
any model. It says which files belong together; what they are evidence of is said by the receipts.
"""

import hashlib
from collections.abc import Mapping

from rapha.canonical import base64_text, canonical_bytes
from rapha.proof import keys
from rapha.proof.claim import STATEMENT_TYPE
from rapha.proof.envelope import PAYLOAD_TYPE, pae
from rapha.records.bundle import MEDIA_TYPE
from rapha.records.record import Digest

MODEL_SIGNATURE_FILE = "model.sig"
MODEL_SIGNATURE_TYPE = "https://model_signing/signature/v1.0"
WRITTEN_AT_HOME = (
    "README.md", "adapter_config.json", "adapter_model.safetensors", "associations.tsv", "config.json", "module.safetensors", "receipt.html", "report.html",
)  # fmt: skip
"""What whoever fetches a folder writes into it: the hub cannot vouch for it, so verifiers are told to pass it over."""


def model_signature(name: str, files: Mapping[str, Digest], private: keys.PrivateKey) -> bytes:
    """The file. `name`: of the model, for people. `files`: every file that is delivered, but this one."""
    paths = sorted(files)
    found = [files[path].removeprefix("sha256:") for path in paths]
    resources = [
        {"name": path, "algorithm": "sha256", "digest": digest} for path, digest in zip(paths, found, strict=True)
    ]
    whole = hashlib.sha256(b"".join(map(bytes.fromhex, found))).hexdigest()
    passed_over = [*WRITTEN_AT_HOME, MODEL_SIGNATURE_FILE]
    serialization = {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": passed_over}
    payload = canonical_bytes(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": name, "digest": {"sha256": whole}}],
            "predicateType": MODEL_SIGNATURE_TYPE,
            "predicate": {"serialization": serialization, "resources": resources},
        }
    )
    hint = hashlib.sha256(keys.public_to_pem(private.public_key()).encode()).hexdigest()
    signature = {"keyid": keys.keyid(private.public_key()), "sig": base64_text(keys.sign(private, pae(payload)))}
    envelope = {"payloadType": PAYLOAD_TYPE, "payload": base64_text(payload), "signatures": [signature]}
    material = {"publicKey": {"hint": hint}, "tlogEntries": []}
    return canonical_bytes({"mediaType": MEDIA_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope})
