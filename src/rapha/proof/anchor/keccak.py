"""Keccak-256 as Ethereum uses it: SHA-3's permutation (FIPS 202, 3.3) with the padding of before the standard. Pure.

Neither `hashlib` nor `cryptography` has it: theirs is SHA3-256, which pads with another byte.
"""

_MASK = (1 << 64) - 1
_RATE_BYTES = 136
_ROUNDS = 24


def _round_constants() -> list[int]:
    """FIPS 202, 3.2.5: the bits of a linear feedback shift register."""
    state, constants = 1, []
    for _ in range(_ROUNDS):
        constant = 0
        for place in range(7):
            if state & 1:
                constant |= 1 << ((1 << place) - 1)
            state = (state << 1) ^ (0x171 if state & 0x80 else 0)
        constants.append(constant)
    return constants


def _walk() -> list[tuple[int, int]]:
    """FIPS 202, 3.2.2 and 3.2.3: where each lane goes, one after another, and how far it turns on the way."""
    x, y, steps = 1, 0, []
    for step in range(_ROUNDS):
        x, y = y, (2 * x + 3 * y) % 5
        steps.append((x + 5 * y, (step + 1) * (step + 2) // 2 % 64))
    return steps


_CONSTANTS, _STEPS = _round_constants(), _walk()


def keccak256(data: bytes) -> bytes:
    """The 32 bytes of the hash."""
    padded = bytearray(data + b"\x01" + bytes(-(len(data) + 1) % _RATE_BYTES))
    padded[-1] |= 0x80
    lanes = [0] * 25
    for at in range(0, len(padded), _RATE_BYTES):
        for place in range(_RATE_BYTES // 8):
            lanes[place] ^= int.from_bytes(padded[at + 8 * place : at + 8 * place + 8], "little")
        _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


def _permute(a: list[int]) -> None:
    for constant in _CONSTANTS:
        c = [a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20] for x in range(5)]
        d = [c[x - 1] ^ _turned(c[(x + 1) % 5], 1) for x in range(5)]
        for place in range(25):
            a[place] ^= d[place % 5]
        carried = a[1]
        for place, turn in _STEPS:
            carried, a[place] = a[place], _turned(carried, turn)
        for row in range(0, 25, 5):
            old = a[row : row + 5]
            for x in range(5):
                a[row + x] = old[x] ^ (~old[(x + 1) % 5] & old[(x + 2) % 5])
        a[0] ^= constant


def _turned(lane: int, by: int) -> int:
    return ((lane << by) | (lane >> (64 - by))) & _MASK
