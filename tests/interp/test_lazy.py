"""Public names stay what they are, whichever module is imported first."""

import subprocess
import sys

import pytest

import analyses
import interp
import organisms


@pytest.mark.parametrize("package", [interp, organisms, analyses])
def test_names_are_the_same_each_time(package):
    for name in package.__all__:
        first = getattr(package, name)
        assert getattr(package, name) is first


@pytest.mark.parametrize("path", ["plans.plan_probes", "thinking.thinking_time", "study.study"])
def test_a_name_spelt_like_its_module_is_never_the_module(path):
    name = path.rpartition(".")[2]
    program = (
        f"import importlib, analyses\n"
        f"module = importlib.import_module('analyses.{path}')\n"
        f"assert analyses.{name} is module.{name}\n"
        f"from analyses import {name}\n"
        f"assert {name} is module.{name}\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_typo_names_the_nearest():
    with pytest.raises(AttributeError, match="open_store"):
        interp.opn_store  # noqa: B018
