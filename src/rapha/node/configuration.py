"""A node's home folder and its one frozen configuration.

HOME/
  node.yaml      this configuration
  rules.yaml     the site's rules
  key.pem        signing key (0600); secret: 32 random bytes that key the patients' pseudonyms (0600)
  key-next.pem, rotation.json   while it goes over to another signing key
  opt-out.txt    identifiers of those who have opted out (0600); opt-out.former.txt: the list before, while a new one is taken
  timeline/      the patients' events: never leaves
  exports/       how far each FHIR server's data are here, and which export has begun
  node.db        what was asked, decided and done, with its audit events
  public-log.json   the keys and the last checkpoint of the hub's public log, as seen here; public-log-refused.json: what contradicts them
  sandbox.json   what the agent found its sandbox's walls to be when it began, for the commands of stewards
  runs/          one folder per dispatch: frozen rows, weights, the sandbox's output; with a placement they lie in its shared folder
  outbox/        a copy of every byte that left, for the steward to look at
"""

import io
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rapha.errors import ConfigurationError
from rapha.node.turns import PLACED_AT_ONCE, processors
from rapha.records.record import Real, Record, SiteId, Slug, nearest_key

BackendName = Literal["bubblewrap", "namespaces", "i-accept-that-code-can-reach-this-machine"]
DATABASE = "node.db"
"""The register's file in a home."""
UGLY: BackendName = "i-accept-that-code-can-reach-this-machine"


class SandboxLimits(Record):
    """Of one run. `memory_mb` bounds the address space, `file_mb` each file it writes."""

    memory_mb: Annotated[int, Field(ge=512, le=1_000_000)] = 8192
    file_mb: Annotated[int, Field(ge=1, le=100_000)] = 4096
    processes: Annotated[int, Field(ge=8, le=4096)] = 64
    open_files: Annotated[int, Field(ge=32, le=65_536)] = 256


class SlurmPlacement(Record):
    """Sandboxes as jobs of the hospital's Slurm. `shared_folder` lies on a file system that this machine and the compute nodes see under one
    path: runs' frozen rows lie there while a study lives, in a folder of the site's name, so it is no other node's. `programs_folder` holds `srun`, where it is not
    where a system keeps its programs; `slurm_conf` names the cluster's configuration, where it is not where Slurm looks itself. Memory is asked for by the
    sandbox's own limit. `queue_minutes`: how long a job may wait for its turn."""

    by: Literal["slurm"]
    shared_folder: Annotated[str, Field(pattern=r"^/[^\x00\n]*$", max_length=300)]
    partition: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.,-]{1,100}$")] | None = None
    account: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] | None = None
    processors: Annotated[int, Field(ge=1, le=1024)] = 1
    time_limit_minutes: Annotated[int, Field(ge=1, le=100_000)] = 1440
    queue_minutes: Annotated[int, Field(ge=1, le=10_000)] = 60
    programs_folder: Annotated[str, Field(pattern=r"^/[^:\x00\n]*$", max_length=300)] | None = None
    slurm_conf: Annotated[str, Field(pattern=r"^/[^\x00\n]*$", max_length=300)] | None = None


class RayPlacement(Record):
    """Sandboxes as jobs of the hospital's own Ray cluster. `shared_folder`: as with Slurm. `address`: where the cluster's Jobs API answers, `ca` a PEM bundle
    where that is https under a private one. `token_file`: Ray's token, which this user alone may read. `processors` are asked for each sandbox, and memory by the
    sandbox's own limit; `resource` names a custom resource of the machines that may be chosen. `queue_minutes`: how long a job may wait for its turn."""

    by: Literal["ray"]
    shared_folder: Annotated[str, Field(pattern=r"^/[^\x00\n]*$", max_length=300)]
    address: Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.\[\]:-]+$", max_length=300)]
    token_file: Annotated[str, Field(pattern=r"^/[^\x00\n]*$", max_length=300)]
    ca: Annotated[str, Field(pattern=r"^/[^\x00\n]*$", max_length=300)] | None = None
    processors: Annotated[int, Field(ge=1, le=1024)] = 1
    resource: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] | None = None
    queue_minutes: Annotated[int, Field(ge=1, le=10_000)] = 10

    @field_validator("address")
    @classmethod
    def _an_address(cls, address: str) -> str:
        return _checked(address, "http")


