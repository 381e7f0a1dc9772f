"""Fencing numbers, and the fingerprint by which stale code is found."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from k8s_lifecycle import code, fencing


class TestFencing:
    def test_numbers_only_grow(self, tmp_path):
        assert fencing.current(tmp_path) == 0
        for number in (3, 3, 5):
            fencing.admit(number, tmp_path)
        assert fencing.current(tmp_path) == 5

    def test_a_lower_one_is_refused_and_changes_nothing(self, tmp_path):
        fencing.admit(5, tmp_path)
        with pytest.raises(fencing.SupersededError, match="superseded: a later run has the fencing number 5"):
            fencing.admit(4, tmp_path)
        assert fencing.current(tmp_path) == 5

    def test_the_highest_wins_whoever_comes_first(self, tmp_path):
        def admit(number):
            try:
                fencing.admit(number, tmp_path)
            except fencing.SupersededError:
                return

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(admit, range(1, 60)))
        assert fencing.current(tmp_path) == 59

    def test_a_file_that_is_no_number_is_named(self, tmp_path):
        (tmp_path / "fence").write_text("x\n")
        with pytest.raises(ValueError, match=f"{tmp_path}/fence"):
            fencing.admit(1, tmp_path)


class TestFingerprint:
    def tree(self, root, prefix, body="1"):
        files = {
            "modules/k8s_server.py": "2",
            "states/k8s_node.py": "3",
            "utils/k8s_lifecycle/__init__.py": "",
            "utils/k8s_lifecycle/model/spec.py": body,
        }
        for path, text in files.items():
            file = root / f"{prefix}{path}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return root / f"{prefix}utils"

    def test_sources_and_copy_are_alike(self, tmp_path):
        sources, copy = self.tree(tmp_path / "sources", "_"), self.tree(tmp_path / "copy", "")
        (copy / "k8s_lifecycle/__pycache__").mkdir()
        (copy / "k8s_lifecycle/__pycache__/spec.cpython-311.pyc").write_text("x")
        (copy.parent / "modules/site.py").write_text("not ours")
        assert code.fingerprint(sources) == code.fingerprint(copy)

    def test_any_change_shows(self, tmp_path):
        one, other = self.tree(tmp_path / "one", ""), self.tree(tmp_path / "other", "", body="2")
        assert code.fingerprint(one) != code.fingerprint(other)
        (one / "k8s_lifecycle/model/spec.py").rename(one / "k8s_lifecycle/model/specs.py")
        assert code.fingerprint(one) != code.fingerprint(other)

    def test_this_checkout_has_one(self):
        assert len(code.fingerprint()) == 16
