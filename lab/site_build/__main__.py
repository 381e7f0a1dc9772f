"""`python -m site_build`, run in lab/: make the site's artifacts without the rest of the lab."""

import argparse
import sys
from pathlib import Path

from datacenter.errors import LabError
from datacenter.paths import BUILD
from datacenter.progress import say

from site_build.pipeline import build


def main() -> int:
    """Build everything into the checkout's build directory, or the one named."""
    parser = argparse.ArgumentParser(prog="python -m site_build", description=__doc__)
    parser.add_argument("--build-dir", type=Path, default=BUILD, help="default: %(default)s")
    parser.add_argument("--binaries", type=Path, help="take DIR/<component>/bin instead of compiling")
    arguments = parser.parse_args()
    try:
        build(arguments.build_dir, arguments.binaries, say)
    except LabError as error:
        print(f"site_build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
