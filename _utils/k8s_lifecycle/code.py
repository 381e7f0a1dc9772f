"""Which version of this project's code is here: a minion's copy and the master's are compared by it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

KINDS = ("beacons", "engines", "grains", "modules", "states", "utils")
UTILS = Path(__file__).parent.parent


def fingerprint(utils: Path = UTILS) -> str:
    """Return the digest of what `saltutil.sync_all` copies to a minion, from its copy or from the sources.

    utils: the directory that this package is in. A minion has modules/ beside its utils/, the sources have
    _modules/ beside _utils/.
    """
    prefix = utils.name.removesuffix("utils")
    found = hashlib.sha256()
    for kind in KINDS:
        folder = utils.parent / f"{prefix}{kind}"
        for path in sorted(_ours(folder)):
            found.update(f"{kind}/{path.relative_to(folder).as_posix()}\0".encode())
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:16]


def _ours(folder: Path) -> Iterator[Path]:
    """A site syncs modules of its own, too."""
    yield from folder.glob("k8s_*.py")
    yield from folder.glob("k8s_lifecycle/**/*.py")


# What this process runs, whatever is on disk by now. A minion's jobs begin with what its main process has
# imported: once that ran one of our functions on a schedule, a sync alone does not reach them.
LOADED = fingerprint()
