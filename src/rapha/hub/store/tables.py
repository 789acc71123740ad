"""The tables. Records are kept as the exact JSON bytes that came or left; columns beside them are for finding them."""

from datetime import UTC, datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import DateTime, TypeDecorator


class Moment(TypeDecorator[datetime]):
    """A moment in UTC: SQLite forgets the zone, this puts it back."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: object) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: object) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


class Table(DeclarativeBase):
    type_annotation_map = {datetime: Moment, bytes: LargeBinary, str: String}  # noqa: RUF012


class SiteRow(Table):
    """An enrolled hospital. `profile` is its SiteProfile, once it has sent one. `public_key` is empty once that key is revoked."""

    __tablename__ = "sites"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    public_key: Mapped[str]
    keyid: Mapped[str]
    profile: Mapped[bytes | None]
    enrolled_at: Mapped[datetime]


class SiteKeyRow(Table):
    """A key that a site has or had: the one that counts is the site's own `keyid`. `window`: a Window; None where it has neither
    beginning nor end."""

    __tablename__ = "site_keys"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.id"), index=True)
    keyid: Mapped[str] = mapped_column(unique=True)
    public_key: Mapped[str]
    window: Mapped[bytes | None]


class KeyChangeRow(Table):
    """A signed rotation or revocation of a key on its way into the log; as `LoggedRefusalRow`. `site`: None where it is the hub's."""

    __tablename__ = "key_changes"
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    site: Mapped[str | None] = mapped_column(ForeignKey("sites.id"))
    digest: Mapped[str] = mapped_column(unique=True)
    receipt: Mapped[bytes]
    from_size: Mapped[int] = mapped_column(BigInteger)
    certificate: Mapped[bytes | None]
    stamp: Mapped[bytes | None]
    certified: Mapped[bytes | None]


class CodeRow(Table):
    """A one-time enrolment code, as its SHA-256. `used_by` is the keyid that used it."""

    __tablename__ = "enrolment_codes"
    code_hash: Mapped[str] = mapped_column(primary_key=True)
    site: Mapped[str]
    expires_at: Mapped[datetime]
    used_by: Mapped[str | None]


class TokenRow(Table):
    """A researcher's token, as the SHA-256 of its secret. `scopes` in words, separated by spaces."""

    __tablename__ = "researcher_tokens"
    id: Mapped[str] = mapped_column(primary_key=True)
    secret_hash: Mapped[str]
    researcher: Mapped[str]
    scopes: Mapped[str]
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class StudyRow(Table):
    """`study` is the canonical bytes whose digest everyone approves. `delivery` the Delivery, once completed.
    `paused_from`: the state to which a paused study returns. `asks`: training, or feasibility alone."""

    __tablename__ = "studies"
    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    name: Mapped[str]
    study: Mapped[bytes]
    researcher: Mapped[str]
    state: Mapped[str]
    reason: Mapped[str | None]
    paused_from: Mapped[str | None]
    asks: Mapped[str]
    created_at: Mapped[datetime]
    delivery: Mapped[bytes | None]


class DispatchRow(Table):
    """One study at one site. `answer`: its yes, or how many there would be where that alone was asked; `denial`: its no, which may come after a yes.
    `stopped`: the node has said that it carried out the Stop."""

    __tablename__ = "dispatches"
    __table_args__ = (UniqueConstraint("study_id", "site"), Index("dispatches_of_site", "site", "stopped"))
    id: Mapped[str] = mapped_column(primary_key=True)
    study_id: Mapped[str] = mapped_column(ForeignKey("studies.id"))
    site: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    state: Mapped[str]
    feasible: Mapped[bytes | None]
    answer: Mapped[bytes | None]
    denial: Mapped[bytes | None]
    reason: Mapped[str | None]
    stopped: Mapped[bool]


class LoggedRefusalRow(Table):
    """A site's signed refusal on its way into the log: what certifies it is kept first, so that its entries are the same bytes
    each time; `from_size`: how many entries the log had then. `receipt` and `certified`: its two files, once it is logged."""

    __tablename__ = "logged_refusals"
    dispatch_id: Mapped[str] = mapped_column(ForeignKey("dispatches.id"), primary_key=True)
    from_size: Mapped[int] = mapped_column(BigInteger)
    certificate: Mapped[bytes]
    stamp: Mapped[bytes]
    receipt: Mapped[bytes | None]
    certified: Mapped[bytes | None]


