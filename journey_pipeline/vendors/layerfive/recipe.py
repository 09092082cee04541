"""How customer journeys become events: made for each connection, since each declares its own fields.

Not here: asking for them (`customer_journeys.py`), which field is which (`mapping.py`), reading them (`reader.py`),
running the SQL (`lake/`).
"""

from __future__ import annotations

from pathlib import Path

from journey_pipeline.model import Recipe
from journey_pipeline.vendors.layerfive.columns import COLUMNS, CONSTANTS
from journey_pipeline.vendors.layerfive.mapping import MappingSettings
from journey_pipeline.vendors.layerfive.reader import JourneyReader

STREAM = "customer_journeys"
_FOLDER = Path(__file__).parent


def customer_journeys_recipe(settings: MappingSettings) -> Recipe:
    """The recipe of a connection.

    It names no column that must be in every file: an answer with no record has none, and one whose records lack a time
    or a person is refused by the reader, which can say what there is instead.
    """
    sql = (_FOLDER / "customer_journeys.sql").read_text(encoding="utf-8")
    return Recipe(
        stream=STREAM,
        sql=sql.replace("{timezone}", settings.timezone),
        columns=(*COLUMNS, *CONSTANTS),
        key_columns=(),
        codes={name: _FOLDER / "codes" / f"{name}.csv" for name in ("channels", "actions")},
        reader=JourneyReader(settings),
        filled={"contact_id": "contact_id", "vendor_action": "vendor_action"},
    )
