"""Ways to say something false of the log that a receipt is in."""

import base64
from collections.abc import Callable
from typing import Any

import record_samples as made_up
from small_log import AT, ORIGIN, OTHERS, WITNESS, private_key

from rapha.proof import checkpoint as notes
from rapha.proof.checkpoint import Checkpoint

Material = dict[str, Any]
OTHER_WITNESS = "witness.example/west"


def other_entry(material: Material) -> None:
    _entry(material)["canonicalizedBody"] = base64.b64encode(OTHERS[0]).decode()


def edited_entry(material: Material) -> None:
    body = base64.b64decode(_entry(material)["canonicalizedBody"])
    _entry(material)["canonicalizedBody"] = base64.b64encode(body.replace(b"SHA2_256", b"SHA2_512", 1)).decode()


def other_hint(material: Material) -> None:
    material["publicKey"]["hint"] = made_up.trusted("south").keyid


def swapped_hash(material: Material) -> None:
    hashes = _proof(material)["hashes"]
    hashes[0], hashes[1] = hashes[1], hashes[0]


def cut_proof(material: Material) -> None:
    _proof(material)["hashes"].pop()


def long_proof(material: Material) -> None:
    _proof(material)["hashes"].append(_proof(material)["hashes"][0])


def other_index(material: Material) -> None:
    _entry(material)["logIndex"] = _proof(material)["logIndex"] = "5"


def two_indices(material: Material) -> None:
    _entry(material)["logIndex"] = "5"


def other_size(material: Material) -> None:
    _proof(material)["treeSize"] = "8"


def other_root(material: Material) -> None:
    _proof(material)["rootHash"] = base64.b64encode(bytes(32)).decode()


def malformed_checkpoint(material: Material) -> None:
    _note(material)["envelope"] = _note(material)["envelope"].replace("\n7\n", "\n07\n")


def other_tree(material: Material) -> None:
    """Signed by the log indeed, and so is its root: but the entry is not in it."""
    signed = notes.signed(ORIGIN, 7, bytes(32), private_key(ORIGIN))
    _note(material)["envelope"] = signed.as_bytes().decode()
    _proof(material)["rootHash"] = base64.b64encode(bytes(32)).decode()


def edited_signature(material: Material) -> None:
    _resigned(material, lambda name, raw: raw[:10] + bytes([raw[10] ^ 1]) + raw[11:] if name == ORIGIN else raw)


def unsigned(material: Material) -> None:
    """A witness alone stands by it."""
    old = _checkpoint(material)
    witness = tuple(line for line in old.signatures if line[0] == WITNESS)
    _note(material)["envelope"] = Checkpoint(old.text, old.origin, old.size, old.root, witness).as_bytes().decode()


def unknown_log(material: Material) -> None:
    """Another log holds the entry: nobody listed its key."""
    old, other = _checkpoint(material), "rapha.dev/log/of-a-stranger"
    signed = notes.signed(other, old.size, old.root, private_key(other))
    _note(material)["envelope"] = signed.as_bytes().decode()
    log_id = notes.note_key_hash(other, private_key(other).public_key())
    _entry(material)["logId"]["keyId"] = base64.b64encode(log_id).decode()


def other_log_id(material: Material) -> None:
    _entry(material)["logId"]["keyId"] = base64.b64encode(bytes(32)).decode()


def false_witness(material: Material) -> None:
    _resigned(material, lambda name, raw: raw[:-1] + bytes([raw[-1] ^ 1]) if name == WITNESS else raw)


def edited_time(material: Material) -> None:
    _resigned(material, lambda name, raw: raw[:11] + bytes([raw[11] ^ 1]) + raw[12:] if name == WITNESS else raw)


def seen_by_another(material: Material) -> None:
    """A witness that is known, and not the one that has seen every other checkpoint."""
    old = _checkpoint(material)
    log_alone = Checkpoint(
        old.text, old.origin, old.size, old.root, tuple(x for x in old.signatures if x[0] != WITNESS)
    )
    cosigned = notes.cosigned(log_alone, OTHER_WITNESS, private_key(OTHER_WITNESS), AT)
    _note(material)["envelope"] = log_alone.with_signatures(cosigned).as_bytes().decode()


def _resigned(material: Material, change: Callable[[str, bytes], bytes]) -> None:
    old = _checkpoint(material)
    signatures = tuple((name, change(name, raw)) for name, raw in old.signatures)
    _note(material)["envelope"] = Checkpoint(old.text, old.origin, old.size, old.root, signatures).as_bytes().decode()


def _checkpoint(material: Material) -> Checkpoint:
    return notes.read_checkpoint(_note(material)["envelope"].encode())


def _entry(material: Material) -> Material:
    found: Material = material["tlogEntries"][0]
    return found


def _proof(material: Material) -> Material:
    found: Material = _entry(material)["inclusionProof"]
    return found


def _note(material: Material) -> Material:
    found: Material = _proof(material)["checkpoint"]
    return found
