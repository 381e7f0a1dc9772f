"""Options of the simulation."""

import pytest


def pytest_addoption(parser):
    parser.addoption("--seeds", type=int, default=150, help="how many scenarios of faults by chance to play")
    parser.addoption("--seed", type=int, default=None, help="the one scenario of faults by chance to play")
    parser.addoption("--point", type=int, default=None, help="the one event at which to kill or to cut")


@pytest.fixture
def point(request):
    return request.config.getoption("--point", default=None)
