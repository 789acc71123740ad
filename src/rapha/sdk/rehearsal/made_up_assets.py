"""What made-up events point at, where a study reads it: one function for each kind of dense feature."""

import random
from collections.abc import Iterable
from typing import Any

from rapha.cohort.dense import KIND_OF
from rapha.errors import StudyError
from rapha.records.dense import DenseFeature, GenotypesFeature, ImageFeature, NoteFeature
from rapha.records.study import Study
from rapha.records.tensors import dense_of
from rapha.timeline.assets import Contents

WORDS = [
    "patient",
    "seen",
    "today",
    "no",
    "acute",
    "distress",
    "history",
    "of",
    "stable",
    "improved",
    "fever",
    "cough",
    "pain",
    "normal",
    "chest",
]
MOST_WORDS = 40


def give_assets(study: Study, events: Iterable[dict[str, Any]], contents: Contents, dice: random.Random) -> None:
    """Every event of a concept that a dense feature reads points at an asset of its own."""
    wanted: dict[tuple[str, str], list[DenseFeature]] = {}
    for feature in dense_of(study):
        for pair in study.concepts[feature.of].written_codes():
            wanted.setdefault(pair, []).append(feature)
    for event in events:
        if features := wanted.get((event["system"], event["code"])):
            feature = dice.choice(features) if len(features) > 1 else features[0]
            event["asset"] = _kept(feature, event["subject_key"], contents, dice)


def _kept(feature: DenseFeature, subject_key: int, contents: Contents, dice: random.Random) -> str:
    if not isinstance(feature, GenotypesFeature):
        return contents.add(subject_key, KIND_OF[feature.kind], made_up(feature, dice))
    callset = contents.add(subject_key, "callset", "\n".join([feature.build, *feature.variants]).encode())
    return contents.add(subject_key, "genotypes", _genotypes(feature, callset, dice))


def _genotypes(feature: GenotypesFeature, callset: str, dice: random.Random) -> bytes:
    """Common variants, one call in fifty missing."""
    import numpy as np
    from safetensors.numpy import save

    chance = np.random.default_rng(dice.getrandbits(32))
    dosage = chance.binomial(2, 0.3, len(feature.variants)).astype(np.int8)
    dosage[chance.random(len(dosage)) < 0.02] = -1
    return save({"dosage": dosage, "callset": np.frombuffer(bytes.fromhex(callset), dtype=np.uint8)})


def made_up(feature: DenseFeature, dice: random.Random) -> bytes:
    """The content of one asset."""
    if isinstance(feature, NoteFeature):
        return " ".join(dice.choices(WORDS, k=dice.randint(5, MOST_WORDS))).encode()
    if isinstance(feature, ImageFeature):
        return _volume(feature, dice)
    raise StudyError(f"a rehearsal cannot make up `{feature.kind}` yet")


def _volume(feature: ImageFeature, dice: random.Random) -> bytes:
    """Noise over the study's window, of its own size and spacing."""
    import numpy as np
    from safetensors.numpy import save

    chance = np.random.default_rng(dice.getrandbits(32))
    low, high = feature.window
    sides = feature.shape if len(feature.shape) == 3 else (1, *feature.shape)
    spacing = feature.spacing if len(feature.spacing) == 3 else (1.0, *feature.spacing)
    return save({"voxels": chance.uniform(low, high, sides).astype(np.int16), "spacing": np.array(spacing)})
