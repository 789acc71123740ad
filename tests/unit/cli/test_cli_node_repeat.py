"""`rapha node reexecute`, what it signs, and what `rapha receipt verify` makes of it."""

from pathlib import Path

import pytest
from receipt_samples import folder, payload_of, pinned
from record_samples import AT, private_key, transcript, trusted
from repeatable_run import trained_each
from typer.testing import CliRunner

from rapha.cli import node
from rapha.cli import receipt as receipt_commands
from rapha.errors import RaphaError
from rapha.node.configuration import UGLY, NodeConfiguration, write_configuration
from rapha.node.steward_keys import make_key
from rapha.proof.envelope import seal
from rapha.proof.repeat import signed_repeat
from rapha.proof.statement import site_statement
from rapha.records.release import Release
from rapha.records.wire import TrustedKey

WORDS = "correct horse"


def said(*words: object, given: str = "") -> tuple[int, str]:
    group, *rest = words
    app = {"node": node.app, "receipt": receipt_commands.app}[str(group)]
    result = CliRunner().invoke(app, [str(word) for word in rest], input=given, env={"COLUMNS": "200"})
    if result.exception and not isinstance(result.exception, SystemExit | RaphaError):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    place.mkdir()
    configuration = NodeConfiguration(
        site="north", name="North", hub_url="http://localhost:1", hub="hub", hub_key="-", sandbox=UGLY
    )
    write_configuration(place / "node.yaml", configuration)
    return place


def receipt_of(release: Release, file: Path) -> Path:
    files = {"model.safetensors": release.weights, f"metrics/{release.site}.json": release.metrics}
    file.write_bytes(seal(site_statement(release, files, "0" * 32, AT), private_key("north")).as_bytes())
    return file


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, Release]]:
    """An honest run, and one whose learning rate was doubled at step 3."""
    top = tmp_path_factory.mktemp("runs")
    claims = trained_each([(top / "honest", "", 1), (top / "faster", "faster-3", 1)])
    return [(top / name, claim.release) for name, claim in zip(("honest", "faster"), claims, strict=True)]


def test_a_run_that_is_the_same_is_said_and_signed(
    tmp_path: Path, home: Path, runs: list[tuple[Path, Release]]
) -> None:
    run, release = runs[0]
    receipt = receipt_of(release, tmp_path / "receipt.json")
    make_key(tmp_path / "second.pem", WORDS)
    code, output = said(
        "node", "reexecute", receipt, "--run", run, "--home", home, "--keep", tmp_path / "second",
        "--key", tmp_path / "second.pem", "-o", tmp_path / "word.json", given=f"{WORDS}\n",
    )  # fmt: skip
    assert code == 0, output
    assert "SAME: every waypoint" in output
    printed = TrustedKey.from_bytes(output[output.index('{"keyid"') : output.rindex("}") + 1].encode())
    assert (printed.owner, printed.role) == ("north", "repeater")
    assert printed.keyid in (tmp_path / "word.json").read_text()
    code, output = said(
        "node", "referee", run / "transcript", tmp_path / "second", "--run", run, "--home", home
    )  # fmt: skip
    assert (code, output) == (0, "BOTH: they are the same, to the last waypoint.")


def test_a_run_that_is_another_names_the_step_and_signs_nothing(
    tmp_path: Path, home: Path, runs: list[tuple[Path, Release]]
) -> None:
    run, release = runs[1]
    receipt = receipt_of(release, tmp_path / "receipt.json")
    make_key(tmp_path / "second.pem", WORDS)
    code, output = said(
        "node", "reexecute", receipt, "--run", run, "--home", home, "--key", tmp_path / "second.pem",
        "-o", tmp_path / "word.json", given=f"{WORDS}\n",
    )  # fmt: skip
    assert code == 11, output
    assert "NOT THE SAME: a waypoint of round 1 is another: at step 3, in weights" in output
    assert not (tmp_path / "word.json").exists()


def test_verify_says_t1_where_the_second_machine_is_pinned(tmp_path: Path) -> None:
    files = folder()
    for path, data in files.items():
        (tmp_path / "model" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / path).write_bytes(data)
    stated = transcript("north")
    payload = payload_of(files, "receipts/north.json")
    word = signed_repeat(payload, stated.root, stated.waypoints, AT, private_key("second"))
    (tmp_path / "word.json").write_bytes(word.as_bytes())
    second = trusted("second").model_copy(update={"owner": "north", "role": "repeater"})
    known = pinned()
    known = known.model_copy(update={"keys": (*known.keys, second)})
    (tmp_path / "keys.json").write_bytes(known.as_bytes())
    words = ("receipt", "verify", tmp_path / "model", "--repeated", tmp_path / "word.json")
    code, output = said(*words, "--keys", tmp_path / "keys.json")
    assert code == 0, output
    assert "receipts/north.json holds (tier T1)" in output
    assert "receipts/south.json holds (tier T0)" in output
    assert "independent of the hospital" in output
    code, output = said(*words)
    assert code == 11
    assert "no keys are pinned" in output