class KubernetesPlacement(Record):
    """Sandboxes as Jobs of the hospital's own Kubernetes. `shared_folder`: as with Slurm; `volume_claim` is the claim, in `namespace`, of the file system that it is. `address`: where the
    API server answers, `ca` a PEM bundle of its authority; `token_file`: a service account's token, which this user alone may read. `image` is named by its digest. `user`: of
    the Pod, which has to be the agent's own as files go; never root. `seccomp_profile`: a profile on the machines, under which walls can be built in a Pod. `processors`, `queue_minutes`,
    `time_limit_minutes`: as with Slurm. `node_labels`: of the machines that may be chosen."""

    by: Literal["kubernetes"]
    shared_folder: Annotated[str, Field(pattern=r"^/[^\x00\n:]*$", max_length=300)]
    volume_claim: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
    address: Annotated[str, Field(pattern=r"^https://[A-Za-z0-9.\[\]:-]+$", max_length=300)]
    token_file: Annotated[str, Field(pattern=r"^/[^\x00\n]*$", max_length=300)]
    ca: Annotated[str, Field(pattern=r"^/[^\x00\n]*$", max_length=300)] | None = None
    namespace: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
    image: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/-]+@sha256:[0-9a-f]{64}$", max_length=500)]
    user: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    seccomp_profile: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_./-]*$", max_length=300)] | None = None
    processors: Annotated[int, Field(ge=1, le=1024)] = 1
    time_limit_minutes: Annotated[int, Field(ge=1, le=100_000)] = 1440
    queue_minutes: Annotated[int, Field(ge=1, le=10_000)] = 10
    node_labels: Annotated[
        dict[
            Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$", max_length=300)],
            Annotated[str, Field(pattern=r"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$", max_length=63)],
        ],
        Field(default_factory=dict, max_length=20),
    ]

    @field_validator("address")
    @classmethod
    def _an_address(cls, address: str) -> str:
        return _checked(address, "https")


def _checked(address: str, scheme: str) -> str:
    try:
        parts = urlsplit(address)
        whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise ValueError(f"`address` is {scheme}://HOST:PORT, with a port up to 65535")
    return address


AnyPlacement = Annotated[SlurmPlacement | RayPlacement | KubernetesPlacement, Field(discriminator="by")]


class NodeConfiguration(Record):
    """`hub_key` is the public key the hub showed at enrolment; `ca` a PEM bundle where the hub's is private; `certificate` a PEM file with
    the node's own certificate and its key, where the hub asks for one. `proxy`: the
    way out to the hub, http://host:port. `limit_mbit_per_second`: what weights may take of the hospital's line. `repeatable_mb`: how much
    of starting weights is kept of one run, so that it can be repeated; a run that needs more has no transcript. `waiting_sandboxes`: how
    many are started before anybody asks, each some 260 MB of memory; 0: none, as it has to be with a placement. `placement`: where sandboxes run, if not on this machine.
    `runs_at_once`: how many tasks work at a time; where nothing is said, as many as there are processors, or with a placement PLACED_AT_ONCE."""

    site: Slug
    name: Annotated[str, Field(min_length=1, max_length=120)]
    hub_url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=300)]
    hub: str
    hub_key: str
    ca: str | None = None
    certificate: str | None = None
    proxy: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=300)] | None = None
    limit_mbit_per_second: Annotated[Real, Field(gt=0, le=1_000_000)] | None = None
    repeatable_mb: Annotated[int, Field(ge=0, le=100_000_000)] = 4096
    sandbox: BackendName = "bubblewrap"
    limits: SandboxLimits = SandboxLimits()
    waiting_sandboxes: Annotated[int, Field(ge=0, le=16)] = 0
    placement: AnyPlacement | None = None
    runs_at_once: Annotated[int, Field(ge=1, le=1024)] | None = None

    @model_validator(mode="after")
    def _walls_elsewhere(self) -> Self:
        if self.placement is not None and self.sandbox == UGLY:
            raise ValueError("on another machine a sandbox isolates: set `sandbox` to bubblewrap or namespaces")
        if self.placement is not None and self.waiting_sandboxes:
            raise ValueError("a sandbox that waits would hold a job that nobody uses: set `waiting_sandboxes` to 0")
        return self

    @property
    def site_id(self) -> SiteId:
        return SiteId(self.site)

    @property
    def at_once(self) -> int:
        """How many tasks work at a time."""
        return self.runs_at_once or (PLACED_AT_ONCE if self.placement else processors())


