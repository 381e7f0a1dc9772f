"""A dpkg that a power cut stopped half-way: what it left, and finishing it. apt refuses to go on from it."""

from pathlib import Path

from k8s_lifecycle.server.command import output

ADMIN = Path("/var/lib/dpkg")
# https://man7.org/linux/man-pages/man1/dpkg.1.html, "Package states"
SETTLED = ("installed", "config-files", "not-installed")
_TIMEOUT = 900


def half_way(admin: Path = ADMIN) -> dict[str, str]:
    """Return the packages that are half-way, each with dpkg's word for how far.

    dpkg itself is among them where it has not yet written up what it did.
    """
    query = "${binary:Package}\t${db:Status-Eflag}\t${db:Status-Status}\n"
    lines = output("dpkg-query", f"--admindir={admin}", "--show", f"--showformat={query}").splitlines()
    rows = (line.split("\t") for line in lines)
    found = {name: state for name, flag, state in rows if flag != "ok" or state not in SETTLED}
    if any(admin.joinpath("updates").glob("[0-9]*")):
        found["dpkg"] = "cut off"
    return found


def finish() -> None:
    """Configure what is unpacked, then install again what is not even that; configuration files stay.

    A package that was cut off while it was unpacked has to be installed again by name: apt's `--fix-broken`
    sees nothing wrong with its dependencies and only tries to configure it, which dpkg refuses.
    """
    quietly = ("env", "DEBIAN_FRONTEND=noninteractive")
    keep = ("--force-confdef", "--force-confold")
    # A package that cannot be configured yet, since it waits for one to be installed again, is apt's.
    output(*quietly, "dpkg", *keep, "--configure", "--pending", timeout=_TIMEOUT, accept=(0, 1))
    if left := half_way():
        options = (f"--option=Dpkg::Options::={option}" for option in keep)
        repair = (
            "--fix-broken",
            "--reinstall",
            "--yes",
            "--no-install-recommends",
            "--allow-change-held-packages",
        )
        output(*quietly, "apt-get", *options, *repair, "install", *sorted(left), timeout=_TIMEOUT)
