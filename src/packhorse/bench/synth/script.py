"""Text that is built like scripts: a small recursive grammar makes the forms."""

from __future__ import annotations

import re

from packhorse.bench.synth import lookalikes
from packhorse.bench.synth.draws import Draws
from packhorse.bench.synth.forms import Language, form
from packhorse.bench.synth.words import camel

_LETTERS = "etnraiosclufdpmhgvbywkxjqzETNRAIOSCLUFDPMHGVBYWKXJQZ_$"
#: How deep expressions and blocks may nest.
_DEPTH = 3

# \1, \2 and \3 are slots (name, property, literal); <e> an expression, <s> one or two statements.
_LEAVES = {
    "e": ("\1", "\1", "\1.\2", "\1.\2", "\3", '"\2"', '"\2"', "null", "!0", "!1", "this.\2", "\1[\3]", "void 0"),
    "s": ("\1=<e>;", "return <e>;", "return \1;", "\1.\2(<e>);", "this.\2=<e>;", "var \1=<e>;", '\1.\2("\2",<e>);'),
}  # fmt: skip
_BRANCHES = {
    "e": (
        *_LEAVES["e"],
        "\1.\2(<e>)", "\1.\2()", "\1.\2(<e>,<e>)", "\1(<e>)", "\1(<e>,<e>)", "<e>+<e>", "<e>&&<e>", "<e>||<e>",
        "<e>===<e>", '\1.\2=="\2"', "<e>?<e>:<e>", "{\2:<e>}", '{\2:<e>,\2:"\2"}', '{"\2":<e>,"\2":<e>}', "[<e>,<e>]",
        '["\2","\2",<e>]', "function(\1){return <e>}", "function(\1,\1){<s>}", "function(){<s>}", '\1["\2"]',
        '\1.\2("\2").\2(<e>)', "!<e>", "\1<\3", "(<e>)", '"<\1 class=\\"\2\\">"+<e>+"</\1>"',
    ),
    "s": (
        *_LEAVES["s"],
        "if(<e>){<s>}", "if(<e>){<s>}else{<s>}", "for(var \1=0;\1<\1.length;\1++){<s>}", "function \1(\1,\1){<s>}",
        "\1.prototype.\2=function(\1){<s>};", "\1.\2=function(){<s>};", "try{<s>}catch(\1){<s>}",
        'switch(<e>){case"\2":<s>break;case"\2":<s>break;default:<s>}', "var \1=<e>,\1=<e>,\1;",
        "!function(\1){<s>}(<e>);",
    ),
}  # fmt: skip
_SYMBOL = re.compile(r"<([es])>")


def _expand(draws: Draws, symbol: str, depth: int) -> str:
    production = draws.pick((_BRANCHES if depth > 0 else _LEAVES)[symbol])
    repeats = draws.between(1, 2) if symbol == "s" and depth > 1 else 1
    return "".join([_SYMBOL.sub(lambda m: _expand(draws, m[1], depth - 1), production) for _ in range(repeats)])


def _readable(text: str) -> str:
    return (
        text.replace("{", " {\n\t").replace(";", ";\n\t").replace("}", "\n}\n").replace(",", ", ").replace("=", " = ")
    )


def script(draws: Draws, words: list[str], *, minified: bool) -> Language:
    """The language of scripts; ``minified`` decides about line breaks and the length of names."""
    properties = [camel(draws, words) for _ in range(3000)]
    texts = [_expand(draws, "s", draws.between(1, _DEPTH)) for _ in range(900)]
    texts = lookalikes.among_scripts(texts)
    if minified:
        names = [*_LETTERS, *[first + second for first in _LETTERS[:12] for second in _LETTERS[:12]]]
    else:
        names = [*"ijkexn", *[camel(draws, words) for _ in range(200)]]
        texts = [_readable(text) for text in texts]
    literals = ["0", "1", "2", "0", "1", "-1", "10", "100", "1e3", ".5", "16", "255", "8", "4", "3"] * 6
    return Language([form(text) for text in texts], names, properties, literals, spread=260)
