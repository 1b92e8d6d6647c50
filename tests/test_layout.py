"""Every module has tests of its own name, so that a fact is looked for in one place."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT

PACKAGE, TESTS = ROOT / "bulkstart", ROOT / "tests"
WITHOUT = {"__init__", "__main__"}
MODULES = sorted(path.stem for folder in (PACKAGE, PACKAGE / "gateways", PACKAGE / "notebook") for path in folder.glob("*.py"))


@pytest.mark.parametrize("module", sorted(set(MODULES) - WITHOUT))
def test_a_module_has_tests_of_its_name(module):
    own = TESTS / f"test_{module}.py"
    assert own.is_file(), f"tests/test_{module}.py is missing"
    assert "def test_" in own.read_text(encoding="utf-8")


def test_no_two_modules_need_the_same_name_of_tests():
    named = [module for module in MODULES if module not in WITHOUT]
    assert len(named) == len(set(named))
