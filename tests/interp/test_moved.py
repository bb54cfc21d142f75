"""Modules are found under the names of version 0.1, as the same objects."""

from importlib import import_module

import pytest

import analyses.moved
import interp.moved
import organisms.moved
from interp.moved import new_name

MOVED = interp.moved.MOVED | organisms.moved.MOVED | analyses.moved.MOVED


@pytest.mark.parametrize("old", MOVED)
def test_every_old_name_leads_to_a_module_of_today(old):
    assert import_module(MOVED[old]).__name__ == MOVED[old]


@pytest.mark.filterwarnings("default:.* is now .*:DeprecationWarning")
@pytest.mark.parametrize(
    ("old", "name"),
    [
        ("interp.hooks", "SitePoint"),
        ("organisms.sokoban.levels", "parse_levels"),  # inside a folder that moved
        ("analyses.plan_probes", "plan_probes"),  # spelt like the public function
        ("interp.store_write", "StoreWriter"),
    ],
)
def test_old_and_new_are_one_module(old, name):
    with pytest.warns(DeprecationWarning, match=f"{old.split('.')[0]}.* is now "):
        import sys

        sys.modules.pop(old, None)
        before = import_module(old)
    today = import_module(new_name(old))
    assert before is today and getattr(before, name) is getattr(today, name)
    assert today.__spec__.name == new_name(old)


def test_what_did_not_move_is_left_alone():
    assert new_name("interp.errors") is None and new_name("numpy.linalg") is None
    with pytest.raises(ModuleNotFoundError):
        import_module("interp.no_such_module")
