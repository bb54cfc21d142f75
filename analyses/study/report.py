"""A self-contained HTML page: figures, tables and words, nothing to fetch."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
body { font: 16px/1.55 Georgia, 'Times New Roman', serif; color: #1c1c1c; background: #fff;
       max-width: 60rem; margin: 2.5rem auto; padding: 0 1.5rem; }
h1, h2, h3, th, .tag, nav { font-family: 'Helvetica Neue', Arial, sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin-bottom: .2rem; }
h2 { font-size: 1.25rem; margin-top: 2.4rem; border-bottom: 1px solid #ddd; padding-bottom: .2rem; }
.sub { color: #666; margin-top: 0; }
figure { margin: 1.2rem 0; }
figure img { max-width: 100%; }
figcaption { font-size: .88rem; color: #444; }
table { border-collapse: collapse; font-size: .86rem; margin: 1rem 0; width: 100%; }
th, td { text-align: left; padding: .28rem .6rem; border-bottom: 1px solid #e4e4e4; }
th { border-bottom: 2px solid #999; font-weight: 600; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
.verdict { border-left: 4px solid #0072B2; background: #f4f8fb; padding: .6rem 1rem; margin: 1rem 0; }
.verdict.null { border-color: #999; background: #f6f6f6; }
.verdict.unanswered { border-left-style: dotted; border-color: #999; background: none; }
pre { background: #f6f6f6; padding: .7rem 1rem; overflow-x: auto; font-size: .82rem; }
"""


class Report:
    """A page that grows section by section.

    Parameters
    ----------
    title, subtitle
        Plain text.

    Examples
    --------
    >>> page = Report("A title")
    >>> page.section("Result").text("Found & counted.").table([{"n": 3}])
    <analyses.study.report.Report object at ...>
    >>> "Found &amp; counted." in page.to_html()
    True
    """

    def __init__(self, title: str, subtitle: str = ""):
        self.title = title
        self._parts = [f"<h1>{html.escape(title)}</h1>"]
        if subtitle:
            self._parts.append(f'<p class="sub">{html.escape(subtitle)}</p>')

    def section(self, title: str) -> Report:
        """Begin a section."""
        self._parts.append(f"<h2>{html.escape(title)}</h2>")
        return self

    def text(self, *paragraphs: str) -> Report:
        """Add plain paragraphs."""
        self._parts += [f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs]
        return self

    def verdict(self, text: str, found: bool | None) -> Report:
        """Add a conclusion; a null result looks as much like a result as the other; None is no answer."""
        kind = {True: "verdict", False: "verdict null", None: "verdict unanswered"}[found]
        self._parts.append(f'<p class="{kind}">{html.escape(text)}</p>')
        return self

    def items(self, lines: Iterable[str]) -> Report:
        """Add a list."""
        inside = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        self._parts.append(f"<ul>{inside}</ul>")
        return self

    def code(self, text: str) -> Report:
        """Add literal text."""
        self._parts.append(f"<pre>{html.escape(text)}</pre>")
        return self

    def figure(self, figure: Figure | None, caption: str) -> Report:
        """Embed a figure as PNG; of one that could not be drawn (None), its caption says so."""
        if figure is None:
            return self.text(f"(This figure could not be drawn.) {caption}")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=200, metadata={"Software": None})
        data = base64.b64encode(buffer.getvalue()).decode()
        alt = html.escape(caption, quote=True)
        self._parts.append(
            f'<figure><img alt="{alt}" src="data:image/png;base64,{data}">'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )
        return self

    def table(self, rows: Sequence[Mapping[str, Any]], caption: str = "") -> Report:
        """Add a table, one mapping a row; see `number` (columns named ``p …`` hold p-values)."""
        if not rows:
            return self
        head = "".join(f"<th>{html.escape(str(key))}</th>" for key in rows[0])
        body = "".join(
            "<tr>" + "".join(_cell(row.get(key), str(key)) for key in rows[0]) + "</tr>"
            for row in rows
        )
        title = f"<p><em>{html.escape(caption)}</em></p>" if caption else ""
        self._parts.append(
            f'{title}<div class="wide"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )
        return self

    def to_html(self) -> str:
        """Return the page."""
        body = "\n".join(self._parts)
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(self.title)}</title><style>{STYLE}</style></head>\n"
            f"<body>\n{body}\n</body></html>\n"
        )

    def write(self, path: str | Path) -> Path:
        """Write the page and return its path."""
        path = Path(path)
        path.write_text(self.to_html(), encoding="utf-8")
        return path


def _cell(value: Any, column: str) -> str:
    if isinstance(value, bool) or value is None:
        return f"<td>{'' if value is None else 'yes' if value else 'no'}</td>"
    if isinstance(value, int | float):
        return f'<td class="number">{number(value, p_value=column.startswith("p "))}</td>'
    return f"<td>{html.escape(str(value))}</td>"


def number(value: float, p_value: bool = False) -> str:
    """Return a number as a reader wants it: integers whole, small p-values as powers, others .000."""
    if isinstance(value, int):
        return f"{value:,}"
    if value != value:
        return "–"
    if p_value and value < 1e-3:
        return f"{value:.0e}"
    text = f"{value:.3f}"
    return text.removeprefix("-") if float(text) == 0 else text
