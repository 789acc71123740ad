"""Run by another environment's Python: a JSON list of proofs in hex -> for each, whom it names and with which message; written again; or null."""

import io
import json
import sys

from opentimestamps.core.notary import BitcoinBlockHeaderAttestation, PendingAttestation
from opentimestamps.core.serialize import StreamDeserializationContext, StreamSerializationContext
from opentimestamps.core.timestamp import DetachedTimestampFile


def read(proof: bytes) -> dict[str, object] | None:
    try:
        source = io.BytesIO(proof)
        detached = DetachedTimestampFile.deserialize(StreamDeserializationContext(source))
        if source.read():
            return None
    except Exception:
        return None
    written = io.BytesIO()
    detached.serialize(StreamSerializationContext(written))
    named = []
    for message, said in detached.timestamp.all_attestations():
        match said:
            case BitcoinBlockHeaderAttestation():
                named.append([message.hex(), said.height])
            case PendingAttestation():
                named.append([message.hex(), said.uri])
    return {"named": sorted(named, key=str), "written": written.getvalue().hex()}


print(json.dumps([read(bytes.fromhex(proof)) for proof in json.load(sys.stdin)]))