class LoggedFreezeRow(Table):
    """A site's signed freeze on its way into the log; as `LoggedRefusalRow`. `freeze`: as it was signed."""

    __tablename__ = "logged_freezes"
    dispatch_id: Mapped[str] = mapped_column(ForeignKey("dispatches.id"), primary_key=True)
    freeze: Mapped[bytes]
    from_size: Mapped[int] = mapped_column(BigInteger)
    certificate: Mapped[bytes]
    stamp: Mapped[bytes]
    receipt: Mapped[bytes | None]
    certified: Mapped[bytes | None]


class StampedReleaseRow(Table):
    """What certifies a release's receipt, as of when it was taken: its key may end before the delivery."""

    __tablename__ = "stamped_releases"
    task_id: Mapped[str] = mapped_column(ForeignKey("tasks.id"), primary_key=True)
    certificate: Mapped[bytes]
    stamp: Mapped[bytes]


class RoundRow(Table):
    """One round: 0 prepares, 1 to R train, R + 1 evaluates. `closed_at` None while it is open. `kept`: the digests of what
    the way of averaging keeps for the next round, separated by spaces."""

    __tablename__ = "rounds"
    study_id: Mapped[str] = mapped_column(ForeignKey("studies.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    do: Mapped[str]
    weights_in: Mapped[str | None]
    weights_out: Mapped[str | None]
    kept: Mapped[str | None]
    deadline: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class TaskRow(Table):
    """One site's work in one round. `result` is the Update or the ReleaseParcel that settled it, `blob` what it names."""

    __tablename__ = "tasks"
    __table_args__ = (UniqueConstraint("study_id", "number", "site"), Index("tasks_of_site", "site", "state"))
    id: Mapped[str] = mapped_column(primary_key=True)
    study_id: Mapped[str] = mapped_column(ForeignKey("studies.id"))
    dispatch_id: Mapped[str] = mapped_column(ForeignKey("dispatches.id"))
    site: Mapped[str] = mapped_column(ForeignKey("sites.id"))
    number: Mapped[int]
    do: Mapped[str]
    task: Mapped[bytes]
    state: Mapped[str]
    reason: Mapped[str | None]
    result: Mapped[bytes | None]
    blob: Mapped[str | None] = mapped_column(index=True)


class UploadRow(Table):
    """Which site put which blob here: a site may only answer with what it uploaded itself."""

    __tablename__ = "uploads"
    digest: Mapped[str] = mapped_column(primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.id"), primary_key=True)


class SmallBlobRow(Table):
    """A blob that is no file: an update, or what came of a round, of a few KiB."""

    __tablename__ = "small_blobs"
    digest: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[bytes]


class DeliveredRow(Table):
    """Which blobs the delivery of a study names: its researcher may fetch them, and they stay."""

    __tablename__ = "delivered"
    digest: Mapped[str] = mapped_column(primary_key=True)
    study_id: Mapped[str] = mapped_column(ForeignKey("studies.id"), primary_key=True)


class AuditRow(Table):
    """One line of the log. Written once, in the transaction of what it tells; never changed."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_of_study", "study_id", "number"),)
    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    at: Mapped[datetime]
    event: Mapped[str]
    actor: Mapped[str]
    study_id: Mapped[str | None]
    site: Mapped[str | None]
    round: Mapped[int | None]
    facts: Mapped[bytes]


class SeenTokenRow(Table):
    """A node's token that was used. Only where several hubs share the database: else a file of the hub's home."""

    __tablename__ = "seen_tokens"
    site: Mapped[str] = mapped_column(primary_key=True)
    jti: Mapped[str] = mapped_column(primary_key=True)
    forget_at: Mapped[datetime] = mapped_column(index=True)


class LogFileRow(Table):
    """A file of the public log: a tile, written once, or its checkpoint. Only where several hubs share the database."""

    __tablename__ = "log_files"
    path: Mapped[str] = mapped_column(primary_key=True)
    content: Mapped[bytes]


class IdentityRow(Table):
    """Whose database this is: the name, the log and the public keys that every hub on it must have. One row."""

    __tablename__ = "hub_identity"
    what: Mapped[str] = mapped_column(primary_key=True)
    keys: Mapped[bytes]
