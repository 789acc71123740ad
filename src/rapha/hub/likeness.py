"""An alarm, not a verdict: whose update is unlike all others? Multi-Krum's score, and how far out it lies.

Blanchard et al. 2017, https://arxiv.org/abs/1703.02757. With n sites, one of which may be wrong, a site's score is the sum
of its squared distances to its n - 3 nearest. It needs five sites.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SITES_AT_LEAST = 5
TIMES_THE_MEDIAN = 4.0


def krum_scores(squared_distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """[S] from [S, S]: the sum over each site's S - 3 nearest others."""
    sites = len(squared_distances)
    others = np.sort(squared_distances + np.diag([np.inf] * sites), axis=1)
    return np.asarray(others[:, : sites - 3].sum(axis=1), np.float64)


def unlike_others(sites: Sequence[str], squared_distances: NDArray[np.float64]) -> list[str]:
    """The sites whose score is more than four times the median; none where there are fewer than five sites."""
    if len(sites) < SITES_AT_LEAST:
        return []
    scores = krum_scores(squared_distances)
    limit = TIMES_THE_MEDIAN * float(np.median(scores))
    return [site for site, score in zip(sites, scores, strict=True) if score > limit]
