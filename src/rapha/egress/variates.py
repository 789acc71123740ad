"""A hospital's half of SCAFFOLD: its own variates, renewed from what it was given and what left. They never leave themselves.

The rule is that of `rapha.hub.averaging.renewed_variate`, where it is of one hospital; both reckon in float64.
"""

import numpy as np

from rapha.egress.weights import canonical_weights, read_array, read_layout, write_canonical
from rapha.records.study import Study
from rapha.records.tensors import declared_weights
from rapha.records.variates import VARIATE, declared_given, declared_variates, local_steps


def renewed_variates(own: bytes | None, given: bytes, left: bytes, study: Study, rows: int) -> bytes:
    """After a round but the first. `own`: those of the round before, None where there are none yet, which is 0; `given`: what
    the round began with; `left`: the weights that left; `rows`: as they left with them.

    Raises:
        EgressRefused: one of the files is not as declared.
    """
    declared = declared_variates(study)
    before, after = read_layout(given, declared_given(study, 2)), read_layout(left, declared_weights(study))
    mine = read_layout(own, declared) if own is not None else {}
    length = local_steps(study.training, rows) * study.training.learning_rate
    renewed = {}
    for name in declared:
        learnt = name.removeprefix(VARIATE)
        start, server = (read_array(given, before[each]).astype(np.float64) for each in (learnt, name))
        gradient = (start - read_array(left, after[learnt])) / length
        kept = read_array(own, mine[name]) if own is not None else 0.0
        renewed[name] = (kept + gradient - server).astype(np.float32)
    return canonical_weights(write_canonical(renewed, declared), declared)
