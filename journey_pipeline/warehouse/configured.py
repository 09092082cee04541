"""Tables that settings make: views over values, made anew when a setting changes.

Not here: tables that files and SELECTs make (`schema.py`).
"""

from __future__ import annotations

import duckdb

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import Column
from journey_pipeline.settings import REPORT_TIMEZONE, REPORT_TIMEZONE_VARIABLE, report_timezone, touch_hours
from journey_pipeline.sql import literal
from journey_pipeline.warehouse.table import Table


def configured_tables() -> tuple[Table, ...]:
    """How long touches count, and the time zone of local days.

    Raises:
        ConfigError: If one of them is wrong.
    """
    return _touch_windows(), _report_timezone()


def _report_timezone() -> Table:
    zone = report_timezone()
    if zone != REPORT_TIMEZONE and not duckdb.execute("from pg_timezone_names() where name = ?", [zone]).fetchall():
        raise ConfigError(
            f"{REPORT_TIMEZONE_VARIABLE} is {zone!r}: it is no time zone. Write one as Europe/Stockholm or UTC."
        )
    return Table(
        "internal.report_timezone",
        "The time zone of local days in marts. One row. Key: timezone.",
        (Column("timezone", "VARCHAR", "Its name."),),
        f"select {literal(zone)} as timezone",
        is_view=True,
    )


def _touch_windows() -> Table:
    values = ", ".join(f"({literal(channel)}, {hours!r}::double)" for channel, hours in touch_hours().items())
    return Table(
        "internal.touch_windows",
        "How long a touch counts before a purchase. Grain: one row per channel. Key: channel.",
        (
            Column("channel", "VARCHAR", "The channel of the open or click."),
            Column("hours", "DOUBLE", "A purchase so many hours later is still ascribed to it."),
        ),
        f"select * from (values {values}) as windows(channel, hours)",
        is_view=True,
    )
