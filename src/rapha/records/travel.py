"""In what form updates travel, where a study asks for fewer bytes than float32 takes: the change of a round, in bf16 or int8.

    bf16    `NAME` BF16       the change, rounded to the nearest
    int8    `NAME` I8         whole numbers from -127 to 127, each times the scale of its group
            `NAME:scale` F32  one for each `GROUP` elements of the tensor, in the order they are stored

What arrives is `start + change`, in float64, `start` being the weights that the round began with. Of the first round there are none that
the hub knows, so it travels as float32. What rounding leaves over stays at the hospital and is added to its next change (error
feedback: Seide et al. 2014, Interspeech; Karimireddy et al. 2019, https://arxiv.org/abs/1901.09847).
"""

from typing import assert_never

from rapha.records.study import Study
from rapha.records.tensors import Declared, TensorSpec, declared_weights
from rapha.records.variates import declared_variates

GROUP = 512
SCALE = ":scale"
MOST = 127
FIRST_ROUND = 2
"""The first round that starts from weights which the hub knows, and after which a hospital may keep something of its own."""


def declared_update(study: Study, number: int) -> Declared:
    """What the update of training round `number` travels as."""
    weights = declared_weights(study)
    match study.training.updates:
        case _ if number < FIRST_ROUND:
            return weights
        case "float32":
            return weights
        case "bf16":
            return {name: TensorSpec(shape=spec.shape, dtype="BF16") for name, spec in weights.items()}
        case "int8":
            whole = {name: TensorSpec(shape=spec.shape, dtype="I8") for name, spec in weights.items()}
            groups = {
                f"{name}{SCALE}": TensorSpec(shape=(-(-spec.elements // GROUP),), dtype="F32")
                for name, spec in weights.items()
            }
            return {**whole, **groups}
        case _ as unreachable:
            assert_never(unreachable)


def keeps_at_sites(study: Study) -> bool:
    """Whether hospitals keep something of their own from one round to the next."""
    return study.training.updates != "float32" or bool(declared_variates(study))
