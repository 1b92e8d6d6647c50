"""One version, said once."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

import bulkstart
from bulkstart.version import VERSION
from tests.conftest import ROOT


def test_the_build_finds_the_version_where_it_looks_for_it():
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["version"]
    found = re.findall(hatch["pattern"], (ROOT / hatch["path"]).read_text(encoding="utf-8"))
    assert found == [VERSION]


def test_the_package_and_what_is_installed_say_the_same_version():
    assert bulkstart.__version__ == VERSION
    installed = [one.version for one in metadata.distributions(name="bulkstart")]
    assert set(installed) <= {VERSION}


def test_it_is_a_plain_version_that_sorts():
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", VERSION)
