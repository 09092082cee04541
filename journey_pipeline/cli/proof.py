"""`journey-pipeline proof`: each partition from the vendor's estimate to the warehouse, as HTML and CSV.

The figures are those of the manifests in the lake, of the published warehouse, and of the comparison of the two. Not
here: the page (`report/proof.py`), the state of a partition (`loading/plan.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from journey_pipeline.cli.configured import configured
from journey_pipeline.cli.output import notes, results
from journey_pipeline.connections.connection import Connection
from journey_pipeline.connections.project import select
from journey_pipeline.errors import ConfigError, LakeError, WarehouseError
from journey_pipeline.files import naming_disk_troubles, write_bytes
from journey_pipeline.lake.landing import read_holder
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.manifest import EventsManifest, LandingManifest
from journey_pipeline.loading.partition import made_events
from journey_pipeline.loading.plan import State, Survey, survey, whole_span
from journey_pipeline.model import Window
from journey_pipeline.report.page import html
from journey_pipeline.report.proof import Line, Proof, proof_csv, proof_page
from journey_pipeline.report.write import FOLDER
from journey_pipeline.settings import home, local_path, utc_now
from journey_pipeline.vendors.source import Stream
from journey_pipeline.warehouse.equality import compare_with_lake
from journey_pipeline.warehouse.questions import Published, published

_LOADED = (
    "select connection || '/' || stream, partition_key, loaded, events from ops.partitions where covered_by is null"
)
_COUNTED = "select connection || '/' || stream, count(*) from core.journey_events group by all"
_LANDED = (State.COMPLETE, State.LANDED)
_LIMITS = (
    ("all", "Events that the vendor adds after its last answer are here only after it is asked again."),
    ("all", "A partition that has not landed is listed as missing from `missing_after_hours` after its end."),
    ("all", "Rejected records are kept with their raw text in `ops.rejects`. They are no events, and in no mart."),
)
Loaded = dict[tuple[str, str], tuple[int, int]]


def proof(selector: str | None, start: datetime | None, end: datetime | None, out: str | None) -> None:
    """Show what each partition became, and what is missing."""
    lake, now = Lake(home()), utc_now()
    place = local_path(out, "--out") if out else lake.home / FOLDER / "proof.html"
    chosen = select(configured(), selector)
    with published(lake) as warehouse:
        loaded = {(stream, key): (own, events) for stream, key, own, events in warehouse.ask(_LOADED)[1]}
        surveys = [found for which in chosen if (found := _survey(lake, *which, now, start=start, end=end))]
        if not surveys:
            raise ConfigError("no partition of this span is due, so there is nothing to prove. Widen --from and --to.")
        lines = [line for found in surveys for line in _lines(lake, found, loaded)]
        disagreements = list(_disagreements(lake, warehouse, loaded, [str(one.stream.key) for one in surveys]))
    limits = [*_LIMITS, *(limit for found in surveys for limit in _limits(found))]
    made = Proof(lines, disagreements, limits, f"{now:%Y-%m-%d %H:%M}")
    with naming_disk_troubles("writing the proof", place.parent, "--out"):
        write_bytes(place, html(proof_page(made)).encode())
        write_bytes(place.with_suffix(".csv"), proof_csv(made).encode())
    for said in disagreements:
        notes.say(said, style="red")
    unsound = sum(not line.is_sound for line in lines)
    results.say(f"{len(lines):,} partitions, {unsound:,} of them missing or in disagreement")
    results.say(f"{place}\n{place.with_suffix('.csv')}")
    sys.exit(0 if made.holds else 1)


def _survey(
    lake: Lake, connection: Connection, stream: Stream, now: datetime, *, start: datetime | None, end: datetime | None
) -> Survey | None:
    """The partitions of a stream that are due; without `start` from the first that landed."""
    whole = whole_span(stream, now)
    if whole is None:
        return None
    first, last = max(start or whole.start, whole.start), min(end or whole.end, whole.end)
    if first >= last:
        return None
    found = survey(lake, stream, Window(first, last), now, connection.load_settings)
    landed = found.windows(*_LANDED)
    oldest = landed[0].start if start is None and landed else first
    # The next load may be about to bring those, as it is for `status` and the check `no_partition_is_missing`.
    late = now - timedelta(hours=connection.missing_after_hours)
    states = {
        window: state
        for window, state in found.states.items()
        if window.start >= oldest and (window.end <= late or state not in {State.MISSING, State.FUTURE})
    }
    return replace(found, states=states) if states else None


def _lines(lake: Lake, found: Survey, loaded: Loaded) -> Iterator[Line]:
    for window, state in found.states.items():
        line = Line(str(found.stream.key), window.partition, state.value)
        if state in _LANDED:
            line = _of_landed(lake, found.stream, line, loaded)
        elif state is State.MISSING:
            line = replace(line, hours_left=round(found.expires_in(window) / timedelta(hours=1), 1))
        says = [found.damage.get(window, ""), line.says]
        says += [f"{claim.name}: {claim.says}" for claim in found.red.get(window, ())]
        yield replace(line, says="; ".join(filter(None, says)))


def _of_landed(lake: Lake, stream: Stream, line: Line, loaded: Loaded) -> Line:
    try:
        holder = read_holder(lake, stream.key, line.partition)
        events = made_events(lake, stream, line.partition)
    except LakeError as error:
        return replace(line, says=str(error))
    if holder is None or events is None:
        return replace(line, says="its events are not made yet")
    if holder.partition != line.partition:
        return replace(line, covered_by=holder.partition)
    own, known = loaded.get((line.stream, line.partition), (0, -1))
    if known != events.events.rows:
        line = replace(line, says="the published warehouse has another file of it: run `journey-pipeline sync`")
    return _with_figures(line, holder, events, own)


def _with_figures(line: Line, holder: LandingManifest, events: EventsManifest, own: int) -> Line:
    rejected = events.rejects.rows if events.rejects else 0
    kept = events.kept_events + events.kept_rejects
    typed = events.events.rows + events.people + rejected + events.duplicates
    files = [f"{one.attempt}/{file.name}:{file.sha256}" for one in holder.active for file in one.files]
    return replace(
        line,
        estimate=events.estimate_rows,
        landed=events.landed,
        kept=kept,
        events=events.events.rows,
        people=events.people,
        rejected=rejected,
        repeated=events.duplicates,
        difference=events.landed + kept - typed,
        in_warehouse=own,
        from_others=events.events.rows - own,
        landed_at=f"{events.landed_at:%Y-%m-%d %H:%M:%S}",
        checksums=" ".join(files),
    )


def _disagreements(lake: Lake, warehouse: Published, loaded: Loaded, streams: list[str]) -> Iterator[str]:
    """Totals that should agree: the warehouse's partitions with its events, and the warehouse with the lake."""
    counted = dict(warehouse.ask(_COUNTED)[1])
    for stream in streams:
        events = sum(own for (of, _), (own, _) in loaded.items() if of == stream)
        if events != counted.get(stream, 0):
            yield (
                f"{stream}: the warehouse has {counted.get(stream, 0):,} events, and its partitions say {events:,}. "
                "Run `journey-pipeline rebuild`."
            )
    try:
        equality = compare_with_lake(lake)
    except WarehouseError as error:
        yield f"Warehouse and lake could not be compared: {error}"
        return
    yield from (f"{problem}." for problem in equality.problems)
    yield from (f"{broken}" for broken in equality.broken)
    if equality.events != sum(counted.values()):
        yield (
            f"The lake has {equality.events:,} events, the published warehouse {sum(counted.values()):,}. Run "
            "`journey-pipeline publish`."
        )


def _limits(found: Survey) -> Iterator[tuple[str, str]]:
    name, stream = str(found.stream.key), found.stream
    if stream.asks_vendor:
        days = stream.retention / timedelta(days=1)
        yield name, f"The vendor keeps a partition for {days:,.0f} days. What expired before it landed is lost."
    if gone := len(found.windows(State.EXPIRED)):
        yield name, f"{gone:,} partitions expired and never landed."
    yield from ((name, f"An answer may come without {what}: {why}") for what, why in stream.lacks.items())
    if "estimate" not in stream.lacks:
        yield name, "The estimate is the vendor's own figure, as it was when asked. Later events are not in it."
