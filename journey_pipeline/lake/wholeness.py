"""Whether the landed parts still are the bytes that landed, and which answers are set aside because they are not.

Not here: when to look (`loading/plan.py`), what an unreadable answer means for its partition (`manifest.py`).
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from journey_pipeline.lake.landing import read_landing, set_aside
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import Attempt, LandedFile, LandingManifest
from journey_pipeline.model import StreamKey

log = logging.getLogger(__name__)


def damaged_parts(lake: Lake, landing: LandingManifest, *, by_content: bool = False) -> dict[str, str]:
    """Damaged parts of the attempts from which events are made.

    Args:
        by_content: Whether to hash each part, too; otherwise sizes are compared, at one `stat` a part.

    Returns:
        Of each damaged attempt, by its name: which file, and how.
    """
    found = {one.attempt: _damage(lake, landing, one, by_content=by_content) for one in landing.active}
    return {attempt: damage for attempt, damage in found.items() if damage}


def set_damaged_aside(lake: Lake, stream: StreamKey, partition: str, *, by_content: bool = False) -> dict[str, str]:
    """Sets the damaged attempts of a partition aside, and takes those back whose files are whole again.

    Args:
        by_content: As of `damaged_parts`.

    Returns:
        Which attempts were set aside now, and why.

    Raises:
        LakeError: If the landing manifest can't be understood.
    """
    landing = read_landing(lake, stream, partition)
    if landing is None:
        return {}
    damaged = {name: DAMAGED + damage for name, damage in damaged_parts(lake, landing, by_content=by_content).items()}
    put_back = [
        one.attempt
        for one in landing.set_aside
        if one.unreadable.startswith(DAMAGED) and not _damage(lake, landing, one, by_content=True)
    ]
    for name, reason in damaged.items():
        log.warning("%s %s: the answer %s is set aside: %s", stream, partition, name, reason)
    for name in put_back:
        log.warning("%s %s: the answer %s is whole again, and counts again", stream, partition, name)
    if damaged or put_back:
        set_aside(lake, stream, partition, {**damaged, **dict.fromkeys(put_back, "")})
    return damaged


def lost_answer(landing: LandingManifest | None) -> str:
    """Why a partition that has landed has no answer that can be read; empty if it has one, or never landed."""
    if landing is None or landing.active:
        return ""
    return landing.set_aside[-1].unreadable.removeprefix(DAMAGED) if landing.set_aside else ""


def _damage(lake: Lake, landing: LandingManifest, attempt: Attempt, *, by_content: bool) -> str:
    folder = lake.landing_dir(landing.key, landing.partition) / attempt.attempt
    found = (damage_of(folder / file.name, file, by_content=by_content) for file in attempt.files)
    return next(filter(None, found), "")


DAMAGED = "damaged: "
"""How the reason of an answer begins that is set aside for its bytes: it counts again once these are put back."""


def damage_of(path: Path, file: LandedFile, *, by_content: bool) -> str:
    """How a landed file differs from what its manifest says, with its path; empty if it does not.

    Args:
        file: What the manifest says of it.
        by_content: Whether to hash it, too; otherwise its size is compared, at one `stat`.
    """
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return f"{path} is missing"
    if size != file.bytes:
        return f"{path} has {size} of {file.bytes} bytes, other content than landed"
    if not by_content:
        return ""
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return "" if digest == file.sha256 else f"{path} has other content than landed"
