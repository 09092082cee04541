"""The page of one journey, and how a journey is found by what a person calls it.

Not here: the plots (`sankey.py`, `funnel.py`, `over_time.py`), all journeys (`index.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import Any

from journey_pipeline import __version__
from journey_pipeline.errors import ConfigError
from journey_pipeline.report.funnel import funnel, sides
from journey_pipeline.report.over_time import daily, hours
from journey_pipeline.report.over_time import days as days_strip
from journey_pipeline.report.page import Page
from journey_pipeline.report.part import Answered, Part, ask, label
from journey_pipeline.report.sankey import sankey
from journey_pipeline.warehouse.questions import Published

STEPS = "Steps reached"
_MOST_NEAR = 3
_EMAILS = (
    "Filed under the day of sending. Empty where the vendor does not tell. Of those that are not ripe, of the last "
    "7 days, opens and clicks are still to come."
)


@dataclass(frozen=True, slots=True)
class Span:
    """Which days of entry a page is about, and the time zone of its hours; without a bound all days."""

    first: date | None = None
    last: date | None = None
    timezone: str = "UTC"

    @property
    def values(self) -> dict[str, str]:
        """The values for the questions' places."""
        return {
            "first": str(self.first or "-infinity"),
            "last": str(self.last or "infinity"),
            "timezone": self.timezone,
        }


@dataclass(frozen=True, slots=True)
class Journey:
    """A journey over all its versions."""

    connection: str
    root: str
    name: str

    def called(self) -> set[str]:
        """What a person may call it."""
        names = {self.root, self.name, " ".join(self.name.split())}
        return names | {f"{self.connection}/{name}" for name in names}


def check_published(published: Published, span: Span) -> None:
    """Refuses a file that an earlier version published, and a time zone that DuckDB does not know.

    Raises:
        ConfigError: If it is one; names time zones that look like it.
    """
    timezone = span.timezone
    if not published.has("internal.told_ends"):
        raise ConfigError("an earlier version published the file; `journey-pipeline sync` publishes it anew.")
    known = [name for (name,) in published.ask("select name from pg_timezone_names()")[1]]
    if timezone not in known:
        raise ConfigError(
            f"{timezone!r} is no time zone{_near(timezone, known)}. Write one as Europe/Stockholm or UTC."
        )


def known_journeys(published: Published) -> list[Journey]:
    """All journeys, with the name of the newest version."""
    return [Journey(row["connection"], row["root"], row["name"] or row["root"]) for row in ask(published, "names", {})]


def find_journey(journeys: Sequence[Journey], wanted: str) -> Journey:
    """The journey of this name or root id, with or without `CONNECTION/` before it.

    Raises:
        ConfigError: If there is none, or several; names them.
    """
    found = [journey for journey in journeys if wanted in journey.called()]
    if not found:
        raise ConfigError(
            f"no journey is called {label(wanted)!r}{_near(wanted, [journey.name for journey in journeys])}. "
            "`journey-pipeline report` lists all."
        )
    if len(found) > 1:
        which = ", ".join(f"{one.connection}/{one.root}" for one in found[:10])
        raise ConfigError(f"{len(found)} journeys are called {label(wanted)!r}. Give one of them as: {which}.")
    return found[0]


def _near(wanted: str, names: Sequence[str]) -> str:
    lower = {name.lower(): name for name in names}
    found = get_close_matches(wanted.lower(), lower, _MOST_NEAR, cutoff=0.5)
    found += [name for name in lower if wanted.lower() in name and name not in found]
    near = [repr(label(lower[name])) for name in found[:_MOST_NEAR]]
    return f"; near: {', '.join(near)}" if near else ""


