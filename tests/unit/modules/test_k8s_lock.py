"""The lock on a server and in the API: one holder, expiry by durations, no fencing by who does not get it."""

from datetime import UTC, datetime

import pytest

from k8s_lifecycle import fencing
from k8s_lifecycle.cluster import lease
from k8s_lifecycle.cluster.api import ConflictError
from k8s_lifecycle.server import lock_file
from k8s_lifecycle.server.lock_file import Lock, Moment

START = Moment("boot-1", 1000.0, 50_000.0)


def after(seconds, boot="boot-1", wall=None):
    return Moment(boot, START.since_boot + seconds, START.epoch + (seconds if wall is None else wall))


def wanted(holder, fence=1, at=START, ttl=60.0, cluster="dc1-prod"):
    return Lock(cluster, holder, fence, ttl, at)


class FakeApi:
    """One lease object with Kubernetes' compare-and-set."""

    def __init__(self, lease_object=None):
        self.object, self.version, self.meanwhile = lease_object, 1, None

    def find(self, path):
        return self.object and {
            **self.object,
            "metadata": {**self.object["metadata"], "resourceVersion": str(self.version)},
        }

    def create(self, path, manifest):
        self._store(manifest, self.object is None)

    def replace(self, path, manifest):
        self._store(manifest, manifest["metadata"]["resourceVersion"] == str(self.version))

    def _store(self, manifest, unchanged):
        if self.meanwhile:
            self.object, self.meanwhile, self.version = self.meanwhile, None, self.version + 1
            unchanged = False
        if not unchanged:
            raise ConflictError(409, "Conflict", "it changed")
        self.object, self.version = manifest, self.version + 1


class TestLockFile:
    def test_the_first_one_gets_it(self, tmp_path):
        assert lock_file.acquire(wanted("run a"), tmp_path).holder == "run a"

    def test_the_second_one_sees_who_has_it(self, tmp_path):
        lock_file.acquire(wanted("run a"), tmp_path)
        found = lock_file.acquire(wanted("run b", at=after(59)), tmp_path)
        assert (found.holder, found.seconds_left(after(59))) == ("run a", 1)

    def test_the_holder_renews_it(self, tmp_path):
        lock_file.acquire(wanted("run a"), tmp_path)
        lock_file.acquire(wanted("run a", at=after(50)), tmp_path)
        assert lock_file.acquire(wanted("run b", at=after(100)), tmp_path).holder == "run a"

    def test_an_expired_one_is_free(self, tmp_path):
        lock_file.acquire(wanted("run a"), tmp_path)
        assert lock_file.acquire(wanted("run b", at=after(61)), tmp_path).holder == "run b"

    def test_setting_the_clock_does_not_shorten_or_lengthen_it(self, tmp_path):
        lock_file.acquire(wanted("run a"), tmp_path)
        assert lock_file.held(tmp_path, after(30, wall=9999)).holder == "run a"
        assert lock_file.held(tmp_path, after(61, wall=-9999)) is None

    def test_after_a_reboot_the_wall_clock_counts(self, tmp_path):
        lock_file.acquire(wanted("run a"), tmp_path)
        assert lock_file.held(tmp_path, after(-900, boot="boot-2", wall=30)).holder == "run a"
        assert lock_file.held(tmp_path, after(-900, boot="boot-2", wall=61)) is None

    def test_one_lock_for_all_clusters_of_a_server(self, tmp_path):
        lock_file.acquire(wanted("run a"), tmp_path)
        assert lock_file.acquire(wanted("run a", cluster="dc1-test"), tmp_path).cluster == "dc1-prod"

    def test_only_the_holder_gives_it_back(self, tmp_path):
        lock_file.acquire(wanted("run a"), tmp_path)
        assert not lock_file.release("dc1-prod", "run b", tmp_path)
        assert lock_file.release("dc1-prod", "run a", tmp_path)
        assert not lock_file.release("dc1-prod", "run a", tmp_path)
        assert lock_file.held(tmp_path, START) is None

    def test_taking_it_fences_nobody_off(self, tmp_path):
        lock_file.acquire(wanted("run a", fence=7), tmp_path)
        assert fencing.current(tmp_path) == 0

    def test_is_for_root_only(self, tmp_path):
        lock_file.acquire(wanted("run a"), tmp_path)
        assert (tmp_path / "lock-dc1-prod.json").stat().st_mode & 0o777 == 0o600


class TestLease:
    @pytest.fixture
    def api(self):
        return FakeApi()

    def test_the_first_one_gets_it(self, api):
        assert lease.acquire(api, "run a", 3, 60).holder == "run a"
        assert lease.claim(lease.find(api)).fence == 3

    def test_the_second_one_sees_who_has_it(self, api):
        lease.acquire(api, "run a", 3, 60)
        assert lease.acquire(api, "run b", 4, 60).holder == "run a"
        assert lease.claim(lease.find(api)).fence == 3

    def test_renewing_keeps_the_time_it_was_taken(self, api):
        lease.acquire(api, "run a", 3, 60)
        taken = api.object["spec"]["acquireTime"]
        lease.acquire(api, "run a", 3, 60)
        assert api.object["spec"]["acquireTime"] == taken
        assert api.object["spec"]["leaseTransitions"] == 1

    def test_an_expired_one_is_taken_over(self, api):
        lease.acquire(api, "run a", 3, 60)
        api.object["spec"]["renewTime"] = datetime.fromtimestamp(0, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        assert lease.acquire(api, "run b", 4, 60).holder == "run b"
        assert api.object["spec"]["leaseTransitions"] == 2

    def test_who_loses_the_race_sees_the_winner(self, api):
        lease.acquire(api, "run a", 3, 60)
        winner = api.object
        api.object, api.meanwhile = None, winner
        assert lease.acquire(api, "run b", 4, 60).holder == "run a"

    def test_giving_it_back_keeps_the_fencing_number(self, api):
        lease.acquire(api, "run a", 3, 60)
        assert lease.release(api, "run a")
        assert lease.claim(lease.find(api)) is None
        assert api.object["metadata"]["annotations"][lease.FENCE] == "3"

    def test_only_the_holder_gives_it_back(self, api):
        lease.acquire(api, "run a", 3, 60)
        assert not lease.release(api, "run b")
        assert lease.claim(lease.find(api)).holder == "run a"

    def test_nobody_holds_what_does_not_exist(self, api):
        assert lease.claim(lease.find(api)) is None
        assert not lease.release(api, "run a")
