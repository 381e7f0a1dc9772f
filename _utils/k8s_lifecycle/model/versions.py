"""Kubernetes versions: their order, and what belongs to which.

Sources: https://kubernetes.io/releases/version-skew-policy/ and
https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/create-cluster-kubeadm/#version-skew-policy
"""

import re
from dataclasses import dataclass

OLDEST_SUPPORTED_MINOR = 34

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
