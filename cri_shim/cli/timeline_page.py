"""A timeline as one HTML page: no script and no other file, so that it can be sent to others.

It is used with the keyboard alone: each section is a `details` element, and a table that is wider
than the window can be focused and scrolled.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from cri_shim.cli import waterfall
from cri_shim.cli.waterfall import Line
from cri_shim.untrusted import one_line

_STYLE = """
:root { color-scheme: light dark; --own: #2f6fb0; --inner: #b9cfe6; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --own: #7fb2e5; --inner: #36506b; --bad: #f2b8b5; } }
body { font: 14px/1.4 system-ui, sans-serif; margin: 1.5em; overflow-wrap: anywhere; }
summary { font-weight: bold; margin: .5em 0; cursor: pointer; }
.scroll { overflow-x: auto; margin-bottom: 2em; }
:focus-visible { outline: 2px solid var(--own); }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: 2px 8px; white-space: nowrap; vertical-align: top; }
td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; }
td.bar { width: 45%; min-width: 12em; position: relative; overflow: hidden; }
tr:hover { background: color-mix(in srgb, currentColor 8%, transparent); }
td.note { white-space: normal; min-width: 12em; } .failed { color: var(--bad); }
.own, .inner { position: absolute; top: 5px; height: 14px; min-width: 1px; background: var(--own); }
.inner { background: var(--inner); }
"""
_HEAD = (
    '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n'
    '<meta http-equiv="Content-Security-Policy"'
    " content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    '<meta name="viewport" content="width=device-width">\n'
)


def page(document: Mapping[str, Any]) -> str:
    """Return the page of a timeline. Every text in it is escaped."""
    title = _text(f"pod {document['name']}")
    parts = waterfall.sections(document["operations"])
    body = [f"<h1>{title}</h1>\n<p>ID {_text(document['id'])}"]
    if took := document["startSeconds"]:
        body.append(f"; its start took {_text(waterfall.duration(took))}")
    body.append("</p>\n")
    if not parts:
        body.append(f"<p>{_text(waterfall.EMPTY)}</p>\n")
    for part in parts:
        body += _section([row for operation in part for row in waterfall.rows_of(operation)])
    return f"{_HEAD}<title>{title}</title>\n<style>{_STYLE}</style>\n{''.join(body)}</html>\n"


def _section(rows: Sequence[Line]) -> Iterator[str]:
    begin, end = waterfall.scale(rows)
    when = datetime.fromtimestamp(begin, UTC)
    title = f"{when:%Y-%m-%d %H:%M:%S} UTC, {_text(waterfall.duration(end - begin))}"
    yield f"<details open><summary>{title}</summary>\n"
    yield f'<div class="scroll" tabindex="0" role="region" aria-label="{title}">\n'
    figures = "".join(f'<th class="figure">{name}' for name in ("Begin", "Took", "Own"))
    yield f"<table>\n<tr><th>Stage{figures}<th>Time<th>Waited for\n"
    for row in rows:
        yield _row(row, begin, (end - begin) or 1.0)
    yield "</table>\n</div></details>\n"


def _row(row: Line, begin: float, length: float) -> str:
    indent = f' style="padding-left:{8 + 16 * row.depth}px"'
    bad = ' class="failed"' if row.failed else ""
    twice = row.waited_for and row.waited_for in row.note
    waited_for = "; ".join(filter(None, ("" if twice else row.waited_for, row.note)))
    bars = _bar("own", row.begin - begin, row.end - begin, length)
    bars += "".join(_bar("inner", a - begin, b - begin, length) for a, b in row.inner)
    figures = "".join(
        f'<td class="figure">{_text(waterfall.duration(seconds))}'
        for seconds in (row.begin - begin, row.end - row.begin, row.own)
    )
    return (
        f'<tr{bad}><td{indent}>{_text(row.label)}{figures}<td class="bar">{bars}'
        f'<td class="note">{_text(waited_for)}\n'
    )


def _bar(kind: str, begin: float, end: float, length: float) -> str:
    left, width = 100 * begin / length, 100 * (end - begin) / length
    return f'<div class="{kind}" style="left:{left:.3f}%;width:{width:.3f}%"></div>'


def _text(foreign: object) -> str:
    return escape(one_line(foreign))
