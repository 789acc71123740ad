"""A GRU over the events of a patient, oldest first, its last state joined with the other features."""

import torch
from torch import Tensor, nn

from rapha.errors import TrainingFailed
from rapha.records.learning import Gru
from rapha.records.study import Study
from rapha.records.tensors import STEP_INPUTS, feature_names, outputs_of, sequence_of
from rapha.training.architectures.network import Network, Standards, by_row
from rapha.training.inputs import Inputs


class Recurrent(Network):
    """A step is (embedding of its concept, standardised value, missing flag, log of days). A patient without a step has
    the state zero."""

    def __init__(self, features: int, concepts: int, embedding: int, hidden: int, outputs: int = 1) -> None:
        super().__init__(features)
        self.sequence = Standards(concepts)
        self.embedding = nn.Embedding(concepts, embedding)
        self.gru = nn.GRU(embedding + STEP_INPUTS, hidden, batch_first=True)
        self.output = nn.Linear(hidden + 2 * features, outputs)

    def forward(self, inputs: Inputs, rows: Tensor) -> Tensor:
        if inputs.steps is None:
            raise TrainingFailed("the rows have no sequence")
        concept, reading, lengths = inputs.steps.padded(rows)
        states, _ = self.gru(torch.cat([self.embedding(concept), reading], dim=2))
        # The GRU looks only back: a row's state at its own last step is untouched by what pads it.
        last = states[torch.arange(len(rows)), (lengths - 1).clamp(min=0)]
        last = torch.where((lengths > 0).unsqueeze(1), last, torch.zeros_like(last))
        score: Tensor = self.output(torch.cat([last, inputs.features[rows]], dim=1))
        return by_row(score)


def build_gru(study: Study) -> Recurrent:
    model, sequence = study.model, sequence_of(study)
    if not isinstance(model, Gru) or sequence is None:
        raise TrainingFailed("a gru reads one sequence: the study names none")
    return Recurrent(len(feature_names(study)), len(sequence.of), model.embedding, model.hidden, outputs_of(study))