def journey_page(published: Published, journey: Journey, span: Span) -> Page:
    """The page of a journey."""
    values = {"connection": journey.connection, "root": journey.root, **span.values}
    (totals,) = ask(published, "totals", values)
    reach = ask(published, "reach", values)
    versions = ask(published, "versions", values)
    return Page(
        title=label(journey.name),
        head=[f"{journey.connection}, {journey.root}.", _versions(versions), *_dates(span, versions), *_reach(reach)],
        wrong=[
            f"Incomplete: {row['stream']} lacks {row['hours_missing']:,} hours between its first and last."
            for row in reach
            if row["hours_missing"]
        ],
        figures=_figures(totals),
        parts=_parts(published, values),
        foot=f"Made by journey_pipeline {__version__} from the published warehouse. Tests are left out. Days are UTC.",
    )


def _figures(totals: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    def share(part: str) -> str:
        return f"{totals[part] / totals['entered']:.1%}" if totals["entered"] and totals[part] is not None else "-"

    def told(part: str, says: str = "") -> str:
        return "" if totals[part] is None else f"{totals[part]:,} {says}".strip()

    finished = [f"{share('finished')} of those" if totals["finished"] is not None else "", told("failed", "failed")]
    return [
        ("Entered", f"{totals['entered']:,}", told("refused", "were refused")),
        ("Open", f"{totals['open']:,}", f"{totals['entered_and_open']:,} of those who entered"),
        ("Finished", told("finished") or "-", "; ".join(filter(None, finished))),
        ("Goal rate", share("reached_goal"), told("reached_goal", "reached the goal")),
    ]


def _parts(published: Published, values: Mapping[str, str]) -> list[Part]:
    def asked(name: str) -> Answered:
        return ask(published, name, values)

    moves, steps, days, clock = asked("moves"), asked("funnel"), asked("daily"), asked("hours")
    emails, failures, loaded = asked("emails"), asked("failures"), asked("days")
    compared = {
        "Two versions": ("The two newest that people entered; percent of the entries of each.", asked("two_versions")),
        "Two variants": (
            "The most frequent outcomes of the busiest split; percent of the enrolments with each outcome.",
            asked("two_variants"),
        ),
    }
    known = "Enrolments whose entry is known and that were let in."
    return [
        Part("Flow", f"From step to step, and how it ended. {known}", moves, sankey(moves)),
        Part(STEPS, f"In the journey's order. {known}", steps, funnel(steps)),
        *(
            Part(title, says, answered, sides(answered))
            for title, (says, answered) in compared.items()
            if answered.rows
        ),
        Part("By day of entry", "Enrolments that entered on a day, and how they stand now.", days, daily(days)),
        Part("E-mails", _EMAILS if emails.rows else "None.", emails),
        Part(
            "By weekday and hour",
            f"In the time zone {values['timezone']}.",
            clock,
            hours(clock, values["timezone"]),
        ),
        Part(
            "Failures by code",
            "What failed, was held back, bounced or was refused." if failures.rows else "None.",
            failures,
        ),
        Part("Completeness", "Hours loaded of each UTC day, by stream of the connection.", loaded, days_strip(loaded)),
    ]


def _versions(versions: Answered) -> str:
    numbers = [str(row["version"]) for row in versions if row["version"] is not None]
    several = "Version" if len(numbers) == 1 else "Versions"
    return f"{several} {', '.join(numbers)}." if numbers else "The vendor lists no versions."


def _dates(span: Span, versions: Answered) -> list[str]:
    rows = list(versions)
    chosen = f"Chosen: from {span.first or 'the first day'} to {span.last or 'the last day'}, excluded. "
    chosen = chosen if span.first or span.last else ""
    if not rows:
        return [f"{chosen}Nothing entered on these days."]
    first, last = min(row["first_day"] for row in rows), max(row["last_day"] for row in rows)
    return [f"{chosen}Entries from {first} to {last}."]


def _reach(reach: Answered) -> list[str]:
    told = "; ".join(f"{row['stream']} from {row['since']} to {row['until']}" for row in reach)
    return [f"Data, UTC: {told}."] if told else []
