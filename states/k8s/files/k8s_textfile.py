"""Metrics that node_exporter does not have: certificates, kubelet, containerd, node, Consul, highstate.

A timer runs it as root, by Salt's own Python, which every server has; it needs nothing of Salt besides that
and `cryptography`. It reads what to look at from a JSON file, and puts a file for node_exporter's textfile
collector into place as a whole. Whatever one part meets, the others are told, and so is that it failed.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509

TIMEOUT = 5.0
LAST_SUCCESS = "k8s_textfile_last_success_timestamp_seconds"
STATUSES = ("true", "false", "unknown")

Configuration = Mapping[str, Any]


@dataclass
class Family:
    """A metric: its name, what it means, and its values by labels."""

    name: str
    meaning: str
    samples: list[tuple[dict[str, str], float]] = field(default_factory=list)

    def add(self, value: float, **labels: str) -> None:
        """Add a value."""
        self.samples.append((labels, float(value)))

    def text(self) -> str:
        """Return it in the text format; nothing where it has no value."""
        if not self.samples:
            return ""
        lines = [f"# HELP {self.name} {self.meaning}", f"# TYPE {self.name} gauge"]
        return "\n".join([*lines, *(_line(self.name, *sample) for sample in self.samples)]) + "\n"


def certificate_files(configuration: Configuration) -> Iterator[Family]:
    """Tell when the certificates in files expire: in PEM, or inside a kubeconfig."""
    expiry = Family(
        "k8s_certificate_file_expiry_timestamp_seconds",
        "When the certificate in a file expires, of several the first.",
    )
    readable = Family("k8s_certificate_file_readable", "Whether the certificates in a file can be read.")
    patterns = (pattern.lstrip("/") for pattern in configuration["certificate_files"])
    paths = {str(path) for pattern in patterns for path in Path("/").glob(pattern)}
    for path in sorted(paths):
        try:
            found = _certificates(Path(path).read_bytes())
        except (OSError, ValueError):
            readable.add(0, path=path)
            continue
        if found:
            readable.add(1, path=path)
            expiry.add(min(map(_expires, found)), path=path)
    yield from (expiry, readable)


def certificate_ports(configuration: Configuration) -> Iterator[Family]:
    """Tell when the certificates expire that are shown to who connects."""
    expiry = Family(
        "k8s_certificate_served_expiry_timestamp_seconds",
        "When the certificate that an address shows expires.",
    )
    shown = Family("k8s_certificate_served", "Whether an address shows a certificate.")
    own = configuration["node_ports"] if _is_node(configuration) else ()
    for address in (*own, *configuration["certificate_ports"]):
        certificate = _served(address)
        shown.add(certificate is not None, address=address)
        if certificate is not None:
            expiry.add(_expires(certificate), address=address)
    yield from (expiry, shown)


def services(configuration: Configuration) -> Iterator[Family]:
    """Tell which services run."""
    active = Family("k8s_service_active", "Whether a service runs.")
    names = configuration["services"]
    if names:
        command = ["systemctl", "is-active", *names]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        states = done.stdout.split()
        if len(states) != len(names):
            raise RuntimeError(f"systemctl is-active said {done.stdout!r} {done.stderr!r}")
        for name, state in zip(names, states, strict=True):
            active.add(state == "active", service=name)
    yield active


def runtime(configuration: Configuration) -> Iterator[Family]:
    """Tell whether the server is a node by now, and whether kubelet and containerd answer."""
    is_node = Family("k8s_is_node", "Whether kubeadm has made this server a node, or begun to.")
    kubelet = Family("k8s_kubelet_healthy", "Whether the kubelet says that it is healthy.")
    if configuration["kubelet"]:
        is_node.add(_is_node(configuration))
        if _is_node(configuration):
            kubelet.add(_is_healthy(configuration["kubelet"]))
    containerd = Family("k8s_containerd_answers", "Whether containerd accepts connections.")
    if configuration["containerd"]:
        containerd.add(_accepts(configuration["containerd"]))
    yield from (is_node, kubelet, containerd)


def node(configuration: Configuration) -> Iterator[Family]:
    """Tell what the API says of this node, asked with the kubelet's own credentials."""
    asked = configuration["node"]
    if not (asked and Path(asked["kubeconfig"]).exists()):
        return
    answers = Family("k8s_node_api_answers", "Whether the API answers for this node.")
    conditions = Family("k8s_node_condition", "The node's conditions: 1 for the status that each has.")
    cordoned = Family("k8s_node_unschedulable", "Whether the node takes no new pods.")
    held = Family(
        "k8s_node_hold_until_timestamp_seconds",
        "Until when a hold keeps the node out of service; 0 where none does.",
    )
    try:
        found = _node(asked["name"], Path(asked["kubeconfig"]).read_text(encoding="utf-8"))
    except (OSError, ValueError, http.client.HTTPException) as error:
        print(f"the API does not answer for this node: {error}", file=sys.stderr)
        answers.add(0)
        yield answers
        return
    answers.add(1)
    cordoned.add(bool(found["spec"].get("unschedulable")))
    held.add(_held_until(found, asked["hold"]))
    for condition in found["status"]["conditions"]:
        for status in STATUSES:
            matches = condition["status"].lower() == status
            conditions.add(matches, condition=condition["type"], status=status)
    yield from (answers, conditions, cordoned, held)


