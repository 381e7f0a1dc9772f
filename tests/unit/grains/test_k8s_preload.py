"""A minion's main process has the client of Kubernetes imported; it gets no grain from that."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
LOADED = """
import json, sys
import salt.config, salt.loader
opts = salt.config.minion_config(None, role=sys.argv[1])
opts["grains_dirs"] = [sys.argv[2]]
grains = salt.loader.grains(opts)
print(json.dumps(["kubernetes.client.api_client" in sys.modules, [name for name in grains if "k8s" in name]]))
"""


@pytest.mark.parametrize(("role", "imported"), [("minion", True), ("master", False)])
def test_only_a_minion_imports_the_client(role, imported):
    done = subprocess.run(
        [sys.executable, "-c", LOADED, role, CHECKOUT / "_grains"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == [imported, []]
