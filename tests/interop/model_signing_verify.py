"""Run by another environment's Python: folder, public key, signatures -> a JSON list of verdicts."""

import json
import sys
from pathlib import Path

import model_signing


def accepts(folder: Path, key: Path, signature: Path) -> bool:
    try:
        model_signing.verifying.Config().use_elliptic_key_verifier(public_key=key).verify(folder, signature)
    except Exception:
        return False
    return True


folder, key, *signatures = map(Path, sys.argv[1:])
print(json.dumps([accepts(folder, key, signature) for signature in signatures]))