def consul(configuration: Configuration) -> Iterator[Family]:
    """Tell what a Consul server sees of the others."""
    url = configuration["consul"]
    if not url:
        return
    leader = Family("k8s_consul_has_leader", "Whether Consul answers on this Consul server and has a leader.")
    members = Family("k8s_consul_members", "How many servers are members of Consul.")
    failed = Family("k8s_consul_member_failed", "1 for each member of Consul that the others miss.")
    only = urllib.parse.urlencode({"filter": 'CheckID == "serfHealth"'})
    try:
        with _opened(f"{url}/health/state/any?{only}") as answer:  # without a leader it is an error
            found = json.load(answer)
    except OSError as error:
        print(f"Consul does not answer: {error}", file=sys.stderr)
        leader.add(0)
        yield leader
        return
    leader.add(1)
    members.add(len(found))
    for check in found:
        if check["Status"] != "passing":
            failed.add(1, member=check["Node"])
    yield from (leader, members, failed)


def highstate(configuration: Configuration) -> Iterator[Family]:
    """Tell when the last highstate came to its end, and how."""
    path = Path(configuration["highstate"])
    if not path.exists():
        return
    said = json.loads(path.read_text(encoding="utf-8"))
    ended = Family("k8s_highstate_ended_timestamp_seconds", "When the last whole highstate came to its end.")
    states = Family("k8s_highstate_states", "How many states the last whole highstate ran.")
    failures = Family("k8s_highstate_failures", "How many states of the last whole highstate failed.")
    unfinished = Family(
        "k8s_highstate_unfinished_timestamp_seconds",
        "When a later highstate began that has not come to its end; 0 where there is none.",
    )
    if said["ended"] is not None:
        ended.add(said["ended"])
        states.add(said["states"])
        failures.add(said["failures"])
    unfinished.add(said["unfinished"] or 0)
    yield from (ended, states, failures, unfinished)


PARTS: tuple[Callable[[Configuration], Iterator[Family]], ...] = (
    certificate_files,
    certificate_ports,
    services,
    runtime,
    node,
    consul,
    highstate,
)


def metrics(configuration: Configuration, before: str) -> str:
    """Return all metrics as text. before: those of the last time, which have when it last succeeded."""
    began = time.time()
    families: list[Family] = []
    failed = Family("k8s_textfile_failed", "Whether a part of the metrics made here could not be made.")
    for part in PARTS:
        try:
            made = list(part(configuration))
        except Exception as error:  # one part must not take the others with it
            print(f"{part.__name__}: {type(error).__name__}: {error}", file=sys.stderr)
            failed.add(1, part=part.__name__)
            continue
        failed.add(0, part=part.__name__)
        families += made
    success = Family(LAST_SUCCESS, "When all metrics made here could be made for the last time; 0 for never.")
    all_made = not any(value for _, value in failed.samples)
    success.add(began if all_made else _last_success(before))
    interval = Family("k8s_textfile_interval_seconds", "Every how many seconds they are to be made again.")
    interval.add(configuration["interval"])
    took = Family("k8s_textfile_duration_seconds", "How long it took to make the metrics made here.")
    took.add(time.time() - began)
    return "".join(family.text() for family in [*families, failed, success, interval, took])


