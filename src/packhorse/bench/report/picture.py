"""A race's terminal summary as an SVG picture, for READMEs."""

from __future__ import annotations

import io
import re
from typing import Any

from packhorse.bench.report.terminal import show

#: Columns of the pictured terminal: a pipeline's text fits on one line.
_WIDTH = 118
#: rich's template loads a font from the network; the reader's own monospace font serves as well, and privately.
_FOREIGN = re.compile(r"\s*@font-face \{.*?\}|<!-- Generated .*? -->", re.DOTALL)
#: What XML cannot hold, not even escaped; a file's name can.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(record: dict[str, Any]) -> str:
    """The summary as a self-contained SVG; the same record gives the same bytes."""
    from rich.console import Console
    from rich.terminal_theme import DIMMED_MONOKAI
    from rich.text import Text

    console = Console(
        markup=False, record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text(f"$ {record['command']}", style="dim"))
    show(record, console)
    svg = console.export_svg(title="packhorse", theme=DIMMED_MONOKAI, unique_id="packhorse")
    svg = _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", svg)
    return _FOREIGN.sub("", svg).replace("Fira Code", "ui-monospace, Menlo, Consolas")
