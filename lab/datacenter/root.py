"""The root file systems that servers start from: Debian and Salt, nothing else; cached by their recipe."""

import hashlib
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import debian, kernel_modules
from .command import run
from .exclusive import exclusive
from .paths import BUILD, CHECKOUT, ROOTS
from .progress import Say

BUILD_SECONDS = 1800
SALT_VERSION = "3008.3"
SALT_HOME = "/opt/saltstack/salt"
_SALT_PROGRAMS = (
    "salt", "salt-call", "salt-cp", "salt-key", "salt-master", "salt-minion", "salt-pip", "salt-run",
)  # fmt: skip

BASE_PACKAGES = (
    "ca-certificates", "dbus", "gpg", "gpgv", "iproute2", "iputils-ping", "kmod", "netbase", "procps",
    "python3", "systemd", "systemd-sysv",
)  # fmt: skip
MIRROR_PACKAGES = ("nginx-light", "docker-registry")

_HERE = Path(__file__).parent
_FILES = _HERE / "root_files"
_RECIPE = [
    *(_HERE / name for name in ("root.py", "debian.py", "kernel_modules.py")),
    CHECKOUT / "lab/components/wheels/salt.txt",
]
# Periodic jobs of a long-lived server; here they would only take the time of what is being tested.
_TIMERS = ("apt-daily", "apt-daily-upgrade", "dpkg-db-backup", "e2scrub_all", "fstrim")


def server_root() -> Path:
    """Return where the root of an ordinary server is, or will be."""
    return ROOTS / _fingerprint() / "server"


def mirror_root() -> Path:
    """Return where the root of the mirror is, or will be."""
    return ROOTS / _fingerprint() / "mirror"


def missing() -> list[Path]:
    """List the roots that are not built yet."""
    return [root for root in (server_root(), mirror_root()) if not root.exists()]


def build(say: Say) -> None:
    """Build the roots that are missing."""
    # Labs of all names share the roots.
    with exclusive(ROOTS.with_name("roots.lock"), "building the roots", BUILD_SECONDS):
        _build_missing(say)


def _build_missing(say: Say) -> None:
    _remove_outdated()
    roots = missing()
    if not roots:
        return
    names = " and ".join(root.name for root in roots)
    say(f"building the roots for {names}: Debian {debian.CODENAME}, Salt {SALT_VERSION} (2 minutes) ...")
    from site_build import pipeline  # noqa: PLC0415 - long to import, and seldom needed

    wheels = pipeline.salt_wheels(BUILD, say)
    with ThreadPoolExecutor() as pool:
        for root in pool.map(lambda root: _build(root, wheels), roots):
            say(f"built {root}")


def _build(root: Path, wheels: Path) -> Path:
    packages = (*BASE_PACKAGES, *MIRROR_PACKAGES) if root == mirror_root() else BASE_PACKAGES
    draft = root.with_suffix(".new")
    if draft.exists():
        shutil.rmtree(draft)
    draft.parent.mkdir(parents=True, exist_ok=True)
    debian.bootstrap(draft, packages)
    shutil.copytree(_FILES / "server", draft, dirs_exist_ok=True)
    if root == mirror_root():
        shutil.copytree(_FILES / "mirror", draft, dirs_exist_ok=True)
    _install_salt(draft, wheels)
    _configure(draft)
    return draft.rename(root)


def _install_salt(root: Path, wheels: Path) -> None:
    """Put Salt where its own packages put it, with the same names in /usr/bin."""
    python = f"{SALT_HOME}/bin/python3"
    copied = root / "tmp" / "wheels"
    shutil.copytree(wheels, copied)
    pip = next(wheels.glob("pip-*.whl"))
    run("chroot", root, "python3", "-m", "venv", "--without-pip", SALT_HOME)
    # A wheel of pip can run itself from inside the archive: the root needs no pip of its own first.
    install = ["install", "--no-index", "--find-links", "/tmp/wheels", "pip", f"salt=={SALT_VERSION}"]  # noqa: S108
    run("chroot", root, python, f"/tmp/wheels/{pip.name}/pip", *install, timeout=600)  # noqa: S108
    shutil.rmtree(copied)
    for program in _SALT_PROGRAMS:
        (root / SALT_HOME[1:] / program).symlink_to(f"bin/{program}")
        (root / "usr/bin" / program).symlink_to(f"{SALT_HOME}/{program}")
    account = ["--system", "--home-dir", SALT_HOME, "--shell", "/usr/sbin/nologin", "salt"]
    run("chroot", root, "useradd", *account)
    for directory in ("etc/salt/pki/master", "var/cache/salt/master", "var/log/salt"):
        (root / directory).mkdir(parents=True)
        run("chroot", root, "chown", "salt:salt", f"/{directory}")


def _configure(root: Path) -> None:
    (root / "etc/apt/sources.list").write_text("")
    (root / "etc/machine-id").write_text("")
    # There is no DNS in the lab: each look-up of an unknown name would wait for its time-out.
    nsswitch = root / "etc/nsswitch.conf"
    nsswitch.write_text(re.sub(r"(?m)^hosts:.*$", "hosts: files", nsswitch.read_text()))
    kernel_modules.describe(root)
    units = ["console-getty.service", *(f"{timer}.timer" for timer in _TIMERS)]
    run("systemctl", f"--root={root}", "disable", *units)
    run("systemctl", f"--root={root}", "enable", "lab-server.service")


def _fingerprint() -> str:
    """Name what a root is made of: this recipe, the files it copies, the release and its packages."""
    digest = hashlib.sha256(os.uname().release.encode())
    for file in [*_RECIPE, *sorted(_FILES.rglob("*"))]:
        if file.is_file():
            digest.update(str(file.relative_to(_HERE.parent)).encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _remove_outdated() -> None:
    """Remove roots of older recipes, but not from under servers that were made on them."""
    in_use = {link.resolve().parent for link in BUILD.glob("lab/*/servers/*/lower")}
    for directory in [*ROOTS.glob("*")]:
        if directory.name != _fingerprint() and directory not in in_use:
            shutil.rmtree(directory)
