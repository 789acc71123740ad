"""A researcher's own training script: what a study that carries one says of it, and what it cannot ask for besides.

Release modes: A, a declared architecture or a graph, which the node's own trainer trains; B, a script on disjoint shards of the
patients, whose results the node clips, averages and adds noise to; C, a script on all of them, whose weights leave as they are.
"""

import math
from typing import TYPE_CHECKING, Literal

from pydantic_core import PydanticCustomError

from rapha.records.averaging import FedProx, Scaffold

if TYPE_CHECKING:
    from rapha.records.study import Study

Mode = Literal["A", "B", "C"]
LARGEST_SCRIPT_BYTES = 256 * 1024
MOST_SHARDS = 1000
MOST_PRIVATE_NUMBERS = 20_000
"""Learnt numbers of a model in mode B: each gets noise of the same size, so that more of them learn less."""


def check_script(study: "Study") -> None:
    """Raises PydanticCustomError where a study carries a script, and asks for what cannot be had with it."""
    if study.model.architecture != "script":
        return
    model, private = study.model, study.privacy.differential_privacy is not None
    numbers = sum(math.prod(shape) for shape in model.tensors.values())
    reasons = (
        (model.mode == "B" and not private,
         "model: mode B needs `differential_privacy` under privacy: its epsilon, delta and clip say how much noise the node adds"),
        (model.mode == "C" and private,
         "model: mode C has no differential privacy, whatever a script does: ask for mode B, or leave `differential_privacy` out"),
        (model.mode == "B" and model.shards is None, "model: mode B needs `shards`: in how many the patients are dealt"),
        (model.mode == "C" and model.shards is not None, "model: `shards` are of mode B: in mode C a script sees all patients at once"),
        (model.mode == "B" and numbers > MOST_PRIVATE_NUMBERS,
         f"model: mode B is for models of at most {MOST_PRIVATE_NUMBERS} numbers; `tensors` has {numbers}"),
        (model.mode == "B" and (model.shards or 0) * model.seconds > 60 * study.training.deadline_minutes,
         "model: in mode B a round takes `shards` times `seconds`, whatever the script does: raise training.deadline_minutes"),
        (isinstance(study.training.aggregation, FedProx),
         "training.aggregation: `fedprox` is a pull within each step, which a script makes for itself: leave it out"),
        (study.training.early_stopping is not None,
         "training.early_stopping: a round of a script has no figures to stop by: leave it out"),
        (isinstance(study.training.aggregation, Scaffold),
         "training.aggregation: `scaffold` corrects each step, which a script makes for itself: leave it out"),
        (study.training.keep is not None,
         "training.keep: a round of a script has no figures to be the best by: leave it out"),
    )  # fmt: skip
    for wrong, sentence in reasons:
        if wrong:
            raise PydanticCustomError("script", "{sentence}", {"sentence": sentence})