def main(configuration_path: str, target: str) -> int:
    """Make the metrics and put them into place, as a whole; return 0."""
    configuration = json.loads(Path(configuration_path).read_text(encoding="utf-8"))
    goal = Path(target)
    text = metrics(configuration, goal.read_text(encoding="utf-8") if goal.exists() else "")
    draft = goal.with_name(f".{goal.name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(0o644)
    draft.replace(goal)
    return 0


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{shown}}} {value!r}" if shown else f"{name} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _last_success(before: str) -> float:
    found = re.search(rf"^{LAST_SUCCESS} (\S+)$", before, re.MULTILINE)
    return float(found[1]) if found else 0.0


def _certificates(content: bytes) -> Sequence[x509.Certificate]:
    """Return the certificates in a file; none for a key, or what names another file, as kubelet.conf does."""
    inside = re.findall(rb"client-certificate-data: *[\"']?([A-Za-z0-9+/=]+)", content)
    if inside:
        content = b"\n".join(base64.b64decode(text) for text in inside)
    elif b"apiVersion:" in content or (b"PRIVATE KEY-----" in content and b"CERTIFICATE-----" not in content):
        return ()
    return x509.load_pem_x509_certificates(content)


def _expires(certificate: x509.Certificate) -> float:
    return certificate.not_valid_after_utc.timestamp()


def _served(address: str) -> x509.Certificate | None:
    """Return the certificate that an address shows; a handshake that goes no further shows it, too."""
    host, _, port = address.rpartition(":")
    context = _any_certificate()
    try:
        with (
            socket.create_connection((host, int(port)), TIMEOUT) as plain,
            context.wrap_socket(plain) as connection,
        ):
            content = connection.getpeercert(binary_form=True)
    except OSError:
        return None
    return x509.load_der_x509_certificate(content) if content else None


def _any_certificate() -> ssl.SSLContext:
    """Whom it is signed by is not asked here: only when it expires."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _is_node(configuration: Configuration) -> bool:
    return any(Path(path).exists() for path in configuration["node_files"])


def _held_until(node: Mapping[str, Any], annotation: str) -> float:
    """Return until when a node is held; a hold of one that somebody has opened does not count."""
    if not node["spec"].get("unschedulable"):
        return 0.0
    try:
        said = (node["metadata"].get("annotations") or {})[annotation]
        return datetime.fromisoformat(json.loads(said)["until"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return 0.0


def _is_healthy(url: str) -> bool:
    try:
        with _opened(url) as answer:
            return bool(answer.status == http.client.OK)
    except OSError:
        return False


def _opened(url: str) -> Any:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return direct.open(url, timeout=TIMEOUT)


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT)
        try:
            connection.connect(path)
        except OSError:
            return False
    return True


def _node(name: str, kubeconfig: str) -> dict[str, Any]:
    server = urllib.parse.urlsplit(_of_kubeconfig("server", kubeconfig))
    context = ssl.create_default_context()
    authority = base64.b64decode(_of_kubeconfig("certificate-authority-data", kubeconfig))
    context.load_verify_locations(cadata=authority.decode())
    with tempfile.NamedTemporaryFile(suffix=".pem") as both:  # one that rotates while it is read is no pair
        both.write(Path(_of_kubeconfig("client-certificate", kubeconfig)).read_bytes())
        both.flush()
        context.load_cert_chain(both.name)
    connection = http.client.HTTPSConnection(
        server.hostname or "", server.port or 443, timeout=TIMEOUT, context=context
    )
    try:
        connection.request("GET", f"/api/v1/nodes/{urllib.parse.quote(name)}")
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise ValueError(f"it answers {answer.status}")
    found: dict[str, Any] = json.loads(content)
    return found


def _of_kubeconfig(key: str, text: str) -> str:
    found = re.search(rf"^\s*{key}: *[\"']?([^\s\"']+)", text, re.MULTILINE)
    if not found:
        raise ValueError(f"the kubeconfig has no {key}")
    return found[1]


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(*sys.argv[1:]))
