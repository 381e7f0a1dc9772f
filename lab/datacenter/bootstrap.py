"""What the lab imports, installed once under build/, so that a fresh clone needs only python3.

It comes with the pip with which wheels for the servers are built, hence the same Python minor as theirs.
"""

import os
import shutil
import subprocess
import sys

from .paths import BUILD

REQUIREMENTS = ("PyYAML>=6",)
PYTHON = "python3.11"
VENV = BUILD / "lab-venv"
INTERPRETER = VENV / "bin" / "python"
_READY = VENV / "ready"


def ensure_interpreter() -> None:
    """Let this process import what the lab imports; if it is another Python, go on in the lab's own."""
    if not _READY.exists() or _READY.read_text().split() != [*REQUIREMENTS]:
        try:
            _make_venv()
        except (subprocess.CalledProcessError, OSError) as error:
            sys.exit(f"lab/dc: could not make {VENV}: {error}")
    if f"python{sys.version_info[0]}.{sys.version_info[1]}" != PYTHON:
        os.execv(INTERPRETER, [str(INTERPRETER), *sys.argv])  # noqa: S606
    # A second start of Python would be a third of what most commands take.
    sys.path.append(str(VENV / "lib" / PYTHON / "site-packages"))


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
    subprocess.run([str(INTERPRETER), "-m", "pip", "install", "--quiet", *REQUIREMENTS], check=True)
    _READY.write_text("\n".join(REQUIREMENTS))
