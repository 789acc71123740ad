"""Whether a run of a study can be recorded step by step, and done again: one rule for who records and for who verifies."""

from rapha.records.association import Gwas
from rapha.records.averaging import Scaffold
from rapha.records.learning import Script
from rapha.records.study import Study


def can_be_recorded(study: Study) -> bool:
    """Whether a run of the study has steps, and could be run again. A private one could not: its noise is from chance that nobody
    keeps. A GWAS is sums, without a step; a script's steps are its own. Under SCAFFOLD, and where updates travel in fewer
    bytes, a round starts from what the hospital kept of its own, which is replaced from round to round."""
    training = study.training
    keeps = training.updates != "float32" or isinstance(training.aggregation, Scaffold)
    private = study.privacy.differential_privacy is not None
    return not keeps and not private and not isinstance(study.model, Gwas | Script)
