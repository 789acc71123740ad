"""A made-up hospital whose outcome can be learnt: rows.arrow and a study for every architecture."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from rapha.records.private import PATIENT, counts_by_patient
from rapha.records.study import Study
from rapha.records.tensors import dense_of
from rapha.training.dataset import Dataset, read_dataset

ARCHITECTURES = ("logistic", "linear", "mlp", "cox", "deep-survival", "gru", "text-classifier", "image-classifier",
                 "variant-classifier", "late-fusion")  # fmt: skip
NOTE = {"note": "letter", "during": {"until": "index", "for": "2 years"}, "at_most": 64}
IMAGE = {"image": "letter", "during": {"until": "index", "for": "2 years"}, "shape": [8, 8], "spacing": [1, 1],
         "window": [0, 1]}  # fmt: skip
GENOTYPES = {"genotypes": "panel", "during": {"until": "index", "for": "2 years"}, "build": "GRCh38",
             "variants": [f"1-{place}-A-G" for place in range(1, 13)]}  # fmt: skip
OTHER_NOTE = NOTE | {"note": "ill", "at_most": 32}
KEYS = ("concept", "value", "days")
STEPS = pa.list_(pa.struct([("concept", pa.int16()), ("value", pa.float64()), ("days", pa.float32())]))


def make_study(
    architecture: str,
    model: dict | None = None,
    numeric: bool = False,
    genotypes: bool = True,
    classes: tuple[str, ...] = (),
    privacy: dict | None = None,
    **training,
) -> Study:
    """`classes`: of a categorical outcome, beside `none` of them."""
    survival, numeric = architecture in ("cox", "deep-survival"), numeric or architecture == "linear"
    widths = {"mlp": {"hidden": [8, 4]}, "deep-survival": {"hidden": [8]}, "gru": {"hidden": 6, "embedding": 3}}
    widths["image-classifier"] = {"channels": [4, 8]}
    widths["late-fusion"] = {"note": {"buckets": 64, "embedding": 4}, "image": {"channels": [4, 8]}, "head": [8]}
    widths["variant-classifier"] = {"units": 4}
    widths["text-classifier"] = {"buckets": 64, "embedding": 4}
    window = {"until": "index", "for": "2 years"}
    sequence = [{"sequence": ["hdl", "sbp"], "during": window, "at_most": 8}] if architecture == "gru" else []
    notes = {"text-classifier": [NOTE], "image-classifier": [IMAGE], "variant-classifier": [GENOTYPES],
             "late-fusion": [NOTE, IMAGE, OTHER_NOTE, *([GENOTYPES] if genotypes else [])]}.get(architecture, [])  # fmt: skip
    return Study.model_validate(
        {
            "study": "made-up",
            "purpose": {"sentence": "Nothing but a test.", "data_use": ["DUO:0000006"]},
            "data": {"modalities": ["ehr", "text", "imaging", "genomics"]},
            "concepts": {
                name: {"system": "local", "codes": [name]} for name in ("hdl", "sbp", "ill", "letter", *classes)
            }
            | {"panel": {"system": "genotypes:GRCh38", "codes": ["panel"]}},
            "cohort": {"index": {"first": ["hdl"]}},
            "outcome": {
                "kind": "time-to-event"
                if survival
                else "numeric"
                if numeric
                else "categorical"
                if classes
                else "binary",
                **(
                    {"value": {"last": "ill", "unit": "mmol/L"}}
                    if numeric
                    else {"events": classes}
                    if classes
                    else {"event": "ill"}
                ),
                "during": {"from": "index", "for": "5 years"},
                "unobserved": "censor" if survival else "exclude",
            },
            "features": [
                {"last": "hdl", "during": window},
                *sequence,
                {"demographic": "age"},
                {"demographic": "sex"},
                *notes,
            ],
            "model": {"architecture": architecture, **widths.get(architecture, {}), **(model or {})},
            "training": {"rounds": 3, "batch_size": 64, "learning_rate": 0.02, **training},
            "privacy": {"min_cohort": 10, **(privacy or {})},
        }
    )


def make_table(study: Study, rows: int = 400, seed: int = 1, validation: bool = True, whose: bool = True) -> pa.Table:
    """Risk rises with age, falls with hdl, and for a gru rises with the sum of what the sequence reads."""
    chance = np.random.default_rng(seed)
    hdl, age, sex = chance.normal(50, 12, rows), chance.normal(60, 10, rows), chance.integers(0, 2, rows)
    risk = 0.12 * (age - 60) - 0.06 * (hdl - 50) - 0.5
    hdl[chance.random(rows) < 0.1] = np.nan
    share = [0.6, 0.15, 0.25] if validation else [0.7, 0.0, 0.3]
    columns = {
        "split": pa.array(chance.choice(3, rows, p=share), pa.int8()),
        **({PATIENT: of_few(rows)} if whose and counts_by_patient(study) else {}),
        "last_hdl_until_2years": pa.array(hdl, pa.float64(), from_pandas=True),
        "age": pa.array(age, pa.float64()),
        "sex": pa.array(sex, pa.float64()),
    }
    if study.model.architecture == "gru":
        steps = steps_of(chance, rows)
        risk += np.array([sum(v for _, v, _ in row) for row in steps])
        columns["sequence"] = pa.array([[dict(zip(KEYS, s, strict=True)) for s in row] for row in steps], STEPS)
    for image in (feature for feature in dense_of(study) if feature.kind == "image"):
        spots = chance.random(rows) < 0.5
        pixels = chance.random((rows, 8, 8)).astype(np.float32) / 4
        pixels[spots, 3:5, 3:5] = 1
        risk += 3.0 * spots - 1.5
        columns[image.name] = pa.FixedSizeListArray.from_arrays(
            pa.array(pixels.ravel()), 64, mask=none_of(study, rows, 5)
        )
    for note in (feature for feature in dense_of(study) if feature.kind == "note"):
        words = chance.choice(["well", "stable", "poor", "failing"], (rows, 6))
        risk += np.isin(words, ["poor", "failing"]).sum(axis=1) - 3
        texts = np.frombuffer(b"".join(note.encode(" ".join(row).encode()) for row in words), np.uint8)
        columns[note.name] = pa.FixedSizeListArray.from_arrays(
            pa.array(texts), note.at_most, mask=none_of(study, rows, 7)
        )
    for panel in (feature for feature in dense_of(study) if feature.kind == "genotypes"):
        copies = chance.binomial(2, 0.3, (rows, 12)).astype(np.int8)
        risk += 1.5 * (copies[:, :3].sum(axis=1) - 1.8)
        copies[chance.random((rows, 12)) < 0.02] = -1
        columns[panel.name] = pa.FixedSizeListArray.from_arrays(
            pa.array(copies.ravel()), 12, mask=none_of(study, rows, 9)
        )
    for feature in dense_of(study):  # in the order of the study
        columns[feature.name] = columns.pop(feature.name)
    if study.outcome.kind == "numeric":
        columns["value"] = pa.array(100 + 20 * risk + chance.normal(0, 10, rows), pa.float64())
    elif kinds := len(study.outcome.classes):  # the higher the risk, the later the class
        level = risk + chance.logistic(0, 1, rows)
        bounds = np.quantile(level, np.arange(1, kinds) / kinds)
        columns["label"] = pa.array(np.searchsorted(bounds, level), pa.int8())
    elif study.outcome.kind == "binary":
        columns["label"] = pa.array((chance.random(rows) < 1 / (1 + np.exp(-risk))).astype(int), pa.int8())
    else:
        time, censored = chance.exponential(1000 * np.exp(-risk)), chance.exponential(1500, rows)
        columns["time"] = pa.array(np.ceil(np.minimum(time, censored)), pa.float64())
        columns["event"] = pa.array((time <= censored).astype(int), pa.int8())
    return pa.table(columns)


def steps_of(chance: np.random.Generator, rows: int) -> list[list[tuple[int, float, float]]]:
    """Of each row up to seven: concept, value, days before."""
    return [
        [(int(c), float(v), float(d)) for c, v, d in zip(cs, vs, sorted(ds, reverse=True), strict=True)]
        for cs, vs, ds in (
            (chance.integers(0, 2, n), chance.normal(0, 1, n), chance.uniform(0, 700, n))
            for n in chance.integers(0, 8, rows)
        )
    ]


def of_few(rows: int) -> pa.Array:
    """Whose rows: the first patient has a quarter of them, every other one from one to six, here and there."""
    chance = np.random.default_rng(5)
    others = np.repeat(np.arange(1, rows + 1), chance.integers(1, 7, rows))[: rows - rows // 4]
    return pa.array(chance.permutation(np.concatenate([np.zeros(rows // 4), others])), pa.int32(), safe=False)


def none_of(study: Study, rows: int, every: int) -> pa.Array | None:
    """Of a study with several arrays: who has none."""
    return pa.array(np.arange(rows) % every == 0) if study.model.architecture == "late-fusion" else None


def write_rows(path: Path, table: pa.Table) -> Path:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return path


def make_dataset(study: Study, folder: Path, **made) -> Dataset:
    """In a file of its own for each seed: arrays stay mapped from it."""
    path = folder / f"site-{made.get('seed', 1)}.arrow"
    return read_dataset(study, write_rows(path, make_table(study, **made)))
