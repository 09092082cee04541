"""What this project uses of Dagster 1.13 that Dagster says may still change.

Checks per partition (preview), backfill policies, automation sensors and the references that a Component's YAML gets
to its own lines (beta). The versions are pinned to one minor for that reason.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg


@contextmanager
def accepted_previews() -> Iterator[None]:
    """Silences Dagster's notes that these may still change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        yield
