"""The archives of a release, built from the project, and the wheel as a folder from which its package is imported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def build_source(folder: Path) -> Path:
    """Builds the source archive, and gives the folder in which it is unpacked."""
    subprocess.run(["tar", "--extract", "--file", str(_build("sdist", ROOT, folder))], cwd=folder, check=True)
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    return unpacked


def build_wheel(source: Path, folder: Path) -> Path:
    """Builds the wheel from the source archive alone."""
    return _build("wheel", source, folder)


def installed_wheel(folder: Path) -> Path:
    """Builds the wheel and installs it into a folder that PYTHONPATH can name; what it depends on is not in it."""
    wheel = build_wheel(build_source(folder / "source"), folder / "wheel")
    shutil.unpack_archive(wheel, folder / "installed", "zip")
    return folder / "installed"


def _build(target: str, project: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(folder)]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    (archive,) = (path for path in folder.iterdir() if path.is_file())
    return archive
