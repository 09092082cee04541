"""Runs the warehouse's functions in children that end as if killed; a program, spoken to by lines of JSON.

A request is `{"home": ..., "do": "sync", "crash_at": 17}`: the child kills itself at its 17th step, a step being
any call of the warehouse's own functions or of DuckDB. With `"kill_after_s": 0.05` instead the kernel ends it then,
in the middle of whatever it does. The answer is `{"status": "done"}`, `{"status": "killed"}` or
`{"status": "failed"}`. The server itself never opens DuckDB, so that forking it is safe.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from journey_pipeline.lake.layout import Lake
from journey_pipeline.warehouse.connection import WarehouseSettings
from journey_pipeline.warehouse.publish import publish
from journey_pipeline.warehouse.sync import rebuild, sync

WORK = {"sync": sync, "rebuild": rebuild, "publish": publish}
SETTINGS = WarehouseSettings(memory="500MB", threads=1, lock_wait_s=0, batch_rows=4, remove=True)


def serve() -> None:
    """Answers requests until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            _work(request)
        _, status = os.waitpid(child, 0)
        word = "killed" if os.WIFSIGNALED(status) else "failed" if status else "done"
        print(json.dumps({"status": word}), flush=True)  # noqa: T201 - the answer


def _work(request: dict[str, Any]) -> None:
    try:
        _kill_at(request.get("crash_at"))
        signal.setitimer(signal.ITIMER_REAL, request.get("kill_after_s") or 0)
        WORK[request["do"]](Lake(Path(request["home"])), SETTINGS)
        sys.setprofile(None)
    except BaseException:  # noqa: BLE001 - a child must not go on as a second server
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _kill_at(step: int | None) -> None:
    if step is None:
        return
    remaining = step

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal remaining
        is_ours = event == "call" and "/journey_pipeline/" in frame.f_code.co_filename
        is_duckdb = event == "c_call" and getattr(argument, "__name__", "") in {"execute", "executemany", "close"}
        if is_ours or is_duckdb:
            remaining -= 1
            if remaining <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)


if __name__ == "__main__":
    serve()
