"""Comparison: another model on the same held-out patients, to be shown beside the federated one."""

from typing import Annotated

from pydantic import Field

from rapha.records.metrics import Score
from rapha.records.record import Record


class Comparison(Record):
    """For instance a model trained on the pooled rows, where those are public. `note` says how it was made.

    `sites`: its scores on each hospital's held-out patients; `together`: on all of those in one pot, where `federated`
    are the scores of the federated model on the very same.
    """

    name: Annotated[str, Field(min_length=1, max_length=60)]
    note: Annotated[str, Field(max_length=300)] = ""
    together: Annotated[tuple[Score, ...], Field(max_length=16)] = ()
    federated: Annotated[tuple[Score, ...], Field(max_length=16)] = ()
    sites: dict[str, Annotated[tuple[Score, ...], Field(max_length=16)]] = Field(default_factory=dict)
