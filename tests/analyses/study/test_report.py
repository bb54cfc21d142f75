import re

from analyses.study.report import Report, number


def test_text_is_escaped_everywhere():
    bad = "<script>alert('&')</script>"
    page = Report(bad, bad).section(bad).text(bad).verdict(bad, True).items([bad]).code(bad)
    text = page.table([{bad: bad}], bad).to_html()
    assert "<script>" not in text and text.count("&lt;script&gt;") == 11


def test_a_page_fetches_nothing():
    from interp.style import figure_style, subplots

    with figure_style():
        figure, _ = subplots(width="column")
    text = Report("t").figure(figure, "caption").to_html()
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text)
    assert "data:image/png;base64," in text


def test_a_null_result_is_shown_as_one():
    text = Report("t").verdict("not found", False).verdict("found", True).to_html()
    assert 'class="verdict null">not found' in text and 'class="verdict">found' in text


def test_numbers():
    values = (12345, 0.12345, float("nan"), -9e-5, 0.0)
    assert [number(x) for x in values] == ["12,345", "0.123", "–", "0.000", "0.000"]
    assert [number(x, p_value=True) for x in (1e-9, 0.04)] == ["1e-09", "0.040"]


def test_only_p_columns_are_written_as_powers():
    text = Report("t").table([{"p (Holm)": 1e-9, "plan": 1e-9}]).to_html()
    assert ">1e-09<" in text and ">0.000<" in text


def test_the_share_of_steps_in_failed_episodes():
    import xarray as xr

    from analyses.study.study_page import _failed_share

    dims = ("source", "thinking", "episode")
    thinking = xr.Dataset(
        {"length": (dims, [[[10, 30]]]), "solved": (dims, [[[1.0, 0.0]]])},
        coords={"source": ["trained"], "thinking": [0]},
    )
    assert _failed_share(thinking).startswith("75% of the steps")
