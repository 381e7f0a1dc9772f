"""The key that signs the site's apt repository: made once, its public half served."""

import os
from collections.abc import Mapping
from pathlib import Path

from datacenter.command import run

from site_build.artifact import Artifact, Say
from site_build.digest import digest_of

OWNER = "Site packages <packages@site.invalid>"
_CODE = Path(__file__)


def make_signing_key(build_dir: Path, say: Say) -> Artifact:
    """Return a GnuPG home directory that has the key and nothing else."""
    return Artifact(build_dir / "signing-key", digest_of(_CODE)).make(_generate, say)


def sign(key: Artifact, release: Path) -> None:
    """Write InRelease and Release.gpg beside a Release file."""
    inline, detached = release.with_name("InRelease"), release.with_name("Release.gpg")
    _gpg(key.path, "--clear-sign", "--output", inline, release)
    _gpg(key.path, "--armor", "--detach-sign", "--output", detached, release)


def export_public_key(key: Artifact, target: Path) -> None:
    """Write the public key as binary (.gpg) and as text (.asc), for apt's Signed-By."""
    _gpg(key.path, "--output", target.with_suffix(".gpg"), "--export")
    _gpg(key.path, "--armor", "--output", target.with_suffix(".asc"), "--export")


def _generate(home: Path) -> None:
    home.chmod(0o700)
    _gpg(home, "--passphrase", "", "--quick-generate-key", OWNER, "ed25519", "sign", "never")


def _gpg(home: Path, *command: str | Path) -> None:
    environment: Mapping[str, str] = {**os.environ, "GNUPGHOME": str(home)}
    run("gpg", "--batch", "--yes", "--quiet", *command, environment=environment)
    # gpg leaves an agent behind, which would outlive its home directory.
    run("gpgconf", "--kill", "gpg-agent", environment=environment)
