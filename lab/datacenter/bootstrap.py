"""An interpreter with what the lab imports, made once under build/, so that a fresh clone needs only python3.

It is also the pip with which wheels for the servers are built, hence the same Python minor as theirs.
"""

import os
import shutil
import subprocess
import sys

from .paths import BUILD

REQUIREMENTS = ("PyYAML>=6",)
PYTHON = "python3.11"
VENV = BUILD / "lab-venv"
_READY = VENV / "ready"


def ensure_interpreter() -> None:
    """Return if this is the lab's interpreter, else go on in it, made first if need be."""
    if sys.prefix == str(VENV):
        return
    if not _READY.exists() or _READY.read_text().split() != [*REQUIREMENTS]:
        try:
            _make_venv()
        except (subprocess.CalledProcessError, OSError) as error:
            sys.exit(f"lab/dc: could not make {VENV}: {error}")
    python = str(VENV / "bin" / "python")
    os.execv(python, [python, *sys.argv])  # noqa: S606


def _make_venv() -> None:
    python = shutil.which(PYTHON)
    if not python:
        sys.exit(
            f"lab/dc: needs {PYTHON}, the Python of its servers' Debian; install it, then run this again"
        )
    print(f"lab/dc: making {VENV} ...", file=sys.stderr)
    if subprocess.run([python, "-c", "import ensurepip"], capture_output=True, check=False).returncode:
        # Debian's python3 comes without what makes virtual environments.
        subprocess.run(["apt-get", "update", "--quiet=2"], check=True)
        subprocess.run(["apt-get", "install", "--yes", "--quiet=2", f"{PYTHON}-venv"], check=True)
    subprocess.run([python, "-m", "venv", "--clear", str(VENV)], check=True)
    subprocess.run([str(VENV / "bin/python"), "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    _READY.write_text("\n".join(REQUIREMENTS))
