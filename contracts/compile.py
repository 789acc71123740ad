"""Compile the contracts again: `python contracts/compile.py`. Needs npm; users need neither, the result is committed.

The compiler is npm's `solc` at one version, the libraries are npm's `@openzeppelin/contracts` at one. The artefact holds the abi, the
bytecode, what compiled it, the SHA-256 of the source and that of every library file which went in.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOLC = "0.8.37"
OPENZEPPELIN = "5.7.0"
EVM = "paris"
"""The oldest rules of the chains that are meant: no instruction that some of them lack."""
ARTEFACTS = HERE.parent / "src" / "rapha" / "hub" / "anchors"
CONTRACTS = {name: ARTEFACTS / f"{name}.json" for name in ("RaphaAnchor", "RaphaEscrow")}

SCRIPT = """
const solc = require('solc'), fs = require('fs');
const asked = fs.readFileSync(0, 'utf8'), libraries = {};
const found = path => ({contents: libraries[path] = fs.readFileSync('node_modules/' + path, 'utf8')});
const answer = JSON.parse(solc.compile(asked, {import: found}));
process.stdout.write(JSON.stringify({version: solc.version(), answer, libraries}));
"""


def install(folder: Path) -> bool:
    """The pinned compiler and libraries into this folder; False where npm is not there or cannot fetch them."""
    wanted = [f"solc@{SOLC}", f"@openzeppelin/contracts@{OPENZEPPELIN}"]
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", *wanted]
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=300).returncode == 0
    except FileNotFoundError:
        return False


def artefact(name: str, folder: Path, source: bytes | None = None) -> bytes:
    """The artefact of one contract, compiled with what `install` put into `folder`. Raises SystemExit on an error or warning.

    `source`: instead of the file's own, for tests that break it; warnings do not count then.
    """
    broken, source = source is not None, source or (HERE / f"{name}.sol").read_bytes()
    wanted = {"*": {"*": ["abi", "evm.bytecode.object"]}}
    settings = {"optimizer": {"enabled": True, "runs": 200}, "evmVersion": EVM, "outputSelection": wanted}
    asked = {"language": "Solidity", "sources": {f"{name}.sol": {"content": source.decode()}}, "settings": settings}
    done = subprocess.run(
        ["node", "-e", SCRIPT], cwd=folder, input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    faults = [each for each in found["answer"].get("errors", ()) if not broken or each["severity"] == "error"]
    if faults:
        raise SystemExit("\n".join(fault["formattedMessage"] for fault in faults))
    contract = found["answer"]["contracts"][f"{name}.sol"][name]
    made: dict[str, Any] = {
        "abi": contract["abi"],
        "bytecode": "0x" + contract["evm"]["bytecode"]["object"],
        "compiler": f"solc {found['version']}, evm {EVM}, optimizer 200",
        "source": f"sha256:{hashlib.sha256(source).hexdigest()}",
    }
    if found["libraries"]:
        made["compiler"] += f", @openzeppelin/contracts {OPENZEPPELIN}"
        made["libraries"] = {
            path: f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" for path, text in found["libraries"].items()
        }
    return (json.dumps(made, indent=2, sort_keys=True) + "\n").encode()


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        if not install(Path(folder)):
            print(f"error: npm could not install solc {SOLC}", file=sys.stderr)
            return 1
        for name, path in CONTRACTS.items():
            path.write_bytes(artefact(name, Path(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
