"""The hub's half of SCAFFOLD: the variates that go out beside the weights of a round. The rule on a block is averaging.py's."""

from collections.abc import Mapping
from dataclasses import dataclass

from rapha.records.learning import TrainingSpec
from rapha.records.study import Study
from rapha.records.task import Update
from rapha.records.tensors import Declared
from rapha.records.variates import declared_variates, local_steps


@dataclass(frozen=True)
class Drift:
    """What a round needs to know to renew them. `declared`: the variates; `training`: how sites make their steps; `share`:
    the rows of this round's sites, of the rows of all sites that ever took part."""

    declared: Declared
    training: TrainingSpec
    share: float

    def length(self, rows: int) -> float:
        """How far a site of so many rows goes in a round, along a gradient of one."""
        return local_steps(self.training, rows) * self.training.learning_rate


def drift_of(study: Study, updates: Mapping[str, Update], ever: Mapping[str, int]) -> Drift:
    """Of a round with these updates. `ever`: the rows of every site that took part in any round, this one too."""
    share = sum(update.weight for update in updates.values()) / sum(ever.values())
    return Drift(declared_variates(study), study.training, share)
