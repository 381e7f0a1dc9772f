"""Make the package of the checkout importable by its absolute name, as Salt's loader does."""

import sys
from pathlib import Path

import salt._logging

sys.path.insert(0, str(Path(__file__).parent.parent / "_utils"))

# Salt keeps what is logged before it is configured, and writes it when pytest has closed its output already.
salt._logging.shutdown_temp_handler()
