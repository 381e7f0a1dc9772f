"""Kubernetes versions: order, which may meet in one cluster, how to get from one to another.

Sources: https://kubernetes.io/releases/version-skew-policy/ and
https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/create-cluster-kubeadm/#version-skew-policy
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

OLDEST_SUPPORTED_MINOR = 34
KUBELET_MINORS_BEHIND = 3

# kubeadm's own choice: `PauseVersion` in cmd/kubeadm/app/constants. A wrong one costs a second image.
_PAUSE_BY_MINOR = {34: "3.10.1", 35: "3.10.1"}
_PAUSE_SINCE = "3.10.2"


@dataclass(frozen=True, order=True)
class Version:
    """A released Kubernetes version."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> "Version":
        """Return the version in '1.37.2' or 'v1.37.2'; raise ValueError for anything else."""
        match = re.fullmatch(r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", text)
        if match is None:
            raise ValueError(f"'{text}' is not a version such as 1.37.2")
        return cls(*(int(part) for part in match.groups()))

    def __str__(self) -> str:
        """Return the version as package versions and specs have it."""
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def line(self) -> str:
        """Return the minor release, such as '1.37'."""
        return f"{self.major}.{self.minor}"

    @property
    def supported(self) -> bool:
        """Whether this product can manage clusters of this version."""
        return self.major == 1 and self.minor >= OLDEST_SUPPORTED_MINOR

    @property
    def pause(self) -> str:
        """Return the tag of the pause image that belongs to this version."""
        return _PAUSE_BY_MINOR.get(self.minor, _PAUSE_SINCE)


def kubelet_skew(kubelet: Version, apiserver: Version) -> str | None:
    """Return why a kubelet may not talk to an API server, or None if it may.

    A kubelet is never newer than the API server and at most three minors older. The policy has no order for
    patches; this product keeps kubelets at or below the API server's, so that an upgrade has one direction.
    """
    if kubelet > apiserver:
        return f"kubelet {kubelet} is newer than the API server {apiserver}"
    if kubelet.major != apiserver.major or apiserver.minor - kubelet.minor > KUBELET_MINORS_BEHIND:
        return (
            f"kubelet {kubelet} is over {KUBELET_MINORS_BEHIND} minors older than the API server {apiserver}"
        )
    return None


def control_plane_skew(apiservers: Iterable[Version]) -> str | None:
    """Return why API servers may not run side by side, or None if they may: at most one minor apart."""
    versions = sorted(apiservers)
    if versions and (versions[0].major != versions[-1].major or versions[-1].minor - versions[0].minor > 1):
        return f"API servers {versions[0]} and {versions[-1]} are more than one minor apart"
    return None


def upgrade_objection(current: Version, target: Version) -> str | None:
    """Return why kubeadm cannot upgrade a control plane in one go, or None: forwards, at most one minor."""
    if target < current:
        return f"{target} is older than the running {current}: Kubernetes cannot be downgraded"
    if target.major != current.major or target.minor - current.minor > 1:
        following = f"{current.major}.{current.minor + 1}"
        return f"{target} skips minors: from {current} kubeadm goes to a {following} first"
    return None
