"""The claim that the warehouse equals the lake, checked on the files themselves.

The result of a comparison is kept beside the warehouse, so that the next one looks only at what is new. Not here:
making them equal (`sync.py`), how the claim is shown (`components/`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import duckdb

from journey_pipeline.errors import WarehouseError
from journey_pipeline.files import Signature, signature, write_bytes
from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import (
    WarehouseSettings,
    naming_failures,
    reading,
    warehouse_file,
    writer_lock,
)
from journey_pipeline.warehouse.file_checks import events
from journey_pipeline.warehouse.inventory import BrokenFile, Inventory, Listing, events_path, take_inventory
from journey_pipeline.warehouse.loaded import KEY, FileKey, Loaded

# Hashes are of one version of DuckDB, and sums of one way to make them.
_HASHES = f"2-{duckdb.__version__}"
_CONTENT = "left(events_sha256, 32)"


@dataclass(frozen=True, slots=True)
class KeySet:
    """A set of keys, or a multiset that should be one: how many, and the sum of their hashes."""

    keys: int
    hashes: int

    def __sub__(self, other: KeySet) -> KeySet:
        return KeySet(self.keys - other.keys, self.hashes - other.hashes)


@dataclass(frozen=True, slots=True)
class Proof:
    """Results of an earlier comparison.

    Attributes:
        contents: The events files, as `contents_of` gives them.
        lake: The keys of all of them, each once.
    """

    contents: frozenset[str]
    lake: KeySet
    warehouse: Signature | None

    def write(self, path: Path) -> None:
        """Keeps it, where the disk allows."""
        contents = " ".join(sorted(self.contents))
        content = {"of": _HASHES, "contents": contents, "lake": asdict(self.lake), "warehouse": self.warehouse}
        with suppress(OSError):  # the next comparison then takes longer
            write_bytes(path, json.dumps(content).encode())

    @classmethod
    def read(cls, path: Path) -> Proof | None:
        """The proof that was kept, if it can be used."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            content = json.loads(path.read_bytes())
            if content["of"] == _HASHES:
                was = content["warehouse"]
                contents = frozenset(content["contents"].split())
                return cls(contents, KeySet(**content["lake"]), (was[0], was[1], was[2]) if was else None)
        return None


