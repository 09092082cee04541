"""The cases of one test: each begins with the sandbox as if just started, and one that fails lets the others go on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeAlias

Case: TypeAlias = Callable[..., AbstractContextManager[None]]
