"""`journey-pipeline doctor`: checks what a load needs.

Not here: what each vendor checks (`vendors/`).
"""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from journey_pipeline.cli.configured import configured
from journey_pipeline.cli.output import notes, plain_table, results, route_logs
from journey_pipeline.connections.project import named, select
from journey_pipeline.errors import ConfigError, JourneyError, LakeError, LedgerError, WarehouseError, text_of
from journey_pipeline.exports.database import is_there, open_ledger
from journey_pipeline.exports.turns import listed
from journey_pipeline.files import refusal, write_bytes
from journey_pipeline.lake.emptied import LEDGER_GONE, emptied
from journey_pipeline.lake.layout import Lake
from journey_pipeline.loading.plan import State, survey
from journey_pipeline.model import Window, floor
from journey_pipeline.settings import (
    HOME_VARIABLE,
    LINK_KEY_VARIABLE,
    PUBLISHED_VARIABLE,
    home,
    ledger_url,
    make_home,
    utc_now,
)
from journey_pipeline.transport.retry import one_try
from journey_pipeline.vendors.source import Stream
from journey_pipeline.warehouse.publish import look_at_files
from journey_pipeline.warehouse.stream_figures import stream_figures

NEWEST = 48  # partitions of each stream
CALL_S = 6.0  # a load waits longer for an answer


@dataclass(frozen=True, slots=True)
class Warns:
    """A warning: loads work, and a person should read it."""

    says: str


def doctor(connection: str | None) -> None:
    """Check configuration, credentials, connections and files."""
    route_logs(notes)
    chosen = configured()
    if connection:
        chosen = [named(chosen, connection)]
    apart = [] if connection else [one for one in chosen if one.why_not_configured()]
    table = plain_table("what", "", "says", text=("says",))
    well = True
    lake = Lake(home())
    loaded = _loaded(lake)
    with one_try(CALL_S), ThreadPoolExecutor() as pool:  # with all vendors down, one wait for all of them
        asked = [(one.connection, pool.submit(one.check).result) for one in chosen if one not in apart]
    checks: list[tuple[str, Callable[[], Mapping[str, str | Warns]]]] = [
        ("home", _home),
        ("ledger", _ledger),
        ("warehouse", lambda: look_at_files(lake)),
        *((str(stream.key), partial(_newest, lake, stream, loaded)) for _, stream in select(chosen, None)),
        *asked,
    ]
    for name, check in checks:
        try:
            said = check()
        except JourneyError as error:
            well = False
            table.add_row(name, "[red]fails[/red]", error.message if isinstance(error, ConfigError) else str(error))
        except OSError as error:
            well = False
            table.add_row(name, "[red]fails[/red]", refusal(error, lake.home))
        else:
            for what, answer in said.items():
                how, says = (
                    ("[yellow]warns[/yellow]", answer.says)
                    if isinstance(answer, Warns)
                    else ("[green]ok[/green]", answer)
                )
                table.add_row(f"{name} {what}", how, says)
    for one in apart:
        table.add_row(one.connection, "[dim]not set[/dim]", one.why_not_configured())
    results.show(table)
    sys.exit(0 if well else 1)


def _home() -> dict[str, str | Warns]:
    folder = make_home()
    try:
        write_bytes(folder / ".writable", b"")
        (folder / ".writable").unlink()
    except OSError as error:
        raise JourneyError(
            f"{folder} can't be written ({text_of(error)}). Set {HOME_VARIABLE} to a writable folder."
        ) from error
    return {"": f"{folder} is writable", "rights": _rights(folder)}


def _ledger() -> dict[str, str | Warns]:
    if not is_there(ledger_url()):
        if Lake(home()).export_listing.exists():
            raise LedgerError(f"{LEDGER_GONE}.")
        return {"": "no export was ordered so far"}
    with open_ledger(ledger_url()) as ledger:
        found = listed(ledger, with_ended=True)
    said: dict[str, str | Warns] = {"": f"{len(found):,} exports in it"}
    if unreadable := sum(export.has_unreadable_address for export in found):
        says = (
            f"the addresses of {unreadable:,} exports can't be decrypted, so they are ordered again when due. To keep "
            f"them, append the key that encrypted them to {LINK_KEY_VARIABLE}, with a comma between"
        )
        said["key"] = Warns(says)
    return said


def _loaded(lake: Lake) -> frozenset[str]:
    """The streams that the published file knows; none if it can't be read, which the check `warehouse` says."""
    try:
        return frozenset(stream_figures(lake))
    except WarehouseError:
        return frozenset()


def _newest(lake: Lake, stream: Stream, loaded: Collection[str]) -> dict[str, str]:
    """The manifests of a stream's newest partitions, and the files that they name."""
    if str(stream.key) in loaded and (says := emptied(lake, stream.key)):
        raise LakeError(f"{says}.")
    now = utc_now()
    end = floor(now, stream.granularity)
    start = max(stream.start, end - NEWEST * stream.granularity.duration)
    if start >= end:
        return {"": "its first partition has not ended yet"}
    # What is dropped today is of today, which has not ended.
    found = survey(lake, stream, Window(start, end + stream.granularity.duration), now)
    if found.damage:
        raise LakeError("; ".join(found.damage.values()))
    landed = len(found.windows(State.COMPLETE, State.LANDED))
    newest = landed + len(found.windows(State.MISSING, State.EXPIRED))
    if not newest:
        return {"": "no file was dropped lately"}
    return {"": f"of the newest {newest} partitions {landed} have landed, undamaged"}


def _rights(folder: Path) -> str | Warns:
    """Whether other users can read the home, which holds personal data."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not mode & stat.S_IRWXO:
        return "closed to other users"
    return Warns(
        f"every user of this machine can read it (mode {mode:o}), and it holds personal data. "
        f"Run `chmod 700 {folder}`. To give analysts only the warehouse, set {PUBLISHED_VARIABLE}"
    )
