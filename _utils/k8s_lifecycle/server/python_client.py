"""Python packages for Salt's own Python."""

import importlib
import sys
from importlib import metadata

from k8s_lifecycle.server.command import output


def version(package: str) -> str | None:
    """Return the version of a package, if it is installed."""
    importlib.invalidate_caches()
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def install(package: str, version: str, index: str | None, trusted_host: str | None) -> None:
    """Install a version of a package with pip, from an index or from pip's own configuration."""
    options = ["--index-url", index] if index else []
    if trusted_host:
        options += ["--trusted-host", trusted_host]
    # Compiling the client's many modules takes five times as long as installing them; few are ever imported.
    options += ["--no-input", "--disable-pip-version-check", "--no-compile", "--quiet"]
    output(sys.executable, "-m", "pip", "install", *options, f"{package}=={version}", timeout=300)