class Home:
    """The paths of one node. Opening it checks that it is one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        if not (self.folder / "node.yaml").is_file():
            raise ConfigurationError(f"{folder} is not a node's home: run `rapha node init {folder} ...` first")
        self.configuration = read_configuration(self.folder / "node.yaml")

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"

    @property
    def secret(self) -> bytes:
        """32 bytes; keys every pseudonym of this site."""
        path = self.folder / "secret"
        try:
            return path.read_bytes()
        except OSError as error:
            why = f"cannot be read ({error.strerror})"
            raise ConfigurationError(
                f"{path}: {why}; restore it from a backup: it ties the timeline together"
            ) from None

    @property
    def rules(self) -> Path:
        return self.folder / "rules.yaml"

    @property
    def timeline(self) -> Path:
        return self.folder / "timeline"

    @property
    def opt_out(self) -> Path:
        return self.folder / "opt-out.txt"

    @property
    def opt_out_former(self) -> Path:
        return self.folder / "opt-out.former.txt"

    @property
    def identifiers(self) -> Path:
        return self.folder / "identifiers.csv"

    @property
    def database(self) -> Path:
        return self.folder / DATABASE

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox"

    @property
    def waiting(self) -> Path:
        """The folders of sandboxes that wait: beside those of runs, by a name that no dispatch can have."""
        return self.runs / ".waiting"

    @property
    def jobs(self) -> Path:
        """The folders of jobs, where a placement needs them: each holds a key while its job lives."""
        return self.runs / ".jobs"

    @property
    def runs(self) -> Path:
        """The folders of runs, one per dispatch."""
        placement = self.configuration.placement
        return Path(placement.shared_folder) / self.configuration.site if placement else self.folder / "runs"

    def export(self, source: str) -> Path:
        """What is remembered of the exports of a FHIR server; `source` is a slug."""
        return self.folder / "exports" / f"{source}.json"

    def run(self, dispatch: str) -> Path:
        """The folder of one dispatch. The id comes from the hub: only a plain word becomes a path."""
        return self.runs / _plain(dispatch)

    def head(self, dispatch: str) -> Path:
        """The personal head of one dispatch."""
        return self.folder / "heads" / f"{_plain(dispatch)}.safetensors"

    def head_of(self, dispatch: str) -> Path:
        """Beside it, which model it is of."""
        return self.head(dispatch).with_suffix(".json")


def _plain(dispatch: str) -> str:
    if not dispatch or not all(c.isalnum() or c in "-_" for c in dispatch):
        raise ConfigurationError("a dispatch id holds letters, digits, - and _ only")
    return dispatch


def read_configuration(path: Path) -> NodeConfiguration:
    """Parse `node.yaml`.

    Raises:
        ConfigurationError: not YAML, an unknown key, a wrong value; says which.
    """
    try:
        return NodeConfiguration.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = _place_of(first["loc"])
        if first["type"] == "extra_forbidden":
            written, words = place.rpartition(".")[2], _words_beside(first["loc"])
            raise ConfigurationError(f"{path}: unknown key `{place[:100]}`; {nearest_key(written, words)}") from error
        raise ConfigurationError(f"{path}: {place}: {first['msg']}") from error
    except (YAMLError, ValueError) as error:
        raise ConfigurationError(f"{path}: not readable as YAML") from error


def write_configuration(path: Path, configuration: NodeConfiguration) -> None:
    """Write `node.yaml`, readable by its owner alone."""
    text = io.StringIO()
    YAML(typ="safe").dump(configuration.as_json(), text)
    path.write_text(text.getvalue(), encoding="utf-8")
    path.chmod(0o600)


def _place_of(keys: tuple[int | str, ...]) -> str:
    """A key of the file, as it is written there: which kind of placement it was read as is no key."""
    written = ("placement", *(keys[2:] or ("by",))) if keys[:1] == ("placement",) else keys
    return ".".join(str(part) for part in written) or "the file"


def _words_beside(keys: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys that may stand where one stands that is not known."""
    places: dict[str, type[Record]] = {"slurm": SlurmPlacement, "ray": RayPlacement, "kubernetes": KubernetesPlacement}
    beside: type[Record] = NodeConfiguration
    if keys[0] == "limits" and len(keys) > 1:
        beside = SandboxLimits
    elif keys[0] == "placement" and len(keys) > 2:
        beside = places[str(keys[1])]
    return tuple(beside.model_fields)
