import numpy as np
import pytest

from interp.errors import InputError
from organisms.capabilities.accommodation import Accommodation
from organisms.card import Card
from organisms.families.sokoban.boards import on_board, resized
from organisms.families.sokoban.levels import parse_levels
from organisms.networks.build import network_record
from organisms.networks.drc import DRC, ConvConfig, DRCConfig
from organisms.networks.resnet import ResNet, ResNetConfig
from organisms.organism import Organism

SMALL = "#####\n#@$.#\n#####"
LARGE = "#########\n#@$ .   #\n#       #\n#       #\n#       #\n#       #\n#########"


def organism(head_pool: str) -> Organism:
    network = DRC(
        DRCConfig(
            n_layers=2,
            n_ticks=1,
            channels=4,
            encoder=(ConvConfig(4, (3, 3)),),
            board=(5, 6),
            head_pool=head_pool,
            mlp_hiddens=(8,),
        ),
        seed=2,
    )
    return of(network)


def of(network) -> Organism:
    card = Card(
        name="tiny",
        family="sokoban",
        summary="Untrained; for tests.",
        network=network_record(network),
        world={"max_steps": 6},
    )
    return Organism(network, card)


def test_padding_keeps_the_level_in_the_middle():
    padded = on_board(parse_levels(SMALL), (5, 8))
    assert padded.tiles.shape == (1, 5, 8)
    assert padded.texts[0].splitlines()[2] == "##@$.###"
    assert padded.n_boxes.tolist() == [1] and padded.ids == parse_levels(SMALL).ids
    exact = parse_levels(SMALL)
    assert on_board(exact, (3, 5)) is exact
    with pytest.raises(InputError, match="3×5 do not fit a board of 3×4"):
        on_board(exact, (3, 4))


@pytest.mark.parametrize("head_pool", ["flatten", "mean"])
def test_smaller_levels_are_padded_onto_the_board(head_pool):
    mine = organism(head_pool)
    host, tasks = mine[Accommodation].accommodate(parse_levels(SMALL))
    assert host is mine and tasks.tiles.shape == (1, 5, 6)
    assert mine.run(tasks).sizes["y"] == 5


def test_larger_levels_need_a_head_that_pools():
    with pytest.raises(InputError, match=r"7×9 .*5×6.*flatten.*mean"):
        organism("flatten")[Accommodation].accommodate(parse_levels(LARGE))
    resnet = ResNet(ResNetConfig(channels=(4,), kernel_sizes=(3,), board=(5, 6)))
    with pytest.raises(InputError, match="flatten"):
        of(resnet)[Accommodation].accommodate(parse_levels(LARGE))


def test_a_head_that_pools_runs_on_the_larger_board_with_the_same_weights():
    mine = organism("mean")
    host, tasks = mine[Accommodation].accommodate(parse_levels(f"{LARGE}\n\n{SMALL}"))
    assert tasks.tiles.shape == (2, 7, 9)
    run = host.run(tasks)
    assert run.sizes["y"] == 7 and np.isfinite(run.value.values[0, 0])
    assert host.weights_sha256() == mine.weights_sha256()
    assert tuple(mine.network.config.board) == (5, 6), "the organism itself stays as it was"
    assert tuple(host.untrained(1).network.config.board) == (7, 9)


def test_on_its_own_board_a_moved_organism_does_the_same():
    mine = organism("mean")
    tasks = on_board(parse_levels(SMALL), (5, 6))
    moved = resized(mine, (5, 6))
    np.testing.assert_array_equal(mine.run(tasks).logits, moved.run(tasks).logits)


def test_features_are_of_the_level_before_padding():
    features = organism("mean")[Accommodation].task_features(parse_levels(f"{LARGE}\n\n{SMALL}"))
    assert features["rows"].tolist() == [7, 3] and features["columns"].tolist() == [9, 5]
    assert features["goals"].tolist() == [1, 1]
