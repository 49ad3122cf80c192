"""Writes docs/reference.md from the docstrings of the public names: ``python docs/build_reference.py``."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import griffe
from griffe2md import render_object_docs

import packhorse

TARGET = Path(__file__).with_name("reference.md")
_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):`~?\.?([^`]+)`")
#: Links of the renderer go to modules that are no part of the page; the names alone are enough.
_LINK = re.compile(r"\[([^\]]+)\]\(#[^)]*\)")
_CODE = re.compile(r"</?code>|(?<!`)``(?!`)")
#: Headings hold whole paths; the page has one class or function under each.
_PATH = re.compile(r"^(#+ `)(?:packhorse\.)?(?:[a-z_]+\.)*", re.MULTILINE)
#: Attributes are described in their class's own list.
_ATTRIBUTE = re.compile(r"^#### `[^`]*`\n\n```python\n[\w.]+: [^\n]*\n```\n\n?(?:[^#\n][^\n]*\n\n?)*", re.MULTILINE)
_CONFIG = {
    "heading_level": 3,
    "show_object_full_path": False,
    "show_root_full_path": False,
    "show_root_heading": True,
    "summary": False,
    "show_bases": False,
    "docstring_style": "google",
    "load_external_modules": False,
}


def reference() -> str:
    """The whole page."""
    loader = griffe.GriffeLoader(docstring_parser="google")
    package = loader.load("packhorse")
    parts = [
        "# Reference",
        "",
        "What `import packhorse` gives, from its docstrings (`python docs/build_reference.py` writes this page).",
        "",
    ]
    for name in sorted({*packhorse.__all__, *packhorse._BY_NAME} - {"__version__"}):
        home = getattr(packhorse, name).__module__.removeprefix("packhorse.")
        text = render_object_docs(package[f"{home}.{name}"], config=_CONFIG)
        text = _CODE.sub("`", _LINK.sub(r"\1", _ROLE.sub(r"`\1`", text)))
        text = _PATH.sub(r"\1", _ATTRIBUTE.sub("", text)).strip()
        constructor = getattr(getattr(packhorse, name), "__init__", None)
        if inspect.isfunction(constructor) and constructor.__qualname__ == "Face.__init__":
            text = _with_constructor(name, text, package["uploader.face.Face.__init__"])
        parts += [text, ""]
    return "\n".join(parts)


def _with_constructor(name: str, text: str, constructor: griffe.Function) -> str:
    """The page's part for an uploader with the constructor that both inherit, of which the renderer says nothing."""
    made = render_object_docs(constructor, config=_CONFIG)
    made = _CODE.sub("`", _LINK.sub(r"\1", _ROLE.sub(r"`\1`", made)))
    made = re.sub(r"^### .*$", f"#### `{name}.__init__`", made, count=1, flags=re.MULTILINE)
    made = made.replace("__init__(", f"{name}(", 1).strip()
    intro, heading, methods = text.partition("\n#### ")
    return f"{intro}\n{made}\n{heading}{methods}"


if __name__ == "__main__":
    TARGET.write_text(reference(), encoding="utf-8")
    sys.stdout.write(f"{TARGET.name}\n")
