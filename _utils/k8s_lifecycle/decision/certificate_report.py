"""What every certificate of a cluster is, as plain data for people and programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from k8s_lifecycle.model.certificates import DAY, Certificate, Pki

Report = dict[str, Any]


def report(pkis: Mapping[str, Pki], unread: Mapping[str, str], now: float, warn: float) -> Report:
    """Return all certificates, what expires first before the others, and what to know about them.

    unread: why the certificates of a server are not known. warn: for how many seconds ahead an expiry is
    a warning.
    """
    rows = [
        _row(server, certificate, now)
        for server, pki in pkis.items()
        for certificate in (*pki.files, *pki.served)
    ]
    rows.sort(key=lambda row: (row["expires"], row["server"], row["where"]))
    warnings = [warning for server, pki in pkis.items() for warning in _warnings(server, pki, now, warn)]
    return {
        "certificates": rows,
        "warnings": [*warnings, *(f"{server}: {why}" for server, why in sorted(unread.items()))],
        "external": {server: list(pki.external) for server, pki in pkis.items() if pki.external},
    }


def _row(server: str, certificate: Certificate, now: float) -> dict[str, Any]:
    return {
        "server": server,
        "name": certificate.name,
        "where": certificate.where,
        "expires": datetime.fromtimestamp(certificate.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "days": round((certificate.expires - now) / DAY, 1),
        "authority": certificate.authority,
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "sans": list(certificate.sans),
        "fingerprint": certificate.fingerprint,
    }


def _warnings(server: str, pki: Pki, now: float, warn: float) -> Iterator[str]:
    for one in (*pki.files, *pki.served):
        if one.error:
            yield f"{server}: {one.where}: {one.error}"
        elif one.expires <= now:
            yield f"{server}: {one.where} has expired"
        elif one.expires - now < warn:
            yield f"{server}: {one.where} expires in {(one.expires - now) / DAY:.1f} days"
        if not one.whole and not one.error:
            yield f"{server}: {one.where} does not match its key, or is not of the cluster's CA"
    for stale in pki.stale():
        yield f"{server}: {stale} runs with a certificate from before"
    if pki.files and (needs := pki.kubelet_needs(now)):
        yield f"{server}: its kubelet: {needs}"
    if pki.staged:
        yield f"{server}: a renewal was cut off"
