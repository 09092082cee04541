"""How long to wait for a vendor's machine at each stage of one request.

Not here: how often to try (`retry.py`), how long all tries together may take (`RetryPolicy.deadline_s`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one request, in seconds.

    Attributes:
        connect_s: Until the connection stands.
        first_byte_s: From the request to the end of the answer's head; exports think for a while before they answer.
        idle_s: Between two pieces of the body.
    """

    connect_s: float = 10.0
    first_byte_s: float = 300.0
    idle_s: float = 60.0
