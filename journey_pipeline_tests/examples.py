"""On how many examples a property is tried: on few in a run of the suite, on more or fewer where `EXAMPLES` says so."""

from __future__ import annotations

import os

TIMES = float(os.environ.get("EXAMPLES") or 1)


def examples(few: int) -> int:
    """So many, or `EXAMPLES` times as many: `make properties N=20`, and a fifth of them in `make test-fast`."""
    return max(round(few * TIMES), 1)
