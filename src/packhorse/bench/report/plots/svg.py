"""One look for all pictures, and from a chart to SVG text."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from packhorse.errors import UnavailableError

if TYPE_CHECKING:
    import altair as alt

#: Okabe and Ito's palette: told apart with any colour vision.
BLUE, ORANGE, SKY, GREY = "#0072B2", "#D55E00", "#A6CBE3", "#9A9A9A"
INK, FAINT = "#222222", "#666666"
#: The renderer measures text with Liberation Sans, which it brings; Arial and Helvetica have the same widths.
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"


def require() -> None:
    """See that pictures can be drawn, before anything long is measured for one.

    Raises:
        UnavailableError: The libraries are not installed.
    """
    for name in ("altair", "vl_convert"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UnavailableError(f"pictures need {name}: pip install 'packhorse[report]' ({error})") from None


def to_svg(chart: alt.TopLevelMixin) -> str:
    """Static, self-contained SVG on a white ground: no script, nothing loaded."""
    import vl_convert

    text: str = vl_convert.vegalite_to_svg(chart.to_json(), allowed_base_urls=[])
    return text
