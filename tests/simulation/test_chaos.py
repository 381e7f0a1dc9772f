"""Simulated scenarios of faults by chance: cuts, silence, restarts, lost answers, frozen and dead masters."""

from simulator import sweep
from simulator.chaos import Chaos
from simulator.scenario import assert_converged
from simulator.stage import Stage

RUNS_AFTERWARDS = 3
REST = 180.0


def play(seed):
    """Play one scenario: while the trouble lasts anything may fail, but once it is over provision ends it."""
    chaos = Chaos(seed)
    datacenter = chaos.datacenter
    try:
        Stage(datacenter.world, chaos.parts()).play()
        while datacenter.world.now < chaos.calm:
            chaos.again()
            datacenter.world.clock.advance(REST / 6)
        datacenter.world.clock.advance(REST)
        report = datacenter.converge(RUNS_AFTERWARDS)[-1]
        assert report.ok, report.to_dict()
        assert_converged(datacenter, after=REST)
    except Exception as error:
        error.add_note("; ".join(chaos.trouble))
        raise


def test_whatever_happens_provision_ends_with_the_cluster(request):
    seed = request.config.getoption("--seed", default=None)
    if seed is not None:
        play(seed)
        return
    found = sweep.each(play, range(request.config.getoption("--seeds", default=150)))
    sweep.assert_none(found, "pytest tests/simulation/test_chaos.py --seed SEED")
