"""What MEDS does not say of itself: where its clocks hung, what its codes are codes of, who was watched for how long."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from rapha.records.record import Record
from rapha.timeline.mapping_file import SourceMapping

Text = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Zone = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_+/-]{0,60}$")]
Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Observation(Record):
    """MEDS has no period of observation. A day is that day's first moment; said for every patient alike."""

    start: Literal["first event"] | Day
    end: Literal["last event"] | Day


class Mapping(SourceMapping):
    """The whole file. `system`: what studies call the codes. `split`: a code's system is what stands before the first of
    these in it, and `system` where there is none. `sex`: codes without a time that say it. `zone`: of the times, which
    have none; UTC if left out. `observation` is passed over where the export says who was observed (see docs/meds.md).
    """

    format: Literal["meds"]
    system: Text
    split: Annotated[str, StringConstraints(min_length=1, max_length=10)] | None = None
    zone: Zone | None = None
    sex: Annotated[dict[Text, Literal["female", "male", "other"]], Field(default_factory=dict)]
    observation: Observation
