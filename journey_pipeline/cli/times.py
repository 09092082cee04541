"""Times on the command line: ISO 8601, UTC where no offset is given.

Not here: windows and partitions (`model.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime

import click


def time(text: str) -> datetime:
    """An instant in UTC from `2026-11-01`, `2026-11-01T05`, `2026-11-01T05:00`, or with an offset.

    Raises:
        click.BadParameter: If it is none; says how to write one.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no time; write 2026-11-01, 2026-11-01T05:00 or 2026-11-01T05:00+02:00"
        ) from None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
