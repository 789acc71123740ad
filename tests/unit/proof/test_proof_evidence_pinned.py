"""A root that is not the one that came with this version is no root."""

import json
from pathlib import Path

import pytest

from rapha.canonical import base64_text
from rapha.errors import ConfigurationError
from rapha.proof.evidence.nvidia.check import nvidia_root
from rapha.proof.evidence.pinned import pinned_root
from rapha.proof.evidence.tdx import check
from rapha.proof.evidence.tdx.check import intel_root


def test_a_root_that_was_changed_is_said(tmp_path: Path) -> None:
    stated = json.loads(check.ROOT_FILE.read_bytes()) | {"certificate": base64_text(nvidia_root())}
    assert intel_root() != nvidia_root()
    (tmp_path / "intel-root.json").write_text(json.dumps(stated))
    with pytest.raises(ConfigurationError, match=r"intel-root\.json was changed"):
        pinned_root(tmp_path / "intel-root.json")
