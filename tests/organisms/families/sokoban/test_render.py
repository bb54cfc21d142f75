"""Pictures of boards, tested by what is in them."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.patches import Circle, FancyBboxPatch, Rectangle

from interp.errors import InputError
from organisms.families.sokoban.levels import parse_levels
from organisms.families.sokoban.render import draw_board, picture, text

LEVEL = parse_levels("######\n#@$ .#\n#.*$ #\n######")[0]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_text_is_the_levels_text():
    assert text(LEVEL.tiles) == LEVEL.text
    with pytest.raises(InputError, match="One board"):
        text(LEVEL.tiles[None])
    with pytest.raises(InputError, match="Tile codes"):
        text(np.full((3, 3), 9))


def test_picture_has_square_tiles():
    image = picture(LEVEL.tiles, scale=4)
    assert image.shape == (16, 24, 3) and image.dtype == np.uint8
    assert (image[4:8, 4:8] == (160, 212, 56)).all()


def test_everything_is_drawn_where_it_is():
    ax = draw_board(LEVEL.tiles, title="A level")
    kinds = {kind: [p for p in ax.patches if type(p) is kind] for kind in (Rectangle, Circle)}
    assert len(kinds[Rectangle]) == LEVEL.tiles.size
    boxes = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    assert len(boxes) == LEVEL.n_boxes == 3
    circles = {tuple(int(v) for v in circle.center) for circle in kinds[Circle]}
    y, x = LEVEL.player
    assert circles == {(x, y)} | {(x, y) for y, x in np.argwhere(LEVEL.targets).tolist()}
    assert ax.get_title() == "A level"
    bottom, top = ax.get_ylim()
    assert bottom > top  # row 0 is at the top


def test_maps_and_trajectories():
    _, ax = plt.subplots()
    arrows = np.full(LEVEL.shape, -1)
    arrows[1, 1], arrows[2, 4] = 3, 0
    overlay = np.where(LEVEL.walls, np.nan, 0.5)
    path = np.array([[1, 1], [2, 1], [2, 1]])
    assert draw_board(LEVEL.tiles, ax, arrows=arrows, overlay=overlay, trajectory=path) is ax
    (quiver,) = [c for c in ax.collections if type(c).__name__ == "Quiver"]
    assert quiver.N == 2 and quiver.U.tolist() == [1, 0] and quiver.V.tolist() == [0, -1]
    assert np.array_equal(ax.images[0].get_array().mask, LEVEL.walls)
    assert ax.lines[0].get_xydata().tolist() == [[1, 1], [1, 2], [1, 2]]
    draw_board(LEVEL.tiles, trajectory=np.empty((0, 2)))
    ax.figure.canvas.draw()


def test_maps_of_another_shape_are_refused():
    with pytest.raises(InputError, match="arrows has shape"):
        draw_board(LEVEL.tiles, arrows=np.zeros((3, 3)))
    with pytest.raises(InputError, match="overlay has shape"):
        draw_board(LEVEL.tiles, overlay=np.zeros((3, 3)))
    with pytest.raises(InputError, match="trajectory"):
        draw_board(LEVEL.tiles, trajectory=np.zeros(3))
