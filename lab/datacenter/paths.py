"""Where the lab keeps things, and the one name under which all of it can be found on the machine."""

import os
from pathlib import Path

# Network namespace, control groups and runtime directory carry this name, so that `down` finds everything
# without any state file. Labs of different names do not see each other.
LAB_NAME = os.environ.get("LAB_NAME", "k8slab")

CHECKOUT = Path(__file__).resolve().parents[2]
BUILD = CHECKOUT / "build"
LAYOUTS = CHECKOUT / "lab" / "layouts"
ROOTS = BUILD / "roots"
SITE = BUILD / "site"
SECRETS = BUILD / "secrets"

LAB = BUILD / "lab" / LAB_NAME
LOCK = LAB / "lock"
SERVERS = LAB / "servers"
CURRENT_LAYOUT = LAB / "layout.yaml"
KEYS = LAB / "keys"

RUNTIME = Path("/run/lab-datacenters")
OWNER = RUNTIME / LAB_NAME / "owner"
NETWORK_NAMESPACE = Path("/run/netns") / LAB_NAME
