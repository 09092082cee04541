"""Checks of a vendor's Parquet file: its ends while it lands, then its footer.

Not here: its rows (`normalize/`).
"""

from __future__ import annotations

from pathlib import Path

from journey_pipeline.errors import ContractError, DamagedAnswerError, TransientVendorError
from journey_pipeline.formats.small_answers import PAGE_BYTES, foreign_form, told_of_page

_MARK = b"PAR1"


class ParquetInspector:
    """Checks one Parquet file and reads how many rows it has.

    Attributes:
        rows: Its rows; final once `look` has returned.
        columns: Its columns; likewise.
        nested: Those of them whose values hold others.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.columns: tuple[str, ...] = ()
        self.nested: tuple[str, ...] = ()
        self._start = b""
        self._end = b""

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece, cut anywhere.

        Raises:
            ContractError: If the file is another one from its first bytes on.
        """
        self._start += chunk[: PAGE_BYTES - len(self._start)]
        self._end = (self._end + chunk)[-len(_MARK) :]
        is_read = not self._is_page() or len(self._start) == PAGE_BYTES  # a page is read on for its message
        if is_read and not self._start.startswith(_MARK[: len(self._start)]):
            raise self._another()

    def finish(self, *, verified: bool) -> None:  # noqa: ARG002 - the file has an end of its own
        """Takes the end.

        Raises:
            ContractError: If it is no Parquet file.
            TransientVendorError: If it is cut.
        """
        if self._start and not self._start.startswith(_MARK):
            raise self._another()
        if self._end != _MARK or len(self._start) < 2 * len(_MARK):
            raise TransientVendorError("the Parquet file has no end of its own: it was cut off.")

    def look(self, file: Path) -> None:
        """Reads the file's own table of contents.

        Raises:
            DamagedAnswerError: If it can't be read: asked again, it may come whole.
        """
        import pyarrow as pa  # noqa: PLC0415 - few commands look into a file
        import pyarrow.parquet as pq  # noqa: PLC0415

        try:
            with pq.ParquetFile(file) as found:
                self.rows = found.metadata.num_rows
                self.columns = tuple(found.schema_arrow.names)
                self.nested = tuple(one.name for one in found.schema_arrow if pa.types.is_nested(one.type))
        except (pa.ArrowException, OSError):
            raise DamagedAnswerError("the Parquet file's table of contents can't be read: it is broken.") from None

    def _is_page(self) -> bool:
        return self._start.lstrip().startswith((b"<", b"{"))

    def _another(self) -> ContractError:
        page = told_of_page(self._start.lstrip()) if self._is_page() else "something else"
        form = foreign_form(self._start) or page
        return ContractError(
            f"{form} came in place of a Parquet file. If it does not say what is wrong, try again later and ask the "
            "vendor."
        )