def contents_of(session: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The contents of the loaded files, as proofs have them: half a digest tells files apart as well as a whole one."""
    ((contents,),) = session.execute(f"select string_agg({_CONTENT}, ' ') from internal.files").fetchall()
    return frozenset((contents or "").split())


def is_union(
    session: duckdb.DuckDBPyConnection, lake: Lake, contents: frozenset[str], proof: Proof | None, held: KeySet
) -> bool:
    """Whether the warehouse holds exactly the keys of the loaded events files, each once.

    Args:
        proof: What is known already; of use while its files are among these.
    """
    if proof is None or not proof.contents <= contents:
        proof = Proof(frozenset(), KeySet(0, 0), None)
    added = _files(session, f"where {_CONTENT} in (select unnest(?))", [sorted(contents - proof.contents)])
    if not added:
        return held == proof.lake
    coming = _read(lake, added)
    fresh = _distinct(session, f"from {coming}")
    if not proof.contents:
        return held == fresh
    inside = keys_of(session, f"(from core.journey_events semi join {coming} using (event_key))")
    if inside != fresh:
        return False
    # The rest holds no key of the new files. If its sum is that of the known files, no new file has a key of theirs.
    if held - inside == proof.lake:
        return True
    # Otherwise the files of the same streams tell which keys both have: no file of another one has such a key.
    streams = {(key.connection, key.stream) for key in added}
    known = [key for key in set(_files(session)) - set(added) if (key.connection, key.stream) in streams]
    if not known:
        return False
    # Read with few keys to look for, however many the files are that are known.
    both = _distinct(session, f"from (select event_key from {_read(lake, known)}) semi join {coming} using (event_key)")
    return held - inside == proof.lake - both


def _files(session: duckdb.DuckDBPyConnection, where: str = "", parameters: Sequence[object] = ()) -> list[FileKey]:
    rows = session.execute(f"select {KEY} from internal.files {where}", list(parameters)).fetchall()
    return [FileKey(*row) for row in rows]


def keys_of(session: duckdb.DuckDBPyConnection, relation: str) -> KeySet:
    """The keys of a relation's rows, repeated ones as often as they are there."""
    rows = session.execute(f"select count(*), coalesce(sum(hash(event_key)::hugeint), 0) from {relation}").fetchall()
    return KeySet(*rows[0])


def _distinct(session: duckdb.DuckDBPyConnection, rows: str) -> KeySet:
    return keys_of(session, f"(select distinct event_key {rows})")


def _read(lake: Lake, files: Iterable[FileKey]) -> str:
    return events(events_path(lake, key) for key in sorted(files))


_HEAL = "run `journey-pipeline rebuild`"
_RETURN = "restore them, or run `journey-pipeline sync`; to remove many of them, add `--remove`"
_NAMED = 3
_DEFAULTS = WarehouseSettings()


@dataclass(frozen=True, slots=True)
class EqualityReport:
    """How warehouse and lake compare; paths and partitions are named as `connection/stream/partition`.

    Attributes:
        partitions: Events files in the lake that can be read.
        not_loaded: Partitions whose file is new or another than the loaded one.
        extra: Partitions that the warehouse has events of, or a note of, and the lake does not.
        miscounted: Partitions of which the warehouse has another number of events than it should.
        missing_keys: Keys of the lake that the warehouse lacks.
        repeated_keys: Events too many, because another one has their key.
        broken: Files of the lake that can't be used.
        under_way: Partitions that changed while it compared, or since the sync looked. Nothing else is said of them.
        seconds: In all, without waiting for a writer.
    """

    partitions: int
    events: int
    not_loaded: tuple[str, ...]
    extra: tuple[str, ...]
    miscounted: tuple[str, ...]
    missing_keys: int
    repeated_keys: int
    broken: tuple[BrokenFile, ...]
    seconds: float
    under_way: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether the claim holds."""
        return not self.problems

    @property
    def problems(self) -> list[str]:
        """The differences, a sentence each, with what to do; it names the first partitions."""
        found = [
            _problem(self.not_loaded, "not loaded as they are in the lake", "run `journey-pipeline sync`"),
            _problem(self.extra, "in the warehouse and not in the lake", _RETURN),
            _problem(self.miscounted, "with a wrong number of events", _HEAL),
            f"{self.missing_keys} events of the lake are not in the warehouse; {_HEAL}" if self.missing_keys else "",
            f"{self.repeated_keys} events are there more than once; {_HEAL}" if self.repeated_keys else "",
            *(str(broken) for broken in self.broken),
        ]
        return [problem for problem in found if problem]

    def without(self, under_way: Collection[FileKey]) -> EqualityReport:
        """The same without partitions that changed meanwhile."""
        left_out = _names(under_way)
        return replace(
            self,
            not_loaded=tuple(name for name in self.not_loaded if name not in left_out),
            extra=tuple(name for name in self.extra if name not in left_out),
            broken=tuple(file for file in self.broken if file.partition not in left_out),
            under_way=left_out,
        )


def compare_with_lake(
    lake: Lake, settings: WarehouseSettings = _DEFAULTS, listing: Listing | None = None
) -> EqualityReport:
    """Checks that every manifest of the lake is loaded, every key of the lake there once, and nothing else.

    Counts each partition's events in the warehouse, and compares the warehouse's keys with the lake's. A load may land
    meanwhile: partitions of which a file changed since the listing are left out. Files that an earlier comparison has
    proven are not read again, nor is a warehouse that was not written since. Single keys are looked for only where
    something differs.

    Args:
        lake: Where the files lie. Files whose manifest is the loaded one are not hashed again.
        listing: The files that a sync has just looked at: with many partitions, looking again takes most of the time.

    Raises:
        WarehouseError: If there is no warehouse, it can't be read, or another process keeps writing.
    """
    if not warehouse_file(lake).exists():
        raise WarehouseError("there is no warehouse to compare yet; run `journey-pipeline sync` first.")
    attempt = naming_failures("comparing the warehouse with the lake", "run `journey-pipeline rebuild`")
    with writer_lock(lake, settings.lock_wait_s):
        begun = time.perf_counter()
        file = warehouse_file(lake)
        with attempt, reading(lake, file, settings.memory, settings.threads) as session:
            return _compare(session, lake, listing or Listing.take(lake), begun)


def proof_file(lake: Lake) -> Path:
    """Where the last proof is kept."""
    return lake.home / "warehouse.proof.json"


def _problem(partitions: tuple[str, ...], what: str, heal: str) -> str:
    names = ", ".join(partitions[:_NAMED]) + (", ..." if len(partitions) > _NAMED else "")
    return f"{len(partitions)} partitions are {what}: {names}; {heal}" if partitions else ""


def _compare(session: duckdb.DuckDBPyConnection, lake: Lake, listing: Listing, begun: float) -> EqualityReport:
    loaded = Loaded.read(session)
    inventory = take_inventory(lake, loaded, listing)
    contents, proof = contents_of(session), Proof.read(proof_file(lake))
    now = signature(warehouse_file(lake))
    is_as_loaded = not (inventory.fresh or inventory.restated or inventory.removed or inventory.broken)
    if is_as_loaded and proof and (proof.contents, proof.warehouse) == (contents, now):
        return _report(loaded, inventory, _Counted(proof.lake), _Keys(), begun)
    counted = _count(session)
    is_proven = _is_union(session, lake, contents, proof, counted.held) if is_as_loaded else None
    # Where not all files can be read, those are that lost rows to others: only their keys may be missing unnoticed.
    broken = {file.path for file in inventory.broken}
    lost = [key for key in _files(session, "where loaded < events") if key not in inventory.removed]
    losing = [key for key in lost if lake.relative(events_path(lake, key)) not in broken]
    sought = losing if is_proven is None else loaded.keys
    keys = _Keys() if is_proven else _search_unchanged(session, lake, listing, sought)
    report = _report(loaded, inventory, counted, keys, begun)
    if report.is_equal and is_proven:
        Proof(contents, counted.held, now).write(proof_file(lake))
    return report if is_proven and report.is_equal else report.without(listing.changed_since(lake))


@dataclass(frozen=True, slots=True)
class _Counted:
    """The events in the warehouse: the keys of all of them, and the partitions that have another number than noted."""

    held: KeySet
    miscounted: tuple[FileKey, ...] = ()
    unknown: tuple[FileKey, ...] = ()


@dataclass(frozen=True, slots=True)
class _Keys:
    """How many keys are wrong."""

    missing: int = 0
    repeated: int = 0


def _report(loaded: Loaded, inventory: Inventory, counted: _Counted, keys: _Keys, begun: float) -> EqualityReport:
    return EqualityReport(
        partitions=len(loaded) - len(inventory.removed) + len(inventory.added),
        events=counted.held.keys,
        not_loaded=_names(found.key for found in [*inventory.fresh, *inventory.restated]),
        extra=_names([*inventory.removed, *counted.unknown]),
        miscounted=_names(counted.miscounted),
        missing_keys=keys.missing,
        repeated_keys=keys.repeated,
        broken=tuple(inventory.broken),
        seconds=time.perf_counter() - begun,
    )


def _count(session: duckdb.DuckDBPyConnection) -> _Counted:
    session.execute(f"""
        create or replace temp table counted as
        select
            {KEY},
            count(*) as events,
            sum(hash(event_key)::hugeint) as hashes
        from core.journey_events
        group by all
    """)
    ((events, hashes),) = session.execute(
        "select coalesce(sum(events), 0)::bigint, coalesce(sum(hashes), 0)::hugeint from counted"
    ).fetchall()
    wrong = session.execute(f"""
        select
            {KEY},
            loaded is not null as is_known
        from counted
        full join internal.files using ({KEY})
        where coalesce(counted.events, 0) is distinct from loaded
    """).fetchall()
    miscounted, unknown = (tuple(FileKey(*row[:3]) for row in wrong if row[3] is known) for known in (True, False))
    return _Counted(KeySet(events, hashes), miscounted, unknown)


def _is_union(
    session: duckdb.DuckDBPyConnection, lake: Lake, contents: frozenset[str], proof: Proof | None, held: KeySet
) -> bool | None:
    """Whether the warehouse holds the lake's keys; None if a file can't be read (normalizing notices and heals it)."""
    try:
        return is_union(session, lake, contents, proof, held)
    except duckdb.Error:
        return None


def _search_unchanged(
    session: duckdb.DuckDBPyConnection, lake: Lake, listing: Listing, files: Iterable[FileKey]
) -> _Keys:
    """Looks for the keys of files that are as they were listed; once more if some were replaced meanwhile."""
    changed = listing.changed_since(lake)
    while True:
        sought, was = [key for key in files if key not in changed], changed
        try:
            found = _search(session, lake, sought)
        except duckdb.Error:
            if was == (changed := listing.changed_since(lake)):
                raise
            continue
        changed = listing.changed_since(lake)
        if was == changed or not found.missing:
            return found


def _search(session: duckdb.DuckDBPyConnection, lake: Lake, files: Iterable[FileKey]) -> _Keys:
    present = [path for key in files if (path := events_path(lake, key)).exists()]
    return _Keys(_missing(session, present), _repeated(session))


def _repeated(session: duckdb.DuckDBPyConnection) -> int:
    rows = session.execute("""
        select coalesce(sum(times - 1), 0)::bigint
        from (
            select count(*) as times
            from core.journey_events
            group by event_key
            having count(*) > 1
        )
    """).fetchall()
    return int(rows[0][0])


def _missing(session: duckdb.DuckDBPyConnection, files: list[Path]) -> int:
    if not files:
        return 0
    rows = session.execute(
        f"select count(distinct event_key) from {events(files)} anti join core.journey_events using (event_key)"
    ).fetchall()
    return int(rows[0][0])


def _names(keys: Iterable[FileKey]) -> tuple[str, ...]:
    return tuple(sorted(f"{key.connection}/{key.stream}/{key.partition}" for key in keys))
