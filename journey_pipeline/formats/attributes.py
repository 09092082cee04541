"""What the lake asks of a vendor whose files say of people what they are, besides what happened to them.

Not here: which field is which attribute (`vendors/`), where they are kept (`lake/attributes.py`), the table of them
(`warehouse/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa


class AttributeReader(Protocol):
    """Reads the attributes out of the landed files of one stream; given by a vendor with its recipe.

    Attributes:
        version: Says how they are read; those that another one read are read anew.
        schema: The columns of `model.ATTRIBUTE_COLUMNS`, in that order.
    """

    version: str
    schema: pa.Schema

    def read(self, chunks: Iterable[bytes], answers: Sequence[Mapping[str, Any]]) -> Iterator[pa.RecordBatch]:
        """Reads a file; a row an attribute of a person, and of rows with one key the last one counts.

        The key is section_id, profile_key and attribute_id. Only a bounded number of rows is held at a time.

        Args:
            chunks: Its inflated bytes without byte order mark, in pieces of any size.
            answers: What else the vendor said when it landed, and then at the partition's landings before, the newest
                first, as the manifest keeps it.

        Raises:
            DocumentError: If the file is not whole, or no such file; the lake says which file.
        """
        ...
