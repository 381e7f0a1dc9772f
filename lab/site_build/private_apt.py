"""An apt of its own, for a machine on which nothing is installed: the closures it finds are complete."""

from collections.abc import Iterable
from pathlib import Path

from datacenter.command import run

FETCH_SECONDS = 900


class PrivateApt:
    """apt-get with its own sources and state under a folder; how to fetch is the machine's configuration."""

    def __init__(self, folder: Path, sources: str) -> None:
        self._folder = folder
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").write_text("")
        (folder / "sources.list").write_text(f"{sources}\n")
        self._run("update")

    def download(self, packages: Iterable[str], target: Path) -> None:
        """Put the .deb files of packages and of all that they depend on into a directory."""
        self._run("install", "--download-only", "--yes", "-o", f"Dir::Cache::archives={target}/", *packages)
        (target / "lock").unlink()
        (target / "partial").rmdir()

    def simulate_install(self, packages: Iterable[str]) -> str:
        """Return what installing the packages would do; raise if something they depend on is not there."""
        return self._run("install", "--simulate", *packages)

    def _run(self, *command: str) -> str:
        folder = self._folder
        options = {
            "APT::Install-Recommends": "false",
            # Else a build directory must be readable to apt's own user.
            "APT::Sandbox::User": "root",
            "Dir::Cache": f"{folder}/cache",
            "Dir::Etc::sourcelist": f"{folder}/sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State": folder,
            "Dir::State::status": f"{folder}/status",
        }
        words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return run("apt-get", "--quiet", *words, *command, timeout=FETCH_SECONDS)
