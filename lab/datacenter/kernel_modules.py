"""What a kernel package puts under /lib/modules: which modules the running kernel has built in.

Servers share the machine's kernel. Without this list `modprobe br_netfilter` fails on a server although
the kernel has it, which no server with a kernel of its own does.
"""

import gzip
import os
from pathlib import Path

from .command import run

# The modules that a Kubernetes server asks for, with their place in the kernel's tree and their option.
_MODULES = {
    "kernel/fs/overlayfs/overlay.ko": "OVERLAY_FS",
    "kernel/net/bridge/br_netfilter.ko": "BRIDGE_NETFILTER",
    "kernel/net/netfilter/nf_conntrack.ko": "NF_CONNTRACK",
    "kernel/net/netfilter/ipset/ip_set.ko": "IP_SET",
    "kernel/net/netfilter/ipvs/ip_vs.ko": "IP_VS",
    "kernel/drivers/net/vxlan/vxlan.ko": "VXLAN",
}
_CONFIGURATION = Path("/proc/config.gz")


def describe(root: Path) -> None:
    """Write the list of built-in modules, if the kernel tells what it was built with."""
    if not _CONFIGURATION.exists():
        return
    release = os.uname().release
    options = gzip.decompress(_CONFIGURATION.read_bytes()).decode().splitlines()
    built_in = [module for module, option in _MODULES.items() if f"CONFIG_{option}=y" in options]
    directory = root / "lib/modules" / release
    directory.mkdir(parents=True)
    (directory / "modules.builtin").write_text("".join(f"{module}\n" for module in built_in))
    (directory / "modules.order").write_text("")
    run("depmod", "--basedir", root, release)
