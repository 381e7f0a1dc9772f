"""An interpreter that has PyYAML, made once under build/, so that a fresh clone needs only python3."""

import importlib.util
import os
import subprocess
import sys

from .paths import BUILD

REQUIREMENT = "PyYAML>=6"
VENV = BUILD / "lab-venv"


def ensure_interpreter() -> None:
    """Return if this interpreter has PyYAML, else go on in a virtual environment that has."""
    if importlib.util.find_spec("yaml"):
        return
    python = VENV / "bin" / "python"
    if not (VENV / "ready").exists():
        _make_venv()
    os.execv(python, [str(python), *sys.argv])


def _make_venv() -> None:
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", REQUIREMENT]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        subprocess.run(pip, check=True)
    except subprocess.CalledProcessError as error:
        sys.exit(
            f"lab/dc: could not make {VENV}: {error}\n"
            "On Debian: apt-get install python3-venv (or python3-yaml), then run this again."
        )
    (VENV / "ready").touch()
