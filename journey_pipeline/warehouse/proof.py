"""What a comparison has proven, kept beside the warehouse so that the next one looks only at what is new.

A set of keys is told by its size and the sum of its keys' hashes: a key that is missing, there twice or another one
changes the sum. Files whose keys' sum is known are told by their contents, and not looked at again. A proof that is
lost or of no use costs time and nothing else. Not here: what is compared (`equality.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from journey_pipeline.lake.atomic import write_bytes
from journey_pipeline.lake.layout import Lake
from journey_pipeline.lake.signature import Signature
from journey_pipeline.warehouse.intake import events
from journey_pipeline.warehouse.inventory import events_path
from journey_pipeline.warehouse.loaded import KEY, FileKey

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
    """What was proven once.

    Attributes:
        contents: The events files, as `contents_of` gives them.
        lake: The keys of all of them, each once.
        warehouse: The file that held exactly those.
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
    """What the loaded files contain, as proofs have it: half a digest tells files apart as well as a whole one."""
    ((contents,),) = session.execute(f"select string_agg({_CONTENT}, ' ') from internal.files").fetchall()
    return frozenset((contents or "").split())


def is_union(
    session: duckdb.DuckDBPyConnection, lake: Lake, contents: frozenset[str], proof: Proof | None, held: KeySet
) -> bool:
    """Whether the warehouse holds exactly the keys of the loaded events files, each once.

    Args:
        session: On the warehouse.
        lake: Where the files lie.
        contents: What they contain.
        proof: What is known already; of use while its files are among these.
        held: The keys that the warehouse holds.
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
    known = [key for key in set(_files(session, "", [])) - set(added) if (key.connection, key.stream) in streams]
    if not known:
        return False
    # Read with few keys to look for, however many the files are that are known.
    both = _distinct(session, f"from (select event_key from {_read(lake, known)}) semi join {coming} using (event_key)")
    return held - inside == proof.lake - both


def _files(session: duckdb.DuckDBPyConnection, where: str, parameters: list[object]) -> list[FileKey]:
    rows = session.execute(f"select {KEY} from internal.files {where}", parameters).fetchall()
    return [FileKey(*row) for row in rows]


def keys_of(session: duckdb.DuckDBPyConnection, relation: str) -> KeySet:
    """The keys of a relation's rows, repeated ones as often as they are there."""
    rows = session.execute(f"select count(*), coalesce(sum(hash(event_key)::hugeint), 0) from {relation}").fetchall()
    return KeySet(*rows[0])


def _distinct(session: duckdb.DuckDBPyConnection, rows: str) -> KeySet:
    return keys_of(session, f"(select distinct event_key {rows})")


def _read(lake: Lake, files: Iterable[FileKey]) -> str:
    return events(events_path(lake, key) for key in sorted(files))
