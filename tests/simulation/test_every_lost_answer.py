"""Each answer of a provision is lost once on the simulated bus, or comes when nobody waits for it any more.

The servers have done what they were asked: a run may fail then, but never wrongly, and the next one ends it.
"""

import itertools
from functools import partial

import pytest
from simulator import sweep
from simulator.fleet import Fate
from simulator.scenario import Datacenter, Shape, assert_converged

SHAPE = Shape(3, 2)
AGAIN = "pytest tests/simulation/test_every_lost_answer.py -k {} --point POINT"
FATES = {"lost": Fate(lost=True), "late": Fate(late=1000)}


def calls():
    """How many calls a run makes in which nothing goes wrong."""
    datacenter = Datacenter(SHAPE)
    fleet = datacenter.fleet()
    assert datacenter.provision(fleet).ok
    return len(fleet.calls)


def hurt(fate, number):
    datacenter = Datacenter(SHAPE)
    numbers = itertools.count()
    fates = lambda call: fate if next(numbers) == number else Fate()  # noqa: E731
    report = datacenter.provision(datacenter.fleet(fates=fates))
    if not report.ok:
        datacenter.outlive_locks()
        report = datacenter.provision()
    assert report.ok, report.to_dict()
    assert_converged(datacenter, after=300)


@pytest.mark.parametrize("how", FATES)
def test_each_answer_goes_astray_once(how, point):
    points = range(calls()) if point is None else [point]
    sweep.assert_none(sweep.each(partial(hurt, FATES[how]), points), AGAIN.format(how))
