"""The plotting library's script, from the wheel of ``vl-convert``: nothing is loaded from a network, now or later."""

from __future__ import annotations

import base64
import zlib
from functools import lru_cache
from typing import Any

from packhorse.errors import UnavailableError

#: Vega-Lite's version that specifications are written in.
VEGA_LITE = "6.4"


def require() -> None:
    """See that pages can be rendered.

    Raises:
        UnavailableError: A library is not installed.
    """
    for name in ("jinja2", "vl_convert"):
        try:
            __import__(name)
        except ImportError as error:
            raise UnavailableError(f"the page needs {name}: pip install 'packhorse[report]' ({error})") from None


@lru_cache(maxsize=1)
def script() -> str:
    """Vega with its embedder, about 0.9 MB, as one script that sets ``vegaEmbed`` and nothing else.

    The embedder brings Vega's expression interpreter, so that the page needs no ``unsafe-eval``.
    """
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    return f"(() => {{{bundle}}})();"


@lru_cache(maxsize=1)
def packed() -> str:
    """The same as zlib's stream in base64: less than half the bytes, and the page inflates it when it opens."""
    return base64.b64encode(zlib.compress(script().encode(), 9)).decode()


def compiled(specification: dict[str, Any]) -> dict[str, Any]:
    """A Vega-Lite specification as Vega, compiled here so that the page need not."""
    import vl_convert

    vega: dict[str, Any] = vl_convert.vegalite_to_vega(specification, vl_version=VEGA_LITE)
    return vega
