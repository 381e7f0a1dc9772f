"""The firewall of node_exporter: nft itself loads it in a network of its own, and leaves others alone."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from k8s_lifecycle.model import datacenters
from k8s_lifecycle.server import monitoring, nftables

SCRIPT = """
nft add table ip site
nft -f "$1"
nft -f "$1"
nft list ruleset
"""

# What highstate sees and does after each of what somebody may have done, in a network of its own.
TOUCHED = """
import json, subprocess, sys
from k8s_lifecycle.server import network, nftables
table, file, address = "inet k8s_monitoring", sys.argv[1], "169.254.20.53/32"
seen = []
for touch in (
    "true", "nft flush ruleset", "nft flush chain inet k8s_monitoring input", "nft add table ip site"
):
    subprocess.run(touch.split(), check=True)
    seen.append([change["old"] for change in nftables.differences(table, file).values()])
    nftables.load(file)
    seen.append(list(nftables.differences(table, file)))
for touch in ("true", "ip address flush dev lo", "true"):
    subprocess.run(touch.split(), check=True)
    seen.append(network.has_address("lo", address))
    network.add_address("lo", address)
print(json.dumps(seen))
"""

has_nft = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nft"), reason="needs root and nft, of Debian's nftables"
)


def written(tmp_path, **exporter):
    """The rules of a server of a datacenter without Prometheus servers, in a file."""
    mapping = {"name": "dc1", "servers": ["*"], "monitoring": {"node_exporter": exporter}}
    rules = tmp_path / "rules.nft"
    rules.write_text(monitoring.desired(datacenters.from_dict(mapping), "w-1", None)["firewall"])
    return rules


@has_nft
def test_it_can_be_loaded_again_and_leaves_other_tables_alone(tmp_path):
    rules = written(tmp_path, port=9111, allow_from=["10.11.0.5/32", "10.12.0.0/24"])
    command = ["unshare", "--net", "sh", "-ec", SCRIPT, "sh", rules]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "table ip site" in shown
    assert shown.count("table inet k8s_monitoring") == 1
    assert "tcp dport 9111 ip saddr { 10.11.0.5, 10.12.0.0/24 } accept" in shown
    assert shown.count("tcp dport 9111 drop") == 1


@has_nft
def test_an_empty_list_lets_nobody_in(tmp_path):
    command = ["unshare", "--net", "sh", "-ec", SCRIPT, "sh", written(tmp_path, allow_from=[])]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.count("dport 9100") == shown.count("tcp dport 9100 drop") == 1


@has_nft
def test_what_somebody_flushed_is_seen_and_put_back(tmp_path):
    rules = written(tmp_path, allow_from=["10.12.0.0/24"])
    command = ["unshare", "--net", sys.executable, "-c", TOUCHED, rules]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert json.loads(shown) == [["none"], [], ["none"], [], ["another"], [], [], [], False, False, True]


def test_a_table_whose_file_is_not_there_yet_is_to_be_loaded(tmp_path):
    file = str(tmp_path / "rules.nft")
    found = nftables.differences("inet k8s_monitoring", file)
    assert found == {"inet k8s_monitoring": {"old": "none", "new": f"that of {file}"}}


def test_without_networks_there_is_none():
    found = datacenters.from_dict({"name": "dc1", "servers": ["*"]})
    assert monitoring.desired(found, "w-1", None)["firewall"] is None
