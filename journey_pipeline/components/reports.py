"""The asset of reports: a page about each busy journey, each day, and about any journey on request.

Not here: what is on a page (`report/`).
"""

import base64
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from journey_pipeline.components.schedules import REPORTS, Ticks, daily
from journey_pipeline.components.translator import DOES, Told, Translator
from journey_pipeline.errors import JourneyError
from journey_pipeline.lake.layout import Lake
from journey_pipeline.report.index import ask_journeys
from journey_pipeline.report.journey import Span
from journey_pipeline.report.write import Written, write_index, write_journeys
from journey_pipeline.settings import home, report_timezone, utc_now
from journey_pipeline.warehouse.questions import Published, published

TRAFFIC = timedelta(days=7)
REPORTS_ASSET = Told("reports", name="pages")  # unlike any table: a translation may keep the name alone


class ReportConfig(dg.Config):
    """Settings of one run."""

    journeys: list[str] = Field(
        default_factory=list,
        description="Journeys as `journey-pipeline report` takes them; by default those that were entered lately.",
    )
    most: int = Field(default=25, ge=1, description="Most journeys of a run without a list, the busiest first.")


def report_definitions(translator: Translator, marts: Sequence[dg.AssetKey]) -> dg.Definitions:
    """The asset and the schedule that makes it."""
    spec = translator.spec(
        REPORTS_ASSET,
        deps=marts,
        description=f"Pages of journeys that people entered in the last {TRAFFIC.days} days, and of all journeys.",
    )

    @dg.multi_asset(name="reports", specs=[spec])
    def reports(config: ReportConfig) -> dg.MaterializeResult[Any]:
        lake, span = Lake(home()), Span(timezone=report_timezone())
        try:
            with published(lake) as warehouse:
                index = write_index(warehouse, span, lake.home)
                wanted = config.journeys or _with_traffic(warehouse, config.most)
                written = write_journeys(warehouse, wanted, span, lake.home)
        except JourneyError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        return dg.MaterializeResult(
            asset_key=spec.key,
            metadata={
                "index": dg.MetadataValue.path(str(index)),
                "pages": len(written),
                "funnels": dg.MetadataValue.md("\n\n".join(map(_shown, written)) or "No journey was entered lately."),
            },
        )

    does, written = "Writes the pages of journeys that people entered lately.", dg.AssetSelection.assets(spec.key)
    job = dg.define_asset_job("reports_write", selection=written, description=does, tags={DOES: "write"})
    return dg.Definitions(
        assets=[reports], jobs=[job], schedules=[daily("reports_daily", REPORTS, Ticks(), does, job=job)]
    )


def _with_traffic(warehouse: Published, most: int) -> list[str]:
    since = Span(first=(utc_now() - TRAFFIC).date())
    busy = [row for row in ask_journeys(warehouse, since) if row["entered"]][:most]
    return [f"{row['connection']}/{row['root']}" for row in busy]


def _shown(written: Written) -> str:
    """Where a page is, and its funnel. Names in the thumbnail are text of an image, in which no script runs."""
    image = base64.b64encode(written.thumbnail.encode()).decode()
    return f"`{written.file}`\n\n![Steps reached](data:image/svg+xml;base64,{image})"
