"""Checkpoints: one form, one signature each, and nothing that was changed passes."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rapha.errors import ConfigurationError, Unproven
from rapha.proof import checkpoint as notes
from rapha.proof import keys

LOG = Ed25519PrivateKey.from_private_bytes(b"l" * 32)
WITNESS = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SIGNED = notes.signed("log.example/one", 4711, bytes(range(32)), LOG)


def test_it_reads_as_it_was_written() -> None:
    whole = SIGNED.with_signatures(notes.cosigned(SIGNED, "witness.example", WITNESS, AT))
    again = notes.read_checkpoint(whole.as_bytes())
    assert again == whole
    notes.check_log(again, LOG.public_key())
    assert notes.cosignature_time(again, "witness.example", WITNESS.public_key()) == AT
    assert notes.cosignature_time(SIGNED, "witness.example", WITNESS.public_key()) is None


def test_the_text_is_the_one_of_the_specification() -> None:
    assert SIGNED.text == b"log.example/one\n4711\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    assert SIGNED.as_bytes().startswith(SIGNED.text + "\n— log.example/one ".encode())


def test_a_verifier_key_is_the_one_of_the_specification() -> None:
    """The example of Go's golang.org/x/mod/sumdb/note: PeterNeumann."""
    import base64

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(key.split("+", 2)[2])[1:])
    assert notes.verifier_key("PeterNeumann", public) == key


@pytest.mark.parametrize("at", range(len(SIGNED.as_bytes())))
def test_no_byte_can_be_changed(at: int) -> None:
    data = bytearray(SIGNED.as_bytes())
    data[at] ^= 1
    with pytest.raises(Unproven):
        notes.check_log(notes.read_checkpoint(bytes(data)), LOG.public_key())


@pytest.mark.parametrize(
    "change",
    [lambda t: t.replace("\n4711\n", "\n04711\n"), lambda t: t.replace("\n4711\n", "\n-1\n"),
     lambda t: t.replace("\n\n", "\nextension\n\n"), lambda t: t[:-1], lambda t: t + "\n", lambda t: "",
     lambda t: t.replace("—", "-"), lambda t: t.split("\n\n")[0] + "\n\n", lambda t: t * 2000,
     lambda t: t.replace("log.example/one\n4711", "log example\n4711"), lambda t: t + "— x !!!!\n"],
)  # fmt: skip
def test_only_one_form_is_read(change: object) -> None:
    with pytest.raises(Unproven):
        notes.read_checkpoint(change(SIGNED.as_bytes().decode()).encode())  # type: ignore[operator]
    with pytest.raises(Unproven):
        notes.read_checkpoint(b"\xff" + SIGNED.as_bytes())


def test_a_signature_given_twice_is_refused() -> None:
    name, raw = SIGNED.signatures[0]
    twice = replace(SIGNED, signatures=(*SIGNED.signatures, (name, raw[:-1] + b"x")))
    with pytest.raises(Unproven, match="more than one"):
        notes.check_log(twice, LOG.public_key())


def test_another_key_is_refused() -> None:
    with pytest.raises(Unproven, match="not signed by this log's key"):
        notes.check_log(SIGNED, WITNESS.public_key())
    with pytest.raises(Unproven, match="Ed25519"):
        notes.public_from_pem(keys.public_to_pem(keys.generate().public_key()))
    with pytest.raises(ConfigurationError, match="Ed25519"):
        notes.private_from_pem(keys.private_to_pem(keys.generate()))
    assert notes.public_from_pem(notes.public_to_pem(LOG.public_key())) == LOG.public_key()


def test_what_cannot_be_stated_is_refused() -> None:
    for origin, size, root in (("a b", 1, bytes(32)), ("a", -1, bytes(32)), ("a", 1, b""), ("a+b", 1, bytes(32))):
        with pytest.raises(ValueError, match="origin"):
            notes.text_of(origin, size, root)
