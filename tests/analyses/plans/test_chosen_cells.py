import numpy as np
import xarray as xr

from analyses.plans.chosen_cells import add_chosen_cells, chosen_cell


def table(validation: list, p: list) -> xr.Dataset:
    """One concept and field, two sites, a trained network and two controls."""
    dims = ("concept", "receptive_field", "source", "site", "tick")
    values = np.array(validation, float)[None, None, :, :, None]
    return xr.Dataset(
        {
            "validation": (dims, values),
            "p_value": ((*dims[:2], *dims[3:]), np.array(p, float)[None, None, :, None]),
            "found": ("concept", [True]),
        },
        {
            "concept": ["plan"],
            "receptive_field": [1],
            "source": ["trained", "untrained", "shuffled"],
            "site": ["b", "a"],
            "tick": [-1],
        },
    )


def test_the_cell_is_the_one_that_training_levels_like_best():
    # Site b scores .9 over .8, site a .7 over .2; shuffled labels are no rival.
    both = table([[0.9, 0.7], [0.8, 0.2], [0.1, 0.9]], [0.001, 0.2])
    result = add_chosen_cells(both)
    assert chosen_cell(result.isel(concept=0, receptive_field=0)) == {"site": 1, "tick": 0}
    assert result.chosen_p_holm.item() == 0.2 and not bool(result.found.item())
    assert int(result.chosen.sum()) == 1


def test_of_several_that_tie_there_is_one():
    result = add_chosen_cells(table([[0.5, 0.5], [0.2, 0.2], [0.1, 0.1]], [0.01, 0.01]))
    assert int(result.chosen.sum()) == 1 and bool(result.found.item())
    assert chosen_cell(result.isel(concept=0, receptive_field=0)) == {"site": 0, "tick": 0}


def test_without_held_out_levels_the_verdict_stays():
    result = add_chosen_cells(table([[np.nan] * 2] * 3, [0.001, 0.2]))
    assert bool(result.found.item()) and not bool(result.chosen.any())
    assert chosen_cell(result.isel(concept=0, receptive_field=0)) is None
