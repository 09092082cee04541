"""How a stream's landed files and a vendor's lists become tables: given by a vendor, run by `normalize/`.

Not here: the columns of an event (`model.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from journey_pipeline.model import EVENT_COLUMNS

if TYPE_CHECKING:  # it brings Arrow along, which the command line does not need in order to say what it can do
    from journey_pipeline.formats.records import AttributeReader, RecordReader


@dataclass(frozen=True, slots=True)
class Twin:
    """Another stream of the same connection that reports some of the same events in more detail.

    Two events with the same value of a property, the same channel and the same action are one event. Marts count it in
    the twin. The twin has no twin itself.

    Attributes:
        stream: The other stream.
        property: The name of the linking property in `properties` of both streams.
        channel: The channel of the events that both report.
    """

    stream: str
    property: str
    channel: str


@dataclass(frozen=True, slots=True)
class AttributeColumns:
    """Attributes of people that stand in columns of every record: of a file, a person's last record counts.

    Attributes:
        version: Says how they are read; those that another one read are read anew.
        person: The column with the person's key.
        pattern: Columns whose names fit it are attributes; its first group is the attribute's id.
        names: Gives the attributes' names for people, by id, out of what else the vendor answered; the newest first.
        masked: Attributes of which a value with `*` in it is hidden, and counts as none.
    """

    version: str
    person: str
    pattern: str
    names: Callable[[Sequence[Mapping[str, Any]]], Mapping[str, str]]
    masked: tuple[str, ...] = ()


class Population(NamedTuple):
    """What all people in a file have in common, as far as it is known.

    Attributes:
        population: By what they were filtered, such as `enter`.
    """

    exported_at: datetime
    journey_id: str | None = None
    population: str | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class People:
    """Records that each tell of a person, and of no event. The SQL gives the person as `contact_id`.

    `properties` are the person's attributes by their ids; a value that is null says that there is none. Of an
    attribute that several files tell, the file counts that was exported last.

    Attributes:
        version: Says how they are read; those that another one read are read anew.
        names: Gives the attributes' names for people, by id, out of what else the vendor answered; the newest first.
        population: Gives what an answer's people have in common, out of what was said with it.
        masked: Attributes of which a value with `*` in it is hidden, and counts as none.
    """

    version: str
    names: Callable[[Sequence[Mapping[str, Any]]], Mapping[str, str]]
    population: Callable[[Mapping[str, Any]], Population]
    masked: tuple[str, ...] = ()


RULES = 2  # raised when normalizing decides otherwise about events, so that partitions are made again


def no_file(_: Sequence[str]) -> bool:
    """False: no file tells of people alone."""
    return False


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a stream's landed files become events: given by a vendor, run by the lake.

    Attributes:
        stream: The stream it is for.
        sql: One SELECT over the relation `landing`. There every column of `columns` is VARCHAR (NULL where the file
            left it out or the field was empty), `properties` is JSON, and `lineage` says where the record lies. It
            gives the canonical columns that depend on the record (`occurred_at` to `properties` without
            `occurred_on`), `lineage` as it came, and besides:
            `key_fields` VARCHAR[], the natural key in order, NULLs kept; `key_is_content` BOOLEAN, true where
            the record has no id and identical records of one file are told apart by an ordinal; `reject_reason`
            VARCHAR, NULL where the record could be typed. No joins, windows or sorts: it runs record by record.
        columns: Every column known of the vendor's file, in the vendor's spelling.
        key_columns: The columns that must be in every file.
        codes: Tables in which the SQL looks codes up, by name, each a CSV file with a header line. The first column
            is the code, in lower case, or a pattern with `*` for anything; the first pattern that fits counts, and
            before it the very code. `name(code)` is the row's other columns as a STRUCT, or NULL. Where the first
            column has the name of an event column, that column's values are counted as unknown codes if the table
            lacks them, case aside.
        decoded: Event columns whose values come out of a column of the same name of a code table, and that table.
            Values that it lacks are counted as unknown codes.
        properties: The columns that `landing.properties` carries on as they are: name there, column in the file.
            Columns that the recipe does not know join them under their own names. NULLs are left out.
        property_groups: Objects in `landing.properties`, by name there: a pattern, and the columns whose names fit it
            are in the object, each under the pattern's first group. Such columns are known. Without a name it is
            `landing.properties` itself.
        elsewhere: A pattern; columns whose names fit it are known and read elsewhere, as attributes of people are: they
            are in no properties.
        last_of: A known column; of each of its values a file's last record is wanted, and a source that finds it by
            itself leaves out the others.
        format: Of the vendor's file. A Parquet file is read where it lies. `any`:
            of each file, as its name says.
        windows_of_arrival: Whether windows may mean arrival: an event is outside only if both of its times are.
        repeats_are_usual: Whether the vendor sends events again as a rule; only how events are made depends on it.
        reader: Reads the vendor's file, if it is JSON. Then `properties` and what is unknown are its affair. Without it
            JSON is flat objects, whose members are read as the columns of a CSV.
        records_at: What the connection says of where the records of a file are; a file whose records were counted by
            another word is counted anew.
        twin: The stream in which marts count events that both report, if there is one.
        named: Gives a file's columns the names that the recipe knows, where a vendor has several layouts.
        of_people: Whether a file, by its columns, tells of people alone. Attributes are read from such files where
            there are any, and the e-mail addresses in them are joined to the events.
        turns_alternate: Whether a person is in a journey once at a time, so that enters and exits take turns.
        numbers: Event columns of ids that files may have as floating-point numbers: rounded ones are counted.
        filled: Event columns that no event of the stream should lack, and the column of `landing` each is read from.
    """

    stream: str
    sql: str
    columns: tuple[str, ...]
    key_columns: tuple[str, ...]
    codes: Mapping[str, Path] = field(default_factory=dict)
    decoded: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    property_groups: Mapping[str, str] = field(default_factory=dict)
    elsewhere: str = ""
    last_of: str = ""
    format: Literal["csv", "json", "parquet", "any"] = "csv"
    reader: RecordReader | None = None
    records_at: Mapping[str, str] = field(default_factory=dict)
    windows_of_arrival: bool = False
    repeats_are_usual: bool = False
    named: Callable[[Sequence[str]], Sequence[str]] | None = None
    of_people: Callable[[Sequence[str]], bool] = no_file
    turns_alternate: bool = False
    twin: Twin | None = None
    attributes: AttributeReader | AttributeColumns | People | None = None
    numbers: tuple[str, ...] = ()
    filled: Mapping[str, str] = field(default_factory=dict)

    def format_of(self, name: str) -> str:
        """The format of a landed file by its name, such as `part-0.csv.gz`."""
        return name.removesuffix(".gz").rpartition(".")[2] if self.format == "any" else self.format

    @property
    def extension(self) -> str:
        """The extension of landed files: text lies as gzip, and a reader of Parquet seeks."""
        return self.format if self.format == "parquet" else f"{self.format}.gz"

    @property
    def digest(self) -> str:
        """A digest of everything that decides what a landing becomes, so that a change of it is seen."""
        parts = {
            "rules": RULES,
            "events": [(column.name, column.type) for column in EVENT_COLUMNS],
            "sql": self.sql,
            "columns": self.columns,
            "key_columns": self.key_columns,
            "properties": list(self.properties.items()),
            "codes": {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in self.codes.items()},
            "delimiter": ",",  # of every CSV; the digests of what has landed hold it
            **({"decoded": list(self.decoded.items())} if self.decoded else {}),
            **({"property_groups": list(self.property_groups.items())} if self.property_groups else {}),
            **({"elsewhere": self.elsewhere} if self.elsewhere else {}),
            **({"reader": self.reader.version} if self.reader else {}),
            **({"attributes": self.attributes.version} if self.attributes else {}),
            **({"twin": asdict(self.twin)} if self.twin else {}),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class DimensionRecipe:
    """How landed pages of a vendor's list become one dimension.

    Attributes:
        name: The dimension, such as `journeys`.
        sql: One SELECT over the relation `pages` (`body` JSON, one page a row; `seen_at` TIMESTAMPTZ), without
            `vendor`, `connection`, `first_seen_at` and `last_seen_at`, which the lake adds.
        key: The columns that tell its rows apart, besides `connection`.
    """

    name: str
    sql: str
    key: tuple[str, ...]

    @classmethod
    def read(cls, file: Path, *key: str) -> DimensionRecipe:
        """The recipe whose SQL a file holds, under the file's name."""
        return cls(file.stem, file.read_text(encoding="utf-8"), key)
