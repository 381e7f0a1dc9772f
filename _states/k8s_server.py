"""What the SLS of a server need beyond Salt's own states."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from k8s_lifecycle.server import (
    dpkg,
    endpoint,
    listeners,
    network,
    nftables,
    packages,
    python_client,
    services,
    swap,
)
from k8s_lifecycle.server import kernel as kernels

__virtualname__ = "k8s_server"
__opts__: dict[str, Any]
__salt__: Any

LISTEN_TIMEOUT = 5.0

Changes = dict[str, dict[str, Any]]


def kernel(name: str, modules: Sequence[str], settings: Mapping[str, str]) -> dict[str, Any]:
    """Load kernel modules and set kernel settings, now and at every boot.

    It fails with what ``modprobe`` said, or if the kernel does not have a setting. Those of bridges are left
    out until br_netfilter is loaded.
    https://kubernetes.io/docs/setup/production-environment/container-runtimes/#prerequisite-ipv4-forwarding-optional

    name
        Anything; shown in the output.
    modules
        Their names, a list. One that is built in counts as loaded.
    settings
        Values by name, as sysctl has them: text, also where it is a number.

    ``changes`` holds old and new of each module (None, ``loaded``), each setting, and each of the files
    /etc/modules-load.d/k8s.conf and /etc/sysctl.d/90-k8s.conf that differed.

    .. code-block:: yaml

        k8s-kernel:
          k8s_server.kernel:
            - modules: [overlay, br_netfilter]
            - settings: {net.ipv4.ip_forward: "1"}
    """
    return _converged(
        name,
        lambda: kernels.differences(modules, settings),
        lambda _: kernels.apply(modules, settings),
        "the kernel has the modules and settings that Kubernetes needs",
    )


def swap_off(name: str) -> dict[str, Any]:
    """Turn swap off, now and at every boot: the kubelet does not start with it unless told to.

    At boot is what /etc/fstab says; its lines are commented out. Units of systemd that turn swap on are not
    looked at. It fails with what ``swapoff`` said.
    https://kubernetes.io/docs/concepts/cluster-administration/swap-memory-management/

    name
        Anything; shown in the output.

    ``changes`` holds ``/proc/swaps`` (old: the devices in use, new: none) and ``/etc/fstab`` (old: the lines
    that turned swap on, new: none).

    .. code-block:: yaml

        k8s-swap:
          k8s_server.swap_off
    """

    def differences() -> Changes:
        devices, lines = swap.active(), swap.at_boot()
        now = {"/proc/swaps": {"old": list(devices), "new": []}} if devices else {}
        boot = {"/etc/fstab": {"old": list(lines), "new": []}} if lines else {}
        return {**now, **boot}

    return _converged(name, differences, lambda _: swap.turn_off(), "swap is off")


def bare(name: str, anew: bool = False) -> dict[str, Any]:
    """Fail where the server is a node, or becomes one: what requires this must not be done to a node.

    What a highstate does is decided when it starts; an admission may arrive while it runs.

    name
        Anything; shown in the output.
    anew
        True: the runner has seen that the server holds an init that nobody has joined, and makes it anew.
        Default: False.

    ``changes`` is always empty. Under test=True it succeeds or fails as without.

    .. code-block:: yaml

        k8s-bare-for-packages:
          k8s_server.bare
    """
    if anew:
        return _answer(name, True, "its init is made anew")
    if __salt__["k8s_server.bare"]():
        return _answer(name, True, "the server is no node")
    return _answer(name, False, "kubeadm came to this server after this run began — run it again")


def dpkg_finished(name: str) -> dict[str, Any]:
    """Finish what a dpkg that was cut off has left half-way: apt refuses to go on from it.

    What is unpacked is configured, what is not even that is installed again; configuration files stay. It
    fails with what ``dpkg`` or ``apt-get`` said, or if something is still half-way.
    https://man7.org/linux/man-pages/man1/dpkg.1.html, "Package states"

    name
        Anything; shown in the output.

    ``changes`` holds each package that was half-way (old: dpkg's word for its state, new: ``installed``), and
    ``dpkg`` (old: ``cut off``) where dpkg had not written up what it did.

    .. code-block:: yaml

        k8s-dpkg:
          k8s_server.dpkg_finished
    """

    def differences() -> Changes:
        return {package: {"old": state, "new": "installed"} for package, state in dpkg.half_way().items()}

    return _converged(name, differences, lambda _: dpkg.finish(), "no package is half-way")


def packages_held(name: str, held: Sequence[str]) -> dict[str, Any]:
    """Keep apt from upgrading or removing packages: https://manpages.debian.org/apt-mark

    It fails for a package that is not installed.

    name
        Anything; shown in the output.
    held
        The names of the packages, a list.

    ``changes`` holds each package that was not held (old: ``not held``, new: ``held``).

    .. code-block:: yaml

        k8s-packages-held:
          k8s_server.packages_held:
            - held: [kubeadm, kubectl, kubelet, containerd.io]
    """

    def differences() -> Changes:
        return {package: {"old": "not held", "new": "held"} for package in packages.not_held(held)}

    return _converged(name, differences, lambda _: packages.hold(held), "apt leaves them alone")


def python_package(
    name: str, version: str, index: str | None = None, trusted_host: str | None = None
) -> dict[str, Any]:
    """Install a version of a package for Salt's own Python.

    Salt's ``pip.installed`` starts pip, which takes longer than all other states together, to see that there
    is nothing to do. It fails with what pip said.

    name
        Of the package.
    version
        The exact one.
    index
        The URL of the package index. Default: pip's own configuration.
    trusted_host
        The index's host if it has no TLS. Default: none.

    ``changes`` holds the package (old: its version or None, new: ``version``).

    .. code-block:: yaml

        k8s-python-client:
          k8s_server.python_package:
            - name: kubernetes
            - version: 37.0.2
            - index: http://mirror.example/simple
            - trusted_host: mirror.example
    """

    def differences() -> Changes:
        found = python_client.version(name)
        return {} if found == version else {name: {"old": found, "new": version}}

    def install(_: Changes) -> None:
        python_client.install(name, version, index, trusted_host)
        __salt__["saltutil.refresh_modules"]()  # its minion has it ready then: _grains/k8s_preload.py

    return _converged(name, differences, install, f"{name} {version} is installed")


def service(name: str, files: Sequence[str], reload: bool = False) -> dict[str, Any]:
    """Run a service, enabled, with the files that are on disk: restart it if one changed after its start.

    What counts is when a file was put where it is (its ctime): a run that was killed before the restart is
    made up for by the next. It fails with what ``systemctl`` said, or if the service is not active then.

    name
        Of the service.
    files
        The paths of its configuration and program, a list. One that does not exist counts as unchanged.
    reload
        True: reload it instead of restarting it, so that connections live on. Default: False.

    ``changes`` holds ``enabled`` (old: systemd's word, new: ``enabled``) and ``running`` (old: systemd's word
    or ``active with older files``, new: ``active`` or ``active with the files on disk``).

    .. code-block:: yaml

        k8s-haproxy:
          k8s_server.service:
            - name: haproxy
            - files: [/usr/sbin/haproxy, /etc/haproxy/haproxy.cfg]
            - reload: True
    """
    return _converged(
        name,
        lambda: services.differences(name, files),
        lambda found: services.converge(name, found, reload),
        f"{name} runs with the files on disk",
    )


def nft_table(name: str, file: str) -> dict[str, Any]:
    """Have a table of nftables in force as a file says: ``nft flush ruleset`` leaves no trace on disk.

    Both are compared as nft shows them: the file is loaded into a network of its own for that. It fails with
    what ``nft`` said.
    https://wiki.nftables.org/wiki-nftables/index.php/Atomic_rule_replacement

    name
        The table with its family, such as ``inet k8s_monitoring``.
    file
        The path of a file for nft, which replaces this table and touches no other one.

    ``changes`` holds the table (old: ``none`` or ``another``, new: ``that of FILE``).

    .. code-block:: yaml

        k8s-monitoring-firewall-in-force:
          k8s_server.nft_table:
            - name: inet k8s_monitoring
            - file: /etc/k8s-monitoring.nft
    """
    return _converged(
        name,
        lambda: nftables.differences(name, file),
        lambda _: nftables.load(file),
        f"the table {name} is that of {file}",
    )


def address(name: str, interface: str) -> dict[str, Any]:
    """Give an interface an address, until somebody takes it away: a boot does, and ``ip address flush``.

    Its scope is the link. It fails with what ``ip`` said.

    name
        The IPv4 address with the length of its prefix, such as ``169.254.20.53/32``.
    interface
        The name of the interface.

    ``changes`` holds the address (old: None, new: the interface).

    .. code-block:: yaml

        k8s-consul-dns-address:
          k8s_server.address:
            - name: 169.254.20.53/32
            - interface: lo
    """

    def differences() -> Changes:
        return {} if network.has_address(interface, name) else {name: {"old": None, "new": interface}}

    return _converged(
        name, differences, lambda _: network.add_address(interface, name), f"{interface} has {name}"
    )


def listening(name: str, port: int) -> dict[str, Any]:
    """See that a service listens: some take a reload that they then fail to carry out.

    It waits for 5 s, then fails with who has the port and the last lines of the service's journal.

    name
        Of the service, which is that of its program.
    port
        The TCP port, a whole number.

    ``changes`` is always empty. Under test=True it succeeds without a look: the service may not be there yet.

    .. code-block:: yaml

        k8s-endpoint-listens:
          k8s_server.listening:
            - name: haproxy
            - port: 8443
    """
    if __opts__["test"]:
        return _answer(name, True, f"{name} is to listen on port {port}")
    found = listeners.wait(port, name, LISTEN_TIMEOUT)
    if found == name:
        return _answer(name, True, f"{name} listens on port {port}")
    said = services.last_lines(name)
    user = found or "nobody"
    return _answer(name, False, f"port {port} is used by {user}, not by {name}, which said:\n{said}")


def endpoint_absent(name: str) -> dict[str, Any]:
    """Stop carrying the endpoint of a cluster: keepalived and haproxy end, and what we configured goes.

    A server that was a control plane would take the virtual address where it hears no other one. A keepalived
    or haproxy of the site's own is left alone. It fails with what ``systemctl`` said.
    https://datatracker.ietf.org/doc/html/rfc5798, 6.4.2

    name
        Anything; shown in the output.

    ``changes`` holds each file of ours (old: ``present``, new: None).

    .. code-block:: yaml

        k8s-endpoint:
          k8s_server.endpoint_absent
    """

    def differences() -> Changes:
        return {path: {"old": "present", "new": None} for path in endpoint.ours()}

    return _converged(name, differences, lambda _: endpoint.remove(), "this server carries no endpoint")


def drift_reported(name: str, assignment: Mapping[str, Any]) -> dict[str, Any]:
    """Tell where this node differs from its spec, and change nothing: that is for the runner's operations.

    It succeeds also where the node differs, with a line for each difference in its comment and its warnings.

    name
        Anything; shown in the output.
    assignment
        The pillar ``k8s``: cluster, role, pool, spec.

    ``changes`` is always empty. Under test=True it does the same.

    .. code-block:: yaml

        k8s-drift:
          k8s_server.drift_reported:
            - assignment: {{ pillar['k8s'] | json }}
    """
    lines = __salt__["k8s_server.drift"](assignment)
    if not lines:
        return _answer(name, True, "the node is what its spec asks for")
    cluster = assignment["cluster"]
    comment = (
        f"the node differs from its spec; nothing was changed, `salt-run k8s.plan {cluster}` shows what would"
        " be:\n" + "\n".join(f"- {line}" for line in lines)
    )
    return {**_answer(name, True, comment), "warnings": lines}


def _converged(
    name: str, differences: Callable[[], Changes], converge: Callable[[Changes], object], settled: str
) -> dict[str, Any]:
    """Read, compare, act, and read again."""
    before = differences()
    if not before:
        return _answer(name, True, settled)
    if __opts__["test"]:
        return _answer(name, None, f"would change: {', '.join(before)}", before)
    try:
        converge(before)
    except (OSError, RuntimeError) as error:
        return _answer(name, False, str(error))
    left = differences()
    done = {what: change for what, change in before.items() if what not in left}
    if left:
        return _answer(name, False, f"still not as it should be: {left}", done)
    return _answer(name, True, settled, done)


def _answer(name: str, result: bool | None, comment: str, changes: Changes | None = None) -> dict[str, Any]:
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
