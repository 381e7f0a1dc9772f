"""The append-only record of runs, for people and audit. Nothing here is ever read to decide anything."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Journal:
    """A listener that appends each event of a run, one JSON object a line, to `DIRECTORY/CLUSTER.jsonl`."""

    def __init__(self, directory: Path, cluster: str, run: str, who: str) -> None:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._path = directory / f"{cluster}.jsonl"
        self._about = {"run": run, "who": who}

    def __call__(self, event: str, what: Mapping[str, Any]) -> None:
        """Append one event; a waiting step repeats itself and is left out."""
        if event == "waits":
            return
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = json.dumps({"time": when, **self._about, "event": event, **what}, default=str) + "\n"
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            os.write(handle, line.encode())
        finally:
            os.close(handle)
