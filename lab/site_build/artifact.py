"""A directory that is made once from its inputs and made again only when they change."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Say = Callable[[str], None]

MARKER = ".made-from"
# The time of every file inside packages and images: equal inputs give equal bytes.
EPOCH = 1_700_000_000


@dataclass(frozen=True)
class Artifact:
    """A finished directory and the digest of what it was made from."""

    path: Path
    digest: str

    @property
    def finished(self) -> bool:
        """Whether the directory is there, complete, and made from these very inputs."""
        marker = self.path / MARKER
        return marker.is_file() and marker.read_text() == self.digest

    def make(self, fill: Callable[[Path], None], say: Say) -> "Artifact":
        """Let `fill` write the content, unless it is there; the directory appears whole or not at all."""
        if self.finished:
            return self
        label = f"{self.path.parent.name}/{self.path.name}"
        say(f"{label}: making it")
        began = time.monotonic()
        unfinished = self.path.with_name(f".{self.path.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        fill(unfinished)
        (unfinished / MARKER).write_text(self.digest)
        _put_in_place(unfinished, self.path)
        say(f"{label}: made in {time.monotonic() - began:.1f} s")
        return self


def _put_in_place(finished: Path, target: Path) -> None:
    replaced = target.with_name(f".{target.name}.replaced")
    shutil.rmtree(replaced, ignore_errors=True)
    if target.exists():
        target.rename(replaced)
    finished.rename(target)
    shutil.rmtree(replaced, ignore_errors=True)
