"""A new home: secrets, rules, and the introduction to the hub with its one-time code."""

import re
import shutil
from contextlib import closing
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from rapha.clock import utc_now
from rapha.errors import ConfigurationError, NotPermitted, Unreachable
from rapha.node.configuration import DATABASE, UGLY, NodeConfiguration, write_configuration
from rapha.node.connections import Asked, Connections, Cut
from rapha.node.hub_line import ANSWER_SECONDS, API, whole_answer, why_silent
from rapha.node.keys import make_secrets
from rapha.node.public_log_files import LogFiles
from rapha.node.register import Register
from rapha.node.sandbox.choose import name_for_this_machine
from rapha.node.way import Way, way_to
from rapha.proof import keys
from rapha.records.wire import Enrolled, Enrolment, Problem

ANSWER_LIMIT_BYTES = 1 << 16
"""A name, a key and few words; what answers is not known to be a hub yet."""


def make_home(
    folder: Path,
    *,
    site: str,
    name: str,
    hub_url: str,
    code: str,
    ca: str | None = None,
    certificate: str | None = None,
    proxy: str | None = None,
    isolate: bool = True,
) -> NodeConfiguration:
    """Make a node's home and enrol it. The one-time code is spent only when the hub accepted it. What the folder keeps of another hub's public
    log, or of this one's under another key of the hub, is put aside.

    Raises:
        ConfigurationError: the folder is a home already; or a name, an address, the code or the authority is no such
            thing.
        Unreachable: the hub does not answer. Secrets that were made are kept and used at the next try.
        NotPermitted: the code is wrong, spent or expired, or is another site's.
    """
    if (folder / "node.yaml").exists():
        raise ConfigurationError(f"{folder} is a node's home already: choose another folder, or keep using it")
    _check_words(site, name, code)
    way = way_to(hub_url, ca, certificate, proxy)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = make_secrets(folder)
    public = keys.public_to_pem(key.public_key())
    enrolled = _enrol(hub_url, Enrolment(code=code, site=site, name=name, public_key=public), way)
    if not (folder / "rules.yaml").exists():
        shutil.copyfile(str(files("rapha.node") / "default-rules.yaml"), folder / "rules.yaml")
    configuration = NodeConfiguration(
        site=site,
        name=name,
        hub_url=hub_url,
        hub=enrolled.hub,
        hub_key=enrolled.hub_key,
        ca=ca,
        certificate=certificate,
        proxy=proxy,
        sandbox=name_for_this_machine() if isolate else UGLY,
    )
    LogFiles(folder, Register(folder / DATABASE, utc_now)).put_aside_unless_of(enrolled.hub, enrolled.hub_key)
    write_configuration(folder / "node.yaml", configuration)
    return configuration


def _check_words(site: str, name: str, code: str) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", site):
        raise ConfigurationError(f"{site!r} is no name for a site: lower-case letters, digits and hyphens, at most 63")
    if not 1 <= len(name) <= 120:
        raise ConfigurationError("the hospital's full name has 1 to 120 letters")
    if not 8 <= len(code) <= 100:
        raise ConfigurationError("this is no enrolment code: copy it whole, as `rapha hub enrol` printed it")


def _enrol(url: str, enrolment: Enrolment, way: Way) -> Enrolled:
    headers = {"content-type": "application/json"}
    asked = Asked("POST", f"{API}/node/enrol", headers, enrolment.as_bytes(), ANSWER_SECONDS, whole=True)
    try:
        with closing(Connections(way)) as connections, connections.asking(asked) as response:
            answer = whole_answer(url, response, ANSWER_LIMIT_BYTES)
    except Cut as error:
        running = "; is it running?" if isinstance(error.why, ConnectionRefusedError | TimeoutError) else ""
        raise Unreachable(f"no hub answers at {url}: {why_silent(error, url)}{running}") from error
    try:
        if response.is_success:
            return Enrolled.model_validate_json(answer)
        raise NotPermitted(Problem.model_validate_json(answer).message)
    except ValidationError as error:
        raise Unreachable(f"{url} answered something that is no Rapha hub's answer") from error
