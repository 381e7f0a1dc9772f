"""Sealed boxes: a message that only the holder of one private key can open, for one stated purpose.

X25519 with a fresh sender key, HKDF-SHA256, ChaCha20-Poly1305. What the box is for (the label) travels in
clear and is authenticated: a box that was relabelled, tampered with or is out of date does not open.
"""

from __future__ import annotations

import base64
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from k8s_lifecycle.errors import HostError

PURPOSE = "k8s-lifecycle admission v1"
CLOCK_SKEW = 60.0


class SealError(HostError):
    """A box that cannot be opened, with the reason."""


@dataclass(frozen=True)
class Label:
    """What a box is for: it opens for this minion, cluster and role only, until `expires` (epoch seconds).

    purpose: what kind of box it is. For a token of Consul, cluster is the datacenter.
    """

    minion: str
    cluster: str
    role: str
    expires: int
    purpose: str = PURPOSE

    def authenticated(self) -> bytes:
        """Return the bytes that the cipher authenticates."""
        return json.dumps(asdict(self), sort_keys=True).encode()


def new_private_key() -> bytes:
    """Return a new private key."""
    return X25519PrivateKey.generate().private_bytes_raw()


def public_key(private: bytes) -> str:
    """Return the public half of a private key, as text."""
    return _text(X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw())


def seal(message: bytes, public: str, label: Label) -> str:
    """Return a box with `message` that only the private half of `public` opens."""
    try:
        recipient = X25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
    except ValueError as error:
        raise SealError(
            f"{public!r} is no X25519 public key ({error}): ask the server for a new one"
        ) from error
    sender = X25519PrivateKey.generate()
    sender_public = sender.public_key().public_bytes_raw()
    nonce = os.urandom(12)
    cipher = _cipher(sender.exchange(recipient), sender_public, recipient.public_bytes_raw())
    return _text(
        json.dumps(
            {
                "label": asdict(label),
                "sender": _text(sender_public),
                "nonce": _text(nonce),
                "sealed": _text(cipher.encrypt(nonce, message, label.authenticated())),
            }
        ).encode()
    )


def unseal(
    box: str, private: bytes, minion: str, cluster: str, now: float | None = None, *, purpose: str = PURPOSE
) -> tuple[bytes, Label]:
    """Return the message in a box and its label, if it was sealed to this key, minion, cluster and purpose.

    Raises: `SealError` with the reason.
    """
    label, sender, nonce, sealed = _parse(box)
    _check(
        label, Label(minion, cluster, label.role, label.expires, purpose), time.time() if now is None else now
    )
    key = X25519PrivateKey.from_private_bytes(private)
    try:
        shared = key.exchange(X25519PublicKey.from_public_bytes(sender))
        cipher = _cipher(shared, sender, key.public_key().public_bytes_raw())
        return cipher.decrypt(nonce, sealed, label.authenticated()), label
    except (InvalidTag, ValueError) as error:
        raise SealError(
            "the box was sealed to another key, or changed on its way: ask for a new admission"
        ) from error


def _parse(box: str) -> tuple[Label, bytes, bytes, bytes]:
    try:
        content: dict[str, Any] = json.loads(base64.b64decode(box, validate=True))
        parts = [base64.b64decode(content[name], validate=True) for name in ("sender", "nonce", "sealed")]
        label = Label(**content["label"])
        return replace(label, expires=int(label.expires)), parts[0], parts[1], parts[2]
    except (ValueError, KeyError, TypeError) as error:
        raise SealError("this is no sealed box, or only a part of one: ask for a new admission") from error


def _check(label: Label, asked: Label, now: float) -> None:
    if label.purpose != asked.purpose:
        raise SealError(f"the box is for {label.purpose!r}, not for {asked.purpose!r}")
    if label.minion != asked.minion:
        raise SealError(f"the box admits {label.minion}, this is {asked.minion}")
    if label.cluster != asked.cluster:
        raise SealError(
            f"the box admits to cluster {label.cluster}, this server asked to join {asked.cluster}"
        )
    if now > label.expires + CLOCK_SKEW:
        late = now - label.expires
        raise SealError(
            f"the admission expired {late:.0f} s ago: ask for a new one (or set this server's clock)"
        )


def _cipher(shared: bytes, sender: bytes, recipient: bytes) -> ChaCha20Poly1305:
    """Bind the key to both public keys, as HPKE (RFC 9180) does, so that neither can be exchanged."""
    key = HKDF(hashes.SHA256(), 32, salt=None, info=PURPOSE.encode() + sender + recipient).derive(shared)
    return ChaCha20Poly1305(key)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
