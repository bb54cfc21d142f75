"""A change leads to the tests of its room."""

import pytest

from tests.lanes import ALWAYS, ROOT, lane


@pytest.mark.parametrize(
    ("changed", "test"),
    [
        ("interp/style.py", "tests/interp/test_style.py"),
        ("analyses/plans/plan_probes.py", "tests/analyses/plans/test_plan_probes.py"),
        ("interp/store/encode.py", "tests/interp/store"),  # no test of its own: its room's
        ("organisms/families/sokoban/levels.py", "tests/organisms/families/sokoban/test_levels.py"),
        ("organisms/families/bandits/world.py", "tests/organisms/families/bandits"),
        ("tests/test_cli.py", "tests/test_cli.py"),
    ],
)
def test_a_change_leads_to_its_tests(changed, test):
    found = lane([changed])
    assert test in found and set(ALWAYS) <= set(found)
    assert all((ROOT / name).exists() for name in found)


def test_a_room_holds_its_tests_once_and_what_is_no_code_has_none():
    assert (
        lane(["interp/store/encode.py", "tests/interp/store/test_store.py"])[0]
        == "tests/interp/store"
    )
    assert len(lane(["interp/store/encode.py", "interp/store/lock.py"])) == 1 + len(ALWAYS)
    assert lane(["README.md", "data/organisms/x/card.json"]) == list(ALWAYS)
