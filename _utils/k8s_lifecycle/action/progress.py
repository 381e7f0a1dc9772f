"""What a person sees while a run goes on: lines in a log, and on a terminal a block that moves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

from k8s_lifecycle.action.scheduler import Sleep, Task

MARKS = {"done": "✔", "failed": "✘"}


@dataclass
class _Running:
    since: float
    waits_for: str = ""


class Progress:
    """A listener that writes a run's progress to a stream, moving on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._moving = stream.isatty()
        self._began = time.monotonic()
        self._wave = ""
        self._running: dict[str, _Running] = {}
        self._drawn = 0

    def __call__(self, event: str, what: Mapping[str, Any]) -> None:
        """Show one event."""
        show = getattr(self, f"_on_{event}", None)
        if show:
            self._erase()
            show(what)
            self._draw()
            self._stream.flush()

    def move(self) -> Task:
        """Draw the times anew every second; only on a terminal is there something that moves."""
        while self._moving:
            yield Sleep(1)
            self._erase()
            self._draw()
            self._stream.flush()

    def _on_begins(self, what: Mapping[str, Any]) -> None:
        self._line(f"{what['cluster']}: {what['holder']}")

    def _on_synchronises(self, what: Mapping[str, Any]) -> None:
        self._line(f"synchronising modules on {len(what['servers'])} servers")

    def _on_planned(self, what: Mapping[str, Any]) -> None:
        plan = what["plan"]
        steps = sum(len(wave["steps"]) for wave in plan["waves"])
        self._line(
            f"plan: {steps} steps, {len(plan['blocked'])} servers blocked, {len(plan['refusals'])} refusals"
        )

    def _on_wave(self, what: Mapping[str, Any]) -> None:
        self._line(f"wave {what['number']}/{what['of']}: {what['wave']} ({what['steps']} steps)")

    def _on_starts(self, what: Mapping[str, Any]) -> None:
        self._running[what["step"]] = _Running(time.monotonic())
        if not self._moving:
            self._line(f"  … {what['step']}: {what['reason']}")

    def _on_waits(self, what: Mapping[str, Any]) -> None:
        running = self._running.get(what["step"])
        if running and running.waits_for != what["what"]:
            running.waits_for = what["what"]
            if not self._moving:
                self._line(f"  … {what['step']}: waits for {what['what']}")

    def _on_done(self, what: Mapping[str, Any]) -> None:
        self._ended("done", what, what["detail"])

    def _on_failed(self, what: Mapping[str, Any]) -> None:
        self._ended("failed", what, what["failed"])

    def _ended(self, how: str, what: Mapping[str, Any], said: str) -> None:
        self._running.pop(what["step"], None)
        self._line(f"  {MARKS[how]} {what['step']} {what['seconds']} s" + (f": {said}" if said else ""))

    def _line(self, text: str) -> None:
        elapsed = int(time.monotonic() - self._began)
        self._stream.write(f"{elapsed // 60:3d}:{elapsed % 60:02d}  {text}\n")

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}F\x1b[J")
            self._drawn = 0

    def _draw(self) -> None:
        if not self._moving:
            return
        now = time.monotonic()
        for step, running in self._running.items():
            waits = f", waits for {running.waits_for}" if running.waits_for else ""
            self._stream.write(f"        ⋯ {step} {now - running.since:.0f} s{waits}"[:160] + "\n")
            self._drawn += 1
