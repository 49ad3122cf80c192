"""Text that is built like minified scripts: a small recursive grammar makes the forms."""

from __future__ import annotations

from packhorse.captures.synth.draws import Draws
from packhorse.captures.synth.forms import Form, Language, form
from packhorse.captures.synth.words import camel

_OPERATORS = ("+", "-", "*", "&&", "||", "===", "!==", "<", ">", "==", "&", "|", "/")
_LETTERS = "etnraiosclufdpmhgvbywkxjqzETNRAIOSCLUFDPMHGVBYWKXJQZ_$"
#: How deep expressions and blocks may nest.
_DEPTH = 3


def _expression(draws: Draws, depth: int) -> str:
    shape = draws.below(16 if depth > 0 else 7)
    if shape < 2:
        return "\1"
    if shape < 4:
        return "\1.\2"
    if shape == 4:
        return draws.pick(("\3", "\3", '"\2"', "null", "!0", "!1", "this", "void 0"))
    if shape == 5:
        return draws.pick(('"\2"', '"\2"', "this.\2", "\1[\3]"))
    if shape == 6:
        return "this.\2"
    inner = [_expression(draws, depth - 1) for _ in range(3)]
    if shape < 10:
        return f"\1.\2({','.join(inner[: draws.below(3)])})"
    if shape == 10:
        return f"\1({','.join(inner[: draws.between(1, 3)])})"
    if shape == 11:
        return inner[0] + draws.pick(_OPERATORS) + inner[1]
    if shape == 12:
        return f"{inner[0]}?{inner[1]}:{inner[2]}"
    if shape == 13:
        return "{" + ",".join([f"\2:{value}" for value in inner[: draws.between(1, 3)]]) + "}"
    if shape == 14:
        return f"[{','.join(inner[: draws.between(1, 3)])}]"
    arguments = draws.pick(("", "e", "e,t", "t,n", "\1"))
    return f"function({arguments}){{return {inner[0]}}}"


def _statement(draws: Draws, depth: int) -> str:
    shape = draws.below(12 if depth > 0 else 6)
    value = _expression(draws, max(depth, 1))
    if shape < 2:
        return f"\1={value};"
    if shape == 2:
        return f"return {value};"
    if shape == 3:
        return f"var \1={value},\1={_expression(draws, 1)};"
    if shape == 4:
        return f"\1.\2({value});"
    if shape == 5:
        return f"this.\2={value};"
    block = "".join([_statement(draws, depth - 1) for _ in range(draws.between(1, 2))])
    if shape < 8:
        return f"if({value}){{{block}}}"
    if shape == 8:
        return f"for(var \1=0;\1<\1.length;\1++){{{block}}}"
    if shape == 9:
        return f"function \1(\1,\1){{{block}}}"
    if shape == 10:
        return f"\1.prototype.\2=function(\1){{{block}}};"
    return f"try{{{block}}}catch(\1){{\1.\2(\1)}}"


def _pretty(text: str) -> str:
    return text.replace("{", " {\n    ").replace(";", ";\n    ").replace("}", "}\n")


def script(draws: Draws, words: list[str], *, minified: bool) -> Language:
    """The language of scripts; ``minified`` decides about line breaks and the length of names."""
    properties = [camel(draws, words) for _ in range(1500)]
    names = [*_LETTERS, *[first + second for first in _LETTERS[:12] for second in _LETTERS[:12]]]
    texts = [_statement(draws, draws.between(1, _DEPTH)) for _ in range(400)]
    if not minified:
        names = [camel(draws, words) for _ in range(200)]
        texts = [_pretty(text) for text in texts]
    forms: list[Form] = [form(text) for text in texts]
    literals = ["0", "1", "2", "0", "1", "-1", "10", "100", "1e3", ".5", "16", "255", "8", "4", "3"] * 6
    return Language(forms, names, properties, literals, spread=120)
