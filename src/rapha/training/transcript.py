"""Write down what a round does, waypoint by waypoint: digests of state, and tokens of batches. Layout: proof/transcript.py.

Nothing here changes a bit of the training: it reads weights, optimiser and chance, and writes digests.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterable

import torch
from torch import Tensor

from rapha.proof.transcript import LET_GO, Waypoint
from rapha.records.transcript import Recording
from rapha.training.architectures.network import Network
from rapha.training.optimizers import Optimizer


class Recorder:
    """The transcript of one round. `begin`, then `step` after each step, then `end`; `leaves` are then its bytes."""

    def __init__(self, recording: Recording, number: int) -> None:
        self._key, self._every, self._until = bytes.fromhex(recording.key), recording.every_steps, recording.until
        self._round, self._step = number, 0
        self._rows: list[Tensor] = []
        self._found: list[Waypoint] = []

    @property
    def stopped(self) -> bool:
        """Whether no further step is wanted."""
        return self._until is not None and self._step >= self._until

    def begin(self, network: Network, optimizer: Optimizer) -> None:
        """Before the first step."""
        self._network, self._optimizer = network, optimizer

    def step(self, rows: Tensor) -> None:
        """After a step over these rows [b] of the training rows."""
        self._step += 1
        self._rows.append(rows)  # hashed at the waypoint, all at once: a step of a small model takes 200 us in all
        if self._step % self._every == 0 or self._step == self._until:
            chance = hashlib.sha256(self._network.noise.get_state().numpy().data).digest()
            self._waypoint(_digest(self._optimizer.state()), chance)

    def end(self) -> None:
        """After the last step: what the optimiser carried, and the rest of the round's chance, are let go of then."""
        if not self.stopped:
            self._waypoint(LET_GO, LET_GO)

    @property
    def leaves(self) -> bytes:
        """All waypoints, one after the other."""
        return b"".join(one.packed() for one in self._found)

    def _waypoint(self, optimizer: bytes, chance: bytes) -> None:
        weights = _digest(tensor for _, tensor in sorted(self._network.state_dict().items()))
        self._found.append(Waypoint(self._round, self._step, weights, optimizer, chance, self._batches()))

    def _batches(self) -> bytes:
        sizes = [rows.numel() for rows in self._rows]  # `len` of a tensor takes five times as long
        token = hmac.new(self._key, struct.pack(f"<{1 + len(sizes)}i", len(sizes), *sizes), "sha256")
        if sizes:
            token.update(
                torch.cat(self._rows).numpy().astype("<i4").data
            )  # `int()` of a tensor takes three times as long
        self._rows.clear()
        return token.digest()


def _digest(tensors: Iterable[Tensor]) -> bytes:
    state = hashlib.sha256()
    for tensor in tensors:
        values = tensor.detach().numpy()
        state.update(values.nbytes.to_bytes(8, "big"))
        state.update(values.data if values.flags.c_contiguous else values.tobytes())
    return state.digest()
