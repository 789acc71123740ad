"""Certificates in PEM are read in their one form, up to a limit."""

import pytest

from rapha.proof.evidence.pem import MAX_PEM_BYTES, read_pem, written

DER = bytes(range(100))


@pytest.mark.parametrize("count", [1, 3])
def test_what_was_written_is_read(count: int) -> None:
    assert read_pem(written(DER) * count) == (DER,) * count


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"no certificate",
        written(DER)[:-1],
        written(DER) + b"\n",
        b"\n" + written(DER),
        written(DER) + b"-----BEGIN PRIVATE KEY-----",
        written(DER).replace(b"\n", b"\r\n"),
        written(DER).replace(b"=", b""),
        written(DER).replace(b"==", b"=A"),
        b"text before it\n" + written(DER),
    ],
)
def test_anything_else_is_none(text: bytes) -> None:
    assert read_pem(text) == ()


def test_a_very_long_one_is_not_read() -> None:
    count = MAX_PEM_BYTES // len(written(DER))
    assert len(read_pem(written(DER) * count)) == count
    assert read_pem(written(DER) * (count + 1)) == ()
