"""The privacy ledger's entries: what was set aside, spent, given back. Amounts are whole numbers, rounded up."""

import math
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from rapha.records.record import Digest, DispatchId, Record
from rapha.records.release import ReasonCode
from rapha.records.study import Study

MICRO, PICO = 10**6, 10**12
START: Digest = "sha256:" + "0" * 64
"""What the first entry follows."""

Amount = Annotated[int, Field(ge=0, lt=2**53)]


class Spend(Record):
    """epsilon in millionths, delta in millionths of millionths."""

    epsilon_micro: Amount = 0
    delta_pico: Amount = 0

    @classmethod
    def of(cls, epsilon: float, delta: float) -> "Spend":
        """Rounded up: a ledger never knows of less than was spent."""
        return cls(epsilon_micro=math.ceil(epsilon * MICRO), delta_pico=math.ceil(delta * PICO))

    @classmethod
    def of_study(cls, study: Study) -> "Spend":
        """All that the study may spend at one site; nothing where it asks for no differential privacy."""
        terms = study.privacy.differential_privacy
        return cls.of(terms.epsilon, terms.delta) if terms else cls()

    def __add__(self, other: "Spend") -> "Spend":
        """Basic composition (Dwork and Roth 2014, theorem 3.16): an upper bound, whatever the mechanisms."""
        return Spend(
            epsilon_micro=self.epsilon_micro + other.epsilon_micro, delta_pico=self.delta_pico + other.delta_pico
        )

    def within(self, limit: "Spend") -> bool:
        """Whether neither of the two passes the limit's."""
        return self.epsilon_micro <= limit.epsilon_micro and self.delta_pico <= limit.delta_pico

    @property
    def epsilon(self) -> float:
        return self.epsilon_micro / MICRO

    @property
    def delta(self) -> float:
        return self.delta_pico / PICO


class LedgerEntry(Record):
    """One line. `previous` is the digest of the line before: who changes one line has to change all after it.

    `dataset`: whose patients, at this site. `project`: who asks, for what. `private`: whether the run has a guarantee; a
    run without one is written down too, and spends nothing that could be counted. `reason`: why a refund.
    """

    number: Annotated[int, Field(ge=1)]
    previous: Digest
    at: datetime
    kind: Literal["reserved", "settled", "refunded"]
    dataset: str
    project: str
    dispatch: DispatchId
    study: str
    study_digest: Digest
    private: bool
    spend: Spend
    reason: ReasonCode | None = None
