"""The page is tested with the servers that the decisions are tested with."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "decision"))
