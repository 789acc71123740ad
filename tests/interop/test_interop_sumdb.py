"""Go's `sumdb/note` and `sumdb/tlog`, which know nothing of us, read our checkpoints, tiles and proofs."""

import base64
import copy
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from go_toolchain import go_cache, go_toolchain

from rapha.hub.log_keeper import LogKeeper
from rapha.proof.checkpoint import verifier_key
from rapha.proof.merkle import consistency_proof, inclusion_proof
from rapha.proof.tiles import TileReader

pytestmark = pytest.mark.slow
HERE = Path(__file__).resolve().parent
SIZES = (1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_800)
ORIGIN = "log.example/interop"
KEY = Ed25519PrivateKey.from_private_bytes(b"i" * 32)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checker, built with the toolchain of this machine, or with one in an environment of its own."""
    place = tmp_path_factory.mktemp("go")
    go = go_toolchain()
    if go is None:
        pytest.skip("there is no Go here, and none could be installed")
    environment = os.environ | {"GOCACHE": go_cache(), "GOFLAGS": "-mod=mod", "GOPATH": str(place / "path")}
    root = subprocess.run([go, "env", "GOROOT"], capture_output=True, text=True, check=True, env=environment).stdout
    sources = Path(root.strip()) / "src" / "cmd" / "vendor" / "golang.org" / "x" / "mod" / "sumdb"
    if not (sources / "tlog").is_dir():
        pytest.skip("this Go has not its own sumdb packages with it")
    for package in ("note", "tlog"):
        shutil.copytree(sources / package, place / "source" / package)
    shutil.copy(HERE / "sumdb.go", place / "source" / "main.go")
    (place / "source" / "go.mod").write_text("module rapha.test/interop\n\ngo 1.22\n")
    subprocess.run([go, "build", "-o", str(place / "sumdb"), "."], cwd=place / "source", check=True, env=environment)
    return place / "sumdb"


def entry(number: int) -> bytes:
    return b"entry %d" % number


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A log that grew, its checkpoint at each size, and proofs that we made."""
    keeper = LogKeeper(tmp_path_factory.mktemp("log"), ORIGIN, KEY, second=MLDSA44PrivateKey.generate())
    checkpoints, before = [], 0
    for size in SIZES:
        keeper.append([entry(n) for n in range(before, size)])
        node = TileReader(keeper.read, size).node
        inclusions = [
            {"index": n, "entry": encoded(entry(n)), "proof": [*map(encoded, inclusion_proof(n, size, node))]}
            for n in sorted({0, size // 3, size // 2, size - 1})
        ]
        consistency = [*map(encoded, consistency_proof(before, size, node))] if before else []
        note = keeper.checkpoint.as_bytes().decode()
        checkpoints.append({"note": note, "inclusions": inclusions, "consistency": consistency})
        before = size
    keeper.close()
    return {"folder": str(keeper.folder), "vkey": verifier_key(ORIGIN, KEY.public_key()), "checkpoints": checkpoints}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def said(program: Path, question: dict[str, Any]) -> str:
    done = subprocess.run([str(program)], input=json.dumps(question), capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.strip()


def test_it_accepts_our_log_at_every_size(program: Path, asked: dict[str, Any]) -> None:
    assert said(program, asked) == "ok"


def test_it_accepts_nothing_that_was_changed(program: Path, asked: dict[str, Any], tmp_path: Path) -> None:
    for change in (
        lambda last: last.update(note=last["note"].replace("\n65800\n", "\n65801\n")),
        lambda last: last["inclusions"][1].update(entry=encoded(b"another")),
        lambda last: last["inclusions"][1].update(index=7),
        lambda last: last["inclusions"][1]["proof"].reverse(),
        lambda last: last["consistency"].pop(),
        lambda last: last["consistency"].reverse(),
    ):
        question = copy.deepcopy(asked)
        change(question["checkpoints"][-1])
        assert said(program, question) != "ok"
    edited = shutil.copytree(asked["folder"], tmp_path / "log")
    tile = edited / "tile" / "2" / "000.p" / "1"
    tile.write_bytes(bytes(32))
    assert said(program, {**asked, "folder": str(edited)}) != "ok"
