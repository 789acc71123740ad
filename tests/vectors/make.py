"""Write the golden files: `python tests/vectors/make.py`. Do so when a format changes on purpose, and read the diff."""

import json
import shutil
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "simulators"))

import anchor_samples
import device_samples
import escrow_samples
import evidence_samples
import gpu_samples
import key_change_samples
import receipt_samples
import record_samples
import stamp_samples
import tdx_samples
from evidence_faults import EVIDENCE_FAULTS
from freeze_faults import ASKED_FOR, FREEZE_FAULTS
from reader_faults import READER_FAULTS
from receipt_faults import FAULTS
from refusal_faults import REFUSAL_FAULTS
from study_faults import STOPPED_EARLY, STUDY_FAULTS
from window_faults import ENDED_LATER, WINDOW_FAULTS

HERE = Path(__file__).resolve().parent
FOLDERS = (
    "records",
    "receipts",
    "devices",
    "anchors",
    "escrow",
    "evidence",
    "evidence-tdx",
    "evidence-devices",
    "key-changes",
    "stamps",
)
ALL_FAULTS = {
    **FAULTS,
    **REFUSAL_FAULTS,
    **FREEZE_FAULTS,
    **WINDOW_FAULTS,
    **EVIDENCE_FAULTS,
    **READER_FAULTS,
    **STUDY_FAULTS,
}


def expected() -> dict[str, bytes]:
    """Path below this folder -> bytes of every golden file."""
    files: dict[str, bytes] = {}
    digests = {}
    for name, record in record_samples.samples().items():
        files[f"records/{name}.json"] = record.as_bytes()
        digests[name] = record.digest
    files["records/digests.json"] = _readable(digests)
    folders = {"good": receipt_samples.folder(), "refused": receipt_samples.folder(receipt_samples.ONE_REFUSES)}
    folders["best-round"] = receipt_samples.folder(receipt_samples.BEST_ROUND)
    folders["stopped-early"] = receipt_samples.folder(STOPPED_EARLY)
    folders |= {
        name: receipt_samples.folder(fault)
        for name, fault in {
            **receipt_samples.IN_MODE,
            **receipt_samples.OTHERS,
            **ENDED_LATER,
            **ASKED_FOR,
            **ALL_FAULTS,
        }.items()
    }
    for name, folder in folders.items():
        files |= {f"receipts/{name}/{path}": data for path, data in folder.items()}
    files["receipts/expected.json"] = _readable(
        {name: {"receipt": fault.receipt, "step": fault.step} for name, fault in ALL_FAULTS.items()}
    )
    files |= {f"devices/device-{name}.json": _readable(value) for name, value in device_samples.files().items()}
    files |= {f"anchors/{name}.json": _readable(value) for name, value in anchor_samples.files().items()}
    files |= {f"stamps/{name}.json": _readable(value) for name, value in stamp_samples.files().items()}
    files |= {f"escrow/{name}.json": _readable(value) for name, value in escrow_samples.files().items()}
    files |= {f"key-changes/{name}.json": data for name, data in key_change_samples.files().items()}
    files["key-changes/expected.json"] = _readable(key_change_samples.expected())
    files |= {f"evidence/{name}.json": _readable(value) for name, value in evidence_samples.files().items()}
    files |= {f"evidence-tdx/{name}.json": _readable(value) for name, value in tdx_samples.files().items()}
    files |= {f"evidence-devices/{name}.json": _readable(value) for name, value in gpu_samples.files().items()}
    files["receipts/pinned.json"] = receipt_samples.pinned().as_bytes()
    return files


def _readable(value: object) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def main() -> None:
    for name in FOLDERS:
        shutil.rmtree(HERE / name, ignore_errors=True)
    for path, data in expected().items():
        (HERE / path).parent.mkdir(parents=True, exist_ok=True)
        (HERE / path).write_bytes(data)


if __name__ == "__main__":
    main()
