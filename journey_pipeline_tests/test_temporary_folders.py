"""Folders of temporary files, those of killed processes too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from journey_pipeline.files import temporary_folder

HOLDER = """
import sys
from pathlib import Path
from journey_pipeline.files import temporary_folder
with temporary_folder("journey-", Path(sys.argv[1])) as folder:
    (folder / "answer").write_text("half of it")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_gone_after_its_block(tmp_path: Path) -> None:
    with temporary_folder("journey-", tmp_path) as folder:
        (folder / "answer").write_text("all of it")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_a_killed_process_is_removed_by_the_next_one_and_a_live_ones_is_not(tmp_path: Path) -> None:
    (tmp_path / "journey-notes").mkdir()  # a person's
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        held = Path(process.stdout.readline().strip())
        with temporary_folder("journey-", tmp_path) as beside:
            assert (held / "answer").read_text() == "half of it"
            assert beside != held
        process.kill()
        process.wait()
        with temporary_folder("journey-", tmp_path) as after:
            assert {folder.name for folder in tmp_path.iterdir()} == {"journey-notes", after.name}
