"""What a comparison has proven, kept beside the warehouse so that the next one looks only at what is new.

A set of keys is told by its size and the sum of its keys' hashes: a key that is missing, there twice or another one
changes the sum. The sum over the lake's files needs no look at the files that it is known of. A proof that is lost or
of no use costs time and nothing else. Not here: what is compared (`equality.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import duckdb

from journey_pipeline.lake.atomic import write_bytes
from journey_pipeline.warehouse.intake import parquet
from journey_pipeline.warehouse.inventory import Signature

# Hashes are of one version of DuckDB, and sums of one way to make them.
_HASHES = f"1-{duckdb.__version__}"


@dataclass(frozen=True, slots=True)
class KeySet:
    """A set of keys, or a multiset that should be one: how many, and the sum of their hashes."""

    keys: int
    hashes: int

    def __add__(self, other: KeySet) -> KeySet:
        return KeySet(self.keys + other.keys, self.hashes + other.hashes)

    def __sub__(self, other: KeySet) -> KeySet:
        return KeySet(self.keys - other.keys, self.hashes - other.hashes)


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proven once.

    Attributes:
        files: Digest of each events file, by its path below the home.
        lake: The keys of all of them, each once.
        warehouse: The file that held exactly those.
    """

    files: Mapping[str, str]
    lake: KeySet
    warehouse: Signature | None

    def write(self, path: Path) -> None:
        """Keeps it, where the disk allows."""
        content = json.dumps({"of": _HASHES} | asdict(self))
        with suppress(OSError):  # the next comparison then takes longer
            write_bytes(path, content.encode())

    @classmethod
    def read(cls, path: Path) -> Proof | None:
        """The proof that was kept, if it can be used."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(path.read_bytes())
            if content["of"] == _HASHES:
                was = content["warehouse"]
                return cls(content["files"], KeySet(**content["lake"]), (was[0], was[1], was[2]) if was else None)
        return None


def keys_of_lake(
    session: duckdb.DuckDBPyConnection, home: Path, files: Mapping[str, str], proof: Proof | None
) -> KeySet:
    """The keys of some events files, each once.

    Args:
        session: Any.
        home: What the paths are below of.
        files: Their digests by path.
        proof: What is known already; of use while its files are among these.
    """
    if proof is None or not proof.files.items() <= files.items():
        return _distinct(session, f"from {_read(home, files)}") if files else KeySet(0, 0)
    added = files.keys() - proof.files.keys()
    if not added:
        return proof.lake
    coming = _read(home, added)
    fresh = _distinct(session, f"from {coming}")
    if not proof.files:
        return fresh
    # Read with few keys to look for, however many the files are that are known.
    known = f"from (select event_key from {_read(home, proof.files)}) semi join {coming} using (event_key)"
    return proof.lake + fresh - _distinct(session, known)


def keys_of(session: duckdb.DuckDBPyConnection, relation: str) -> KeySet:
    """The keys of a relation's rows, repeated ones as often as they are there."""
    rows = session.execute(f"select count(*), coalesce(sum(hash(event_key)::hugeint), 0) from {relation}").fetchall()
    return KeySet(*rows[0])


def _distinct(session: duckdb.DuckDBPyConnection, rows: str) -> KeySet:
    return keys_of(session, f"(select distinct event_key {rows})")


def _read(home: Path, names: Mapping[str, str] | set[str]) -> str:
    return parquet(home / name for name in sorted(names))
