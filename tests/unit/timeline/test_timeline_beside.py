"""What was spilled is taken away by whoever comes next, and never from under somebody who still reads."""

import subprocess
import sys
from pathlib import Path

from rapha.timeline.beside import drop_spill, spill_folder


def folders(timeline: Path) -> set[Path]:
    return set(timeline.iterdir())


def test_a_folder_is_ones_own_until_it_is_dropped(tmp_path: Path) -> None:
    (first, held), (second, other) = spill_folder(tmp_path), spill_folder(tmp_path)
    assert folders(tmp_path) == {first, second} and first.stat().st_mode & 0o77 == 0
    drop_spill(first, held)
    assert folders(tmp_path) == {second}
    drop_spill(second, other)
    assert folders(tmp_path) == set()


def test_what_an_ended_process_left_goes_with_the_next(tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys; from rapha.timeline.beside import spill_folder\n"
        "folder, held = spill_folder(pathlib.Path(sys.argv[1])); (folder / 'rows').write_text('4711')\n"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    (left,) = folders(tmp_path)
    assert (left / "rows").exists()
    mine, held = spill_folder(tmp_path)
    assert folders(tmp_path) == {mine}
    drop_spill(mine, held)


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "rows").write_text("mine")
    timeline = tmp_path / "timeline"
    timeline.mkdir()
    (timeline / ".asked-link").symlink_to(kept)
    drop_spill(*spill_folder(timeline))
    assert (kept / "rows").exists()
