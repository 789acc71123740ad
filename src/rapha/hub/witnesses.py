"""Asks the witnesses to cosign a checkpoint (C2SP tlog-witness). One that is away is told, and does not stop a delivery."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import httpx2
import structlog
from pydantic import Field

from rapha.errors import Unproven
from rapha.hub.log_keeper import LogKeeper
from rapha.proof import lasting
from rapha.proof.checkpoint import Checkpoint, cosignature_time, public_from_pem
from rapha.proof.merkle import consistency_proof
from rapha.proof.tiles import TileReader
from rapha.proof.witness import AddCheckpoint, cosignatures_of
from rapha.records.record import Record
from rapha.records.wire import TrustedKey

Lines = tuple[tuple[str, bytes], ...]
"""Of a checkpoint: who signed, and the key's id with the signature."""
PATIENCE_SECONDS = 5.0
MAX_ANSWER_BYTES = 64 << 10
_log = structlog.get_logger()


class WitnessAddress(Record):
    """A witness: its public key, that of its second lines, and where `/add-checkpoint` is below."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=500)]
    key: TrustedKey
    second: TrustedKey | None = None


class Witnesses:
    """All the witnesses of a hub. Remembers what each has seen, so that it is asked once."""

    def __init__(self, addresses: Sequence[WitnessAddress], transport: httpx2.BaseTransport | None = None) -> None:
        self._addresses, self._transport = tuple(addresses), transport
        self._seen: dict[str, int] = {}

    @property
    def keys(self) -> tuple[TrustedKey, ...]:
        """Their public keys."""
        both = ((address.key, address.second) for address in self._addresses)
        return tuple(key for keys in both for key in keys if key)

    def cosigned(self, keeper: LogKeeper, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint with the cosignatures of all that answered within 5 s, each verified; published so."""
        if not self._addresses:
            return checkpoint
        with ThreadPoolExecutor(len(self._addresses), thread_name_prefix="witness") as pool:
            answers = list(pool.map(lambda address: self._ask(keeper, checkpoint.by_log, address), self._addresses))
        whole = checkpoint.with_signatures(*(line for lines in answers for line in lines))
        keeper.cosign(whole)
        return whole

    def _ask(self, keeper: LogKeeper, checkpoint: Checkpoint, address: WitnessAddress) -> Lines:
        try:
            with httpx2.Client(timeout=PATIENCE_SECONDS, transport=self._transport, trust_env=False) as client:
                return self._line(client, keeper, checkpoint, address)
        except (httpx2.HTTPError, Unproven, ValueError) as problem:
            _log.warning(
                "a witness did not cosign",
                witness=address.key.owner,
                problem=type(problem).__name__,
                reason=str(problem),
            )
            return ()

    def _line(self, client: httpx2.Client, keeper: LogKeeper, checkpoint: Checkpoint, address: WitnessAddress) -> Lines:
        """Ask by the size it was at last; where it says another, once more by that. Raises Unproven for a refusal."""
        owner = address.key.owner
        for _ in range(2):
            old = self._seen.get(owner, 0)
            reader = TileReader(keeper.read, checkpoint.size)
            proof = consistency_proof(old, checkpoint.size, reader.node) if old else ()
            body = AddCheckpoint(old, proof, checkpoint).as_bytes()
            answer = client.post(address.url.rstrip("/") + "/add-checkpoint", content=body)
            if answer.status_code == 409 and len(answer.content) < 30 and answer.text.strip().isdigit():
                self._seen[owner] = int(answer.text)
                continue
            if answer.status_code != 200 or len(answer.content) > MAX_ANSWER_BYTES:
                raise Unproven(f"the witness answered {answer.status_code}")
            return self._verified(answer.content, checkpoint, address)
        raise Unproven("the witness goes by another size each time")

    def _verified(self, answer: bytes, checkpoint: Checkpoint, address: WitnessAddress) -> Lines:
        """Its lines; of its second key where it has one. Raises Unproven where one of them does not fit."""
        first: Lines = ()
        second: Lines = ()
        owner = address.key.owner
        for line in cosignatures_of(answer, checkpoint):
            alone = Checkpoint(checkpoint.text, checkpoint.origin, checkpoint.size, checkpoint.root, (line,))
            if cosignature_time(alone, owner, public_from_pem(address.key.public_key)) is not None:
                first = (line,)
            elif address.second and lasting.cosignature_time(
                alone, owner, lasting.public_from_pem(address.second.public_key)
            ):
                second = (line,)
        if not first:
            raise Unproven("the witness's answer has no signature of its own")
        self._seen[owner] = checkpoint.size
        return first + second
