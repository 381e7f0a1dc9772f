"""Every command of the operator's guide, typed in its order on a running cluster."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from lab_session import ROOT, Lab

GUIDES = sorted((ROOT / "docs/operations").glob("*.md"))
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
FAULT = 3


@pytest.mark.parametrize("guide", GUIDES, ids=[guide.stem for guide in GUIDES])
def test_every_command_of_a_guide_does_what_it_says(
    demo: Lab, provisioned: dict[str, Any], guide: Any
) -> None:
    lines = [line for block in BLOCK.findall(guide.read_text()) for line in block.splitlines()]
    assert lines
    for line in lines:
        command, *words = shlex.split(line)
        said = demo(command, *words, check=False)
        acts = "test=True" not in words
        assert said.returncode in ((0,) if acts else (0, 1)), f"{line}: {said.stdout}{said.stderr}"
        assert "Traceback" not in said.stderr, line
