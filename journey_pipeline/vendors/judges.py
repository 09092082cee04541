"""The judge of a connection's calls, found by the name of its vendor.

Apart, because the receiver, a person's link and the calls that waited are all judged by it, and none of them opens a
vendor's source. A vendor that calls back has a module `link` with a function `judge_of`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from importlib import import_module

from journey_pipeline.errors import ConfigError
from journey_pipeline.model import Judged


def judge_of(vendor: str, connection: str) -> Callable[[object, datetime], Judged]:
    """The judge of a connection's calls.

    Raises:
        ConfigError: If its vendor does not call, or a variable of the connection is missing or wrong.
    """
    try:
        rules = import_module(f"journey_pipeline.vendors.{vendor}.link")
    except ModuleNotFoundError:
        raise ConfigError(f"{connection}: {vendor} does not call with links, so there is none to be judged") from None
    judge: Callable[[object, datetime], Judged] = rules.judge_of(connection)
    return judge
