"""What Salt shows of our functions (`sys.doc`, `sys.state_doc`) names every argument and has an example."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
EXAMPLES = {
    "_modules": ("CLI Example:", ".. code-block:: bash"),
    "_states": (".. code-block:: yaml",),
    "_pillar": (),
    "_engines": (),
}


def functions(kind):
    """The functions of a folder that Salt shows, by the name that it has for them."""
    return {
        f"{file.stem}.{node.name}": node
        for file in sorted((CHECKOUT / kind).glob("*.py"))
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


def parameters(function):
    arguments = function.args
    named = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    return [argument.arg for argument in (*named, arguments.vararg, arguments.kwarg) if argument]


def lines(function):
    return (ast.get_docstring(function) or "").splitlines()


def described(function):
    """The names that stand on a line of their own, with something indented below."""
    return {line for line, below in pairwise(lines(function)) if below.startswith("    ")}


every_function = pytest.mark.parametrize(
    ("kind", "function"),
    [
        pytest.param(kind, function, id=f"{kind}/{name}")
        for kind in EXAMPLES
        for name, function in functions(kind).items()
    ],
)


@pytest.mark.parametrize("kind", EXAMPLES)
def test_every_folder_has_functions(kind):
    assert functions(kind)


@every_function
def test_every_parameter_is_described_below_a_line_of_its_own(kind, function):
    assert [name for name in parameters(function) if name not in described(function)] == []


@every_function
def test_there_is_an_example(kind, function):
    assert [mark for mark in EXAMPLES[kind] if mark not in lines(function)] == []


@every_function
def test_the_first_line_is_beside_the_quotes(kind, function):
    shown = ast.get_docstring(function, clean=False) or ""
    assert shown.partition("\n")[0].strip()
