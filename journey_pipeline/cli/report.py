"""`journey-pipeline report`: one journey, or the list of all, as an HTML page.

Not here: what is on the page (`report/`).
"""

from __future__ import annotations

import webbrowser
from datetime import datetime, timedelta
from pathlib import Path

from journey_pipeline.cli.output import results
from journey_pipeline.lake.layout import Lake
from journey_pipeline.report.journey import Span
from journey_pipeline.report.write import write_index, write_journeys
from journey_pipeline.settings import home, local_path, report_timezone
from journey_pipeline.warehouse.questions import published

_ALMOST_A_DAY = timedelta(days=1) - timedelta(microseconds=1)


def report(
    journey: str | None,
    start: datetime | None,
    end: datetime | None,
    timezone: str | None,
    out: str | None,
    *,
    shown: bool,
) -> None:
    """Write one journey, or the list of all, as an HTML page."""
    lake = Lake(home())
    last = (end + _ALMOST_A_DAY).date() if end else None
    span = Span(start.date() if start else None, last, timezone or report_timezone())
    place = local_path(out, "--out") if out else None
    with published(lake) as warehouse:
        if journey is None:
            file = write_index(warehouse, span, lake.home, place)
        else:
            file = write_journeys(warehouse, [journey], span, lake.home, place)[0].file
    results.say(str(file))
    if shown:
        webbrowser.open(Path(file).resolve().as_uri())
