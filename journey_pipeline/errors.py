"""Every error of the project, grouped by what to do about it.

    JourneyError
      ConfigError                a person must change something
      VendorError                a vendor's answer; carries where it came from
        TransientVendorError     try again (later, if it says when)
          DamagedAnswerError     broken in its middle: no cut, so asking for less can't help
          NotSentError           no request left: the vendor did nothing
          RepeatedCutError       cut at the same byte twice: ask for less
        PermanentVendorError     don't try again
          ExportFailed           the vendor made no file of it
          ExportExpired          the vendor no longer has it
        ContractError            answered, but not as documented; the evidence is kept
      LedgerError                the ledger of exports can't be used, or not in this way
        ExportMovedOn            another process has changed the export meanwhile
      HistoryError               Dagster's own storage can't be used
      LakeError                  landing or events are not as the manifests say
      WarehouseError             the DuckDB warehouse can't be written or read

A message says what was attempted, what came back and what to do next. It never holds a secret, a
token, a signed address or a person's data.
"""

from __future__ import annotations


def text_of(error: BaseException) -> str:
    """The text of an error, or the operating system's text; if both are empty, the name of its class."""
    said = error.strerror if isinstance(error, OSError) else None
    return str(said or error).strip() or type(error).__name__


class JourneyError(Exception):
    """The root of all errors that the project raises on purpose.

    Attributes:
        of_connection: Whether settings, credentials, their rights or the vendor's host are at fault: every request of
            the connection fails alike. It is told once, nothing more is asked, and a command exits with 2.
    """

    of_connection = False

    def __str__(self) -> str:
        """Its message, never an empty one."""
        return super().__str__() or type(self).__name__


class ConfigError(JourneyError):
    """A setting, a variable or a command's argument is missing or wrong: a person must change it.

    Args:
        message: What is missing or wrong, and what to change.
        then: How to verify the change. `doctor` leaves it out, because it verifies by itself.
    """

    of_connection = True

    def __init__(self, message: str, *, then: str = "") -> None:
        super().__init__(f"{message} {then}" if then else message)
        self.message = message


class VendorError(JourneyError):
    """A vendor's answer stopped the work.

    Args:
        message: What was attempted, what came back, what to do next.
        vendor: The vendor's short name, such as `sfmc`.
        stream: The kind of record, where known.
        window: The window asked for, as text, where known.
        status: The HTTP status, or None if no answer came.
        retry_after_s: Seconds that the vendor asks to wait, if it says so. It is never cut: the caller waits
            that long or gives up.
    """

    def __init__(
        self,
        message: str,
        *,
        vendor: str | None = None,
        connection: str | None = None,
        stream: str | None = None,
        window: str | None = None,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.vendor = vendor
        self.connection = connection
        self.stream = stream
        self.window = window
        self.status = status
        self.retry_after_s = retry_after_s

    def followed_by(self, more: str, kind: type[VendorError] | None = None) -> VendorError:
        """The same error with a further sentence, as another kind if one is given."""
        error = (kind or type(self))(f"{self} {more}")
        vars(error).update(vars(self))
        return error


class TransientVendorError(VendorError):
    """Worth another try: an outage, a throttle, a cut-off body.

    Attributes:
        brought_more: Whether the try brought the work on, so that it is none of those made in vain.
    """

    brought_more = False


class DamagedAnswerError(TransientVendorError):
    """An answer arrived to its end and is broken in its middle: the transfer or the vendor damaged it.

    Worth another try, since a fault of the way passes. The same bytes again are a `ContractError`.
    """


class NotSentError(TransientVendorError):
    """No request was sent: no connection came about, or something that must come before it is not there."""


class RepeatedCutError(TransientVendorError):
    """An answer ended early twice at the same byte. Another try will fail too; smaller windows may succeed."""


class PermanentVendorError(VendorError):
    """Another try gives the same answer: wrong credentials, a missing scope, a wrong request."""


class ExportFailed(PermanentVendorError):  # noqa: N818 - it names the export's state
    """The vendor accepted the order and failed to make the file."""


class ExportExpired(PermanentVendorError):  # noqa: N818 - it names the export's state
    """The vendor no longer keeps what was asked for."""


class ContractError(VendorError):
    """The vendor answered, but not as its contract says.

    Args:
        message: As for `VendorError`.
        evidence: Where the answer was kept, relative to the home, if it was.
        **context: As for `VendorError`.
    """

    def __init__(self, message: str, *, evidence: str | None = None, **context: object) -> None:
        super().__init__(message, **context)  # type: ignore[arg-type]
        self.evidence = evidence


class LedgerError(JourneyError):
    """The ledger of exports can't be opened, read or written, or a change of state is invalid."""


class ExportMovedOn(LedgerError):  # noqa: N818 - it names what happened
    """Another process changed the export after it was read, so the write is refused."""


class HistoryError(JourneyError):
    """Dagster's storage can't be opened, read or written. It holds no data of vendors."""


class LakeError(JourneyError):
    """A file of the lake is missing, cut off or not what its manifest says."""


class NotLandedError(LakeError):
    """A partition's events can't be made, because it has not landed."""


class WarehouseError(JourneyError):
    """The warehouse can't be opened, written, published or read."""
