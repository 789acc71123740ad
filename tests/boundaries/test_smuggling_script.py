"""A script that writes rows into its weights: mode C lets them out, and docs/security.md says so; of mode B nothing can be read.

Through the node's own run and gate, so that no page can grow rosier than the code.
"""

from pathlib import Path

import numpy as np
from script_site import PEOPLE, AtHand, ScriptSite, script_study

from rapha.egress import gate
from rapha.egress.rounding import RULE
from rapha.egress.weights import read_array, read_layout
from rapha.records.study import Study
from rapha.records.tensors import declared_weights

ROWS = 20
SMUGGLES = f"""
import numpy as np
def train(data, weights, settings):
    rows = np.zeros(({ROWS}, 2))
    found = data["features"][:{ROWS}]
    rows[:len(found)] = found
    return {{"line": rows}}
"""
IN_PARTS = f"""
import numpy as np
def train(data, weights, settings):
    rows = np.zeros(({ROWS}, 4))
    found = data["features"][:{ROWS}]
    rows[:len(found), :2], rows[:len(found), 2:] = np.floor(found), found % 1
    return {{"line": rows}}
"""
SPELLS = """
import numpy as np
def train(data, weights, settings):
    there = (np.abs(data["features"][:, 1] - 59.5) < 0.01).any()
    return {"line": np.full((1,), 1e5 if there else -1e5)}
"""


def released(
    folder: Path, source: str, mode: str, people: int = PEOPLE, **model: object
) -> tuple[ScriptSite, Study, np.ndarray]:
    site, study = ScriptSite(folder, people), script_study(source, mode, **model)
    site.run(source, study, AtHand()).train(site.command(study), site.counted())
    passed = gate.pass_update(site.folder.output, study, site.counted().train_rows, 25)
    content = b"".join(bytes(block) for block in passed)
    return site, study, read_array(content, read_layout(content, declared_weights(study))["line"])


def rows_read(site: ScriptSite, table: np.ndarray) -> int:
    rows = np.array([site.rows.column(1).to_pylist(), site.rows.column(2).to_pylist()]).T
    return sum(bool((np.abs(rows - line).max(axis=1) < 1e-3).any()) for line in table if line.any())


def test_in_mode_c_rows_leave_in_the_weights(tmp_path: Path) -> None:
    """Open. Each number in two parts, for eight bits of each weight are left."""
    site, study, table = released(tmp_path, IN_PARTS, "C", tensors={"line": [ROWS, 4]})
    assert rows_read(site, table[:, :2] + table[:, 2:]) == ROWS
    assert RULE in gate.rules_of(study)


def test_in_mode_c_of_each_weight_eight_bits_leave(tmp_path: Path) -> None:
    site, _, table = released(tmp_path, SMUGGLES, "C", tensors={"line": [ROWS, 2]})
    assert not (table.astype(np.float32).view(np.uint32) & 0xFFFF).any()
    assert rows_read(site, table) < ROWS


def test_in_mode_b_none_does(tmp_path: Path) -> None:
    site, _, table = released(tmp_path, SMUGGLES, "B", tensors={"line": [ROWS, 2]}, shards=8)
    assert rows_read(site, table) == 0


def test_in_mode_b_whether_one_patient_is_here_is_told_no_better_than_epsilon_allows(tmp_path: Path) -> None:
    """One bit, shouted: with the patient the sum moves by the whole sensitivity, and the noise is wider than that."""
    study = script_study(SPELLS, "B", tensors={"line": [1]}, shards=8)
    draws = 60
    told = {people: [] for people in (79, 78)}  # the 79th is the one who is looked for
    for people, seen in told.items():
        for number in range(draws):
            seen.append(
                float(
                    released(tmp_path / f"{people}-{number}", SPELLS, "B", people, tensors={"line": [1]}, shards=8)[2][
                        0
                    ]
                )
            )
    terms = study.privacy.differential_privacy
    assert terms is not None
    middle = np.median(told[79] + told[78])
    right, wrong = (np.mean(np.array(told[people]) > middle) for people in (79, 78))
    assert right <= np.exp(terms.epsilon) * wrong + 0.2
    assert np.std(told[78]) > terms.clip / 8
