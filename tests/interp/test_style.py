import os
import pickle
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from interp import style
from interp.errors import InputError, UnknownNameError


def draw():
    with style.figure_style():
        figure, (left, right) = style.subplots(1, 2, width="text")
        style.line_with_interval(
            left, [0, 1, 2], [0.1, 0.2, 0.4], [0, 0.1, 0.3], [0.2, 0.3, 0.5], "a", source="trained"
        )
        style.bars_with_intervals(
            right,
            [[0.5, 0.6], [0.2, 0.1]],
            [[0.4, 0.5], [0.1, 0.0]],
            [[0.6, 0.7], [0.3, 0.2]],
            categories=["x", "y"],
            series=["trained", "shuffled"],
        )
        style.label_panel(left, "a")
        style.legend_outside(figure, [left, right])
    return figure, left, right


def test_style_leaves_no_trace_even_after_an_error():
    before = dict(matplotlib.rcParams)
    draw()
    with pytest.raises(RuntimeError), style.figure_style("talk"):
        assert matplotlib.rcParams["axes.spines.top"] is False
        raise RuntimeError
    assert dict(matplotlib.rcParams) == before


def test_saved_files_are_the_same_bytes_and_keep_dots_in_the_stem(tmp_path):
    first = style.save(draw()[0], tmp_path / "one" / "layers.2.h", ("png", "pdf", "svg"))
    second = style.save(draw()[0], tmp_path / "two" / "layers.2.h", ("png", "pdf", "svg"))
    assert [p.name for p in first] == ["layers.2.h.png", "layers.2.h.pdf", "layers.2.h.svg"]
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes()
        assert b"CreationDate" not in a.read_bytes() and b"Matplotlib v" not in a.read_bytes()
    with pytest.raises(UnknownNameError, match="png"):
        style.save(draw()[0], tmp_path / "three", ["pgn"])
    assert not (tmp_path / "three.png").exists()


def test_figures_have_the_widths_of_a_paper(tmp_path):
    for name, inches in (("column", 3.3), ("text", 6.8)):
        figure, _ = style.subplots(width=name)
        assert figure.get_figwidth() == inches
        [png] = style.save(figure, tmp_path / name, ["png"])
        from matplotlib.image import imread

        assert imread(png).shape[1] == round(inches * 200)
    with pytest.raises(UnknownNameError, match="column"):
        style.subplots(width="colum")


def test_band_and_bars_are_where_the_numbers_are():
    _, left, right = draw()
    band = left.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == 0 and band[:, 1].max() == 0.5
    assert left.lines[0].get_color() == style.SOURCE_COLOURS["trained"]
    assert [b.get_height() for b in right.patches] == [0.5, 0.6, 0.2, 0.1]
    whiskers = [tuple(line.get_ydata()) for line in right.lines]
    assert whiskers == [(0.4, 0.6), (0.5, 0.7), (0.1, 0.3), (0.0, 0.2)]
    assert [t.get_text() for t in right.get_xticklabels()] == ["x", "y"]
    centres = [b.get_x() + b.get_width() / 2 for b in right.patches]
    assert np.allclose([(centres[0] + centres[2]) / 2, (centres[1] + centres[3]) / 2], [0, 1])


def test_intervals_that_are_missing_or_misshapen():
    _, ax = style.subplots()
    style.line_with_interval(ax, [0, 1], [1, 2], [np.nan] * 2, [np.nan] * 2)
    assert not ax.collections
    with pytest.raises(InputError, match="shape"):
        style.line_with_interval(ax, [0, 1], [1, 2], [0], [1])
    with pytest.raises(InputError, match="categories"):
        style.bars_with_intervals(ax, [1, 2, 3], categories=["a", "b"])


def test_legend_outside_names_each_label_once():
    figure, left, right = draw()
    style.line_with_interval(right, [0], [0], label="a")
    legend = style.legend_outside(figure, [left, right], title="source")
    assert [t.get_text() for t in legend.get_texts()] == ["a", "trained", "shuffled"]
    assert style.legend_outside(figure, style.subplots()[1]) is None


def test_palettes_tell_labels_apart():
    for kind, n in (("layer", 3), ("layer", 12), ("tick", 16), ("tick", 1)):
        found = style.colours(range(n), kind)
        assert list(found) == list(range(n)) and len(set(map(str, found.values()))) == n
    named = style.colours(["trained", "mine", "shuffled"], "source")
    assert named["trained"] == style.SOURCE_COLOURS["trained"] and len(set(named.values())) == 3
    with pytest.raises(UnknownNameError):
        style.colours([1] * 9, "tock")


def test_importing_the_module_loads_no_plotting_library():
    heavy = "('matplotlib', 'seaborn', 'torch')"
    code = f"import sys, interp.style; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_a_notebook_shows_a_figure_that_is_returned_once():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    figure, axes = style.subplots(width="column")
    axes.plot([0, 1])
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert plt.get_fignums() == before  # or it would be shown again at the end of the cell
    assert pickle.loads(pickle.dumps(figure))._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("backend", "kept"), [("module://no_such_notebook.inline", False), ("agg", True)]
)
def test_a_backend_that_is_missing_here_is_forgotten(backend, kept):
    program = "import os, interp.style; interp.style.subplots(); print('MPLBACKEND' in os.environ)"
    environment = {**os.environ, "MPLBACKEND": backend}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(kept)
