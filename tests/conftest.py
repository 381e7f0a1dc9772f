"""Make the package of the checkout importable by its absolute name, as Salt's loader does."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "_utils"))
