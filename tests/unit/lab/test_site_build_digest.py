"""A digest changes with the content that matters, and with nothing else."""

from pathlib import Path

import pytest
from site_build.digest import digest_of


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "one" / "inner").mkdir(parents=True)
    (tmp_path / "one" / "inner" / "file").write_text("content")
    return tmp_path / "one"


def test_the_place_of_a_tree_does_not_matter(tree: Path) -> None:
    before = digest_of(tree)
    assert digest_of(tree.rename(tree.with_name("two"))) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_text("other"),
        lambda file: file.chmod(0o755),
        lambda file: file.rename(file.with_name("renamed")),
        lambda file: file.with_name("added").touch(),
    ],
)
def test_content_mode_and_names_matter(tree: Path, change) -> None:
    before = digest_of(tree)
    change(tree / "inner" / "file")
    assert digest_of(tree) != before


def test_compiled_python_does_not_matter(tree: Path) -> None:
    before = digest_of(tree)
    (tree / "__pycache__").mkdir()
    (tree / "__pycache__" / "module.pyc").touch()
    assert digest_of(tree) == before


def test_parts_do_not_run_into_each_other(tree: Path) -> None:
    assert digest_of("ab", "c") != digest_of("a", "bc")
    assert digest_of(str(tree)) != digest_of(tree)
