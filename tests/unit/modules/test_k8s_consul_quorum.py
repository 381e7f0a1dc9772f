"""What a Consul server says of autopilot, also in a leader's first moments."""

from __future__ import annotations

import pytest

from k8s_lifecycle.discovery import quorum
from k8s_lifecycle.discovery.agent import AgentError


class Refuses:
    """An agent that refuses to answer."""

    def __init__(self, said):
        self._said = said

    def get(self, path):
        raise AgentError(f"GET {path}: 500 {self._said}", 500)


def test_before_autopilot_has_begun_there_is_nothing_to_change():
    assert quorum.autopilot(Refuses("autopilot config not initialized yet")) == {}


def test_another_refusal_is_told():
    with pytest.raises(AgentError, match="500 No cluster leader"):
        quorum.autopilot(Refuses("No cluster leader"))
