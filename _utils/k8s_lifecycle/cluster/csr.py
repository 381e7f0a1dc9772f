"""Which certificate signing requests are in order: pure decisions over the API's objects.

https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING = "kubernetes.io/kubelet-serving"

_NODES = "system:nodes"
_NODE = "system:node:"
_NODES_GROUP = x509.NameAttribute(NameOID.ORGANIZATION_NAME, _NODES)
_OPTIONAL_USAGE = "key encipherment"  # that of RSA keys

Csr = Mapping[str, Any]


def pending(csr: Csr) -> bool:
    """Whether nobody has decided on a request yet."""
    return not csr.get("status", {}).get("conditions")


def comes_by(csr: Csr, token_id: str) -> bool:
    """Whether a request comes from the holder of a bootstrap token."""
    return bool(csr["spec"]["username"] == f"system:bootstrap:{token_id}")


def node_of(csr: Csr) -> str:
    """Return the node that sent a request; empty if it was no node."""
    name: str = csr["spec"]["username"]
    return name.removeprefix(_NODE) if name.startswith(_NODE) else ""


def objections_to_client(csr: Csr, token_id: str, node: str) -> list[str]:
    """Return why an admitted server may not get this client certificate; nothing if it may."""
    request = _parsed(csr)
    if request is None:
        return ["it is no valid certificate signing request"]
    return [
        *_wrong_signer(csr, CLIENT),
        *([] if comes_by(csr, token_id) else [f"it comes from {csr['spec']['username']}"]),
        *_wrong_subject(request, _of_node(node)),
        *_wrong_usages(csr, "client auth"),
        *(["it names hosts"] if _names(request) else []),
    ]


def objections_to_serving(csr: Csr, addresses: Mapping[str, Collection[str]]) -> list[str]:
    """Return why a kubelet may not get this serving certificate; nothing if it may.

    addresses: what was recorded of each node when its server was admitted.
    """
    request, node = _parsed(csr), node_of(csr)
    if request is None:
        return ["it is no valid certificate signing request"]
    if node not in addresses:
        return [f"it comes from {csr['spec']['username']}, which is no node that was admitted"]
    return [
        *_wrong_signer(csr, SERVING),
        *([] if _NODES in csr["spec"].get("groups", ()) else [f"who sent it is not in {_NODES}"]),
        *_wrong_subject(request, _of_node(node)),
        *_wrong_usages(csr, "server auth"),
        *_wrong_names(request, node, addresses[node]),
    ]


def objections_to_user(csr: Csr, user: str) -> list[str]:
    """Return why a request is not one for a user of this name, in no group; nothing if it is."""
    request = _parsed(csr)
    if request is None:
        return ["it is no valid certificate signing request"]
    return [
        *_wrong_subject(request, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user)])),
        *(["it names hosts"] if _names(request) else []),
    ]


def _parsed(csr: Csr) -> x509.CertificateSigningRequest | None:
    try:
        request = x509.load_pem_x509_csr(base64.b64decode(csr["spec"]["request"]))
        _names(request)
    except (ValueError, KeyError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None
    return request if request.is_signature_valid else None


def _wrong_signer(csr: Csr, wanted: str) -> Iterator[str]:
    found = csr["spec"].get("signerName")
    if found != wanted:
        yield f"its signer is {found}, not {wanted}"


def _of_node(node: str) -> x509.Name:
    return x509.Name([_NODES_GROUP, x509.NameAttribute(NameOID.COMMON_NAME, f"{_NODE}{node}")])


def _wrong_subject(request: x509.CertificateSigningRequest, wanted: x509.Name) -> Iterator[str]:
    found = request.subject
    if len(found) != len(wanted) or set(found) != set(wanted):
        yield f"its subject is {found.rfc4514_string()}, not {wanted.rfc4514_string()}"


def _wrong_usages(csr: Csr, wanted: str) -> Iterator[str]:
    found = set(csr["spec"].get("usages", ()))
    if found - {_OPTIONAL_USAGE} != {"digital signature", wanted}:
        yield f"its usages are {', '.join(sorted(found))}, not digital signature and {wanted}"


def _names(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    try:
        return list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def _wrong_names(
    request: x509.CertificateSigningRequest, node: str, addresses: Collection[str]
) -> Iterator[str]:
    names = _names(request)
    if not names:
        yield "it names no host"
    for name in names:
        if isinstance(name, x509.DNSName):
            if name.value != node:
                yield f"it names the host {name.value}, which is not {node}"
        elif isinstance(name, x509.IPAddress):
            if str(name.value) not in addresses:
                yield f"it names {name.value}, and {node} was admitted with {', '.join(sorted(addresses))}"
        else:
            yield f"it names {name.value}, which is neither a host nor an address"
