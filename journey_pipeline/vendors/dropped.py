"""The interface of streams whose files people drop in a folder: no vendor is asked for them.

Not here: the folder and the order of steps (`loading/intake.py`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from journey_pipeline.vendors.source import Source


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """What was found in a file that a person dropped.

    Attributes:
        exported_at: When it was made; it lands under this day.
        content_sha256: Of its content, inflated.
        about: What tells it from a file of the same content.
        answers: All that is needed to read it, as JSON; kept in the manifest.
        warnings: What a person should know of it; names no one.
    """

    exported_at: datetime
    content_sha256: str
    raw_bytes: int
    rows: int
    columns: tuple[str, ...]
    is_gzip: bool
    about: Mapping[str, Any]
    answers: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


class DropSource(Source):
    """A stream whose files people drop in a folder."""

    folder: Path

    @abstractmethod
    def digest_beside(self, beside: bytes | None) -> str | None:
        """The SHA-256 of a file that the document beside it tells; None if it tells none."""

    @abstractmethod
    def judge(
        self, file: Path, name: str, beside: bytes | None, *, dated: datetime, answers: Mapping[str, Any], now: datetime
    ) -> DroppedFile:
        """Reads a dropped file to its end, before anything of it lands.

        Args:
            name: The file's name when it was dropped.
            beside: The document beside it, if there is one.
            dated: When the file was last changed.
            answers: What the vendor last answered beside its files.

        Raises:
            ContractError: If it is no such file. Says why, and names no person.
        """
