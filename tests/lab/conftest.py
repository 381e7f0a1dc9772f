"""Real clusters on the lab's real servers.

Where the machine cannot run the lab these tests are skipped with the lab's own reason; in CI, where nothing
may be left out, that is a failure.
"""

from __future__ import annotations

import os

import pytest
from lab_session import Lab


@pytest.fixture(scope="session")
def built() -> Lab:
    """The lab, with everything that it serves built."""
    lab = Lab()
    done = lab("build", check=False, timeout=4500)
    if done.returncode:
        said = (done.stdout + done.stderr)[-3000:]
        if os.environ.get("CI"):
            pytest.fail(f"the lab cannot be built here, and in CI nothing may be left out:\n{said}")
        pytest.skip(f"the lab cannot run here: {said}")
    return lab
