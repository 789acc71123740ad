"""What made-up events point at, where a study reads it: one function for each kind of dense feature; and notes that say what
a study asks of notes."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, get_args

from rapha.cohort.dense import KIND_OF
from rapha.cohort.notes.scan import Scanner
from rapha.errors import StudyError
from rapha.records.concept import Concept
from rapha.records.dense import DenseFeature, GenotypesFeature, ImageFeature, NoteFeature
from rapha.records.mention import Mention, Section
from rapha.records.segmenter import SegmentMask
from rapha.records.study import Study
from rapha.records.tensors import dense_of, mask_of
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
SAYING = 0.5
WAYS_TO_SAY = (
    "There is {} today.", "Possible {}.", "No {}.", "Her mother had {}.", "History of {}.", "Return if {} develops.",
    "Her mother has possible {}.", "Return if her mother has possible {}.", "Her mother denies {}.", "Return if her mother has {}.", "Mother: history of {}.",
    "History of possible {}.", "Denies previous {}.", "If no {}, return.", "Return if possible {}.",
    "Her mother denies previous {}.", "Her mother has a history of possible {}.", "Return if her mother denies {}.",
)  # fmt: skip
NAMED_AFTER: dict[Section, str] = {section: section.replace("-", " ") for section in get_args(Section)} | {
    "other": "", "complaint": "chief complaint", "course": "hospital course", "signature": "signed",
}  # fmt: skip


def give_assets(study: Study, events: Sequence[dict[str, Any]], contents: Contents, dice: random.Random) -> None:
    """Every event of a concept that a dense feature reads, or in which mentions are looked for, points at an asset of its
    own."""
    wanted: dict[tuple[str, str], list[DenseFeature]] = {}
    for feature in dense_of(study):
        for pair in study.concepts[feature.of].written_codes():
            wanted.setdefault(pair, []).append(feature)
    said: dict[tuple[str, str], list[Mention]] = {}
    for mention in study.said_in_notes().values():
        for name in mention.notes:
            for pair in study.concepts[name].written_codes():
                said.setdefault(pair, []).append(mention)
    for event in events:
        pair = (event["system"], event["code"])
        if features := wanted.get(pair):
            feature = dice.choice(features) if len(features) > 1 else features[0]
            event["asset"] = _kept(feature, event["subject_key"], contents, dice, said.get(pair, []))
        elif mentions := said.get(pair):
            event["asset"] = contents.add(event["subject_key"], "note", made_up_note(mentions, dice))
    if (mask := mask_of(study)) is not None:
        _give_masks(study, mask, events, contents, dice)


def penned_rows(study: Study, events: Sequence[dict[str, Any]], dice: random.Random) -> list[dict[str, Any]]:
    """Of a study that asks who wrote a note, or in which language: each note is written as one of the concepts asks that hold it."""
    asked: dict[tuple[str, str], list[Concept]] = {}
    for concept in study.concepts.values():
        if concept.of_notes_alone:
            for pair in concept.written_codes():
                asked.setdefault(pair, []).append(concept)
    rows = []
    for event in events:
        if concepts := asked.get((event["system"], event["code"])):
            concept = dice.choice(concepts)
            author, language = (
                dice.choice(values) if values else None for values in (concept.written_by, concept.language)
            )
            rows.append(
                {
                    "event_id": event["event_id"],
                    "author": author,
                    "language": language,
                    "ingest_batch": event["ingest_batch"],
                }
            )
    return rows


def _give_masks(
    study: Study, mask: SegmentMask, events: Sequence[dict[str, Any]], contents: Contents, dice: random.Random
) -> None:
    """Every event of a segment that has an image of the same person is drawn on one of them, the first of each segment on the same one;
    of each segment an image has one mask."""
    images: dict[int, list[dict[str, Any]]] = {}
    of_image = set(study.concepts[mask.image.of].written_codes())
    segments = {pair: name for name in mask.segments for pair in study.concepts[name].written_codes()}
    for event in events:
        if (event["system"], event["code"]) in of_image:
            images.setdefault(event["subject_key"], []).append(event)
    drawn: dict[tuple[str, str], bytes] = {}
    so_far: Counter[tuple[int, str]] = Counter()
    on: dict[tuple[int, int], dict[str, Any]] = {}
    for event in events:
        there = images.get(event["subject_key"])
        if there and (segment := segments.get((event["system"], event["code"]))):
            so_far[event["subject_key"], segment] += 1
            place = (event["subject_key"], so_far[event["subject_key"], segment])
            image = on[place] if place in on else on.setdefault(place, dice.choice(there))
            content = drawn.setdefault((segment, image["asset"]), _mask(mask.image, image["asset"], dice))
            event["parent_event"] = image["event_id"]
            event["asset"] = contents.add(event["subject_key"], KIND_OF[mask.kind], content)


def _kept(
    feature: DenseFeature, subject_key: int, contents: Contents, dice: random.Random, said: Sequence[Mention]
) -> str:
    if not isinstance(feature, GenotypesFeature):
        return contents.add(subject_key, KIND_OF[feature.kind], made_up(feature, dice, said))
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


def made_up(feature: DenseFeature, dice: random.Random, said: Sequence[Mention] = ()) -> bytes:
    """The content of one asset."""
    if isinstance(feature, NoteFeature):
        return made_up_note(said, dice)
    if isinstance(feature, ImageFeature):
        return _volume(feature, dice)
    raise StudyError(f"a rehearsal cannot make up `{feature.kind}` yet")


def made_up_note(said: Sequence[Mention], dice: random.Random) -> bytes:
    """Words without sense; each second time, of each mention, a sentence that says it as is asked for."""
    parts = [" ".join(dice.choices(WORDS, k=dice.randint(5, MOST_WORDS))) + "."]
    return "\n\n".join([*parts, *(saying(mention, dice) for mention in said if dice.random() < SAYING)]).encode()


def saying(mention: Mention, dice: random.Random) -> str:
    """A few lines that say a mention: the first of the ways in which people put it that the scanner takes for it."""
    phrase = dice.choice(mention.phrases)
    headings = [NAMED_AFTER[section] for section in mention.sections] or ["", "Family history", "Past history"]
    scanner = Scanner({"": mention})
    for heading in headings:
        for words in WAYS_TO_SAY:
            text = f"{heading.upper()}:\n{words.format(phrase)}" if heading else words.format(phrase)
            if scanner.said_in(text.encode()):
                return text
    raise StudyError(f"a rehearsal cannot make up a note that says {phrase!r} as the study asks for it")


def _mask(image: ImageFeature, volume: str, dice: random.Random) -> bytes:
    """A tenth of the voxels of such a volume, anywhere."""
    import numpy as np
    from safetensors.numpy import save

    chance = np.random.default_rng(dice.getrandbits(32))
    sides, spacing = _grid(image)
    bits = np.packbits(chance.random(sides) < 0.1)
    on = np.frombuffer(bytes.fromhex(volume), np.uint8)
    return save(
        {"bits": bits, "sides": np.array(sides, np.int32), "spacing": np.array(spacing, np.float64), "volume": on}
    )


def _grid(image: ImageFeature) -> tuple[tuple[int, ...], tuple[float, ...]]:
    sides = image.shape if len(image.shape) == 3 else (1, *image.shape)
    return sides, image.spacing if len(image.spacing) == 3 else (1.0, *image.spacing)


def _volume(feature: ImageFeature, dice: random.Random) -> bytes:
    """Noise over the study's window, of its own size and spacing."""
    import numpy as np
    from safetensors.numpy import save

    chance = np.random.default_rng(dice.getrandbits(32))
    low, high = feature.window
    sides, spacing = _grid(feature)
    voxels = chance.uniform(low, high, sides).astype(np.int16)
    if feature.beside:
        voxels = np.stack([voxels.astype(np.float32), chance.uniform(*feature.beside, sides).astype(np.float32)])
    return save({"voxels": voxels, "spacing": np.array(spacing)})
