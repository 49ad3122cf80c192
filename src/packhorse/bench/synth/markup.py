"""Text that is built like HTML pages, SVG drawings and style sheets."""

from __future__ import annotations

from packhorse.bench.synth import lookalikes
from packhorse.bench.synth.draws import Draws
from packhorse.bench.synth.forms import Language, form
from packhorse.bench.synth.words import COMMON, camel, dashed

_DECLARATIONS = (
    "color:#\3", "background:#\3", "background-color:#\3", "margin:0", "margin:\3px", "padding:\3px \3px", "padding:0",
    "display:block", "display:none", "display:inline-block", "display:flex", "font-size:\3px", "line-height:\3px",
    "font-weight:700", "font-weight:400", "width:\3px", "width:100%", "height:\3px", "height:auto", "float:left",
    "position:absolute", "position:relative", "top:\3px", "left:0", "right:\3px", "border:1px solid #\3", "border:0",
    "border-radius:\3px", "text-align:center", "text-decoration:none", "overflow:hidden", "z-index:\3", "opacity:.\3",
    "cursor:pointer", "-webkit-transition:\2 .\3s ease", "transition:\2 .\3s ease", "white-space:nowrap",
    "background-position:-\3px -\3px", "background-image:url(/\2/\2.png)", "content:'\\e\3'", "max-width:\3px",
    "min-height:\3px", "vertical-align:middle", "box-sizing:border-box", "transform:translate(-\3px,\3px)",
)  # fmt: skip
_SELECTORS = (
    ".\2",
    ".\2",
    ".\2 .\2",
    ".\2>li",
    ".\2:hover",
    "#\2",
    ".\2 a",
    ".\2:before",
    ".\2.\2",
    "\1 .\2",
    ".\2-\3",
)
_TAGS = ("div", "div", "div", "span", "li", "a", "p", "ul", "td", "tr", "h3", "button", "label", "nav", "small", "em")


def _rule(draws: Draws) -> str:
    selectors = ",".join([draws.pick(_SELECTORS) for _ in range(1 + draws.below(3) // 2)])
    declarations = ";".join([draws.zipf(_DECLARATIONS) for _ in range(draws.between(1, 5))])
    if draws.chance(0.05):
        return f"@media (max-width:\3px){{{selectors}{{{declarations}}}}}"
    return f"{selectors}{{{declarations}}}"


def _styles(draws: Draws, words: list[str], *, spaced: bool) -> Language:
    texts = [_rule(draws) for _ in range(900)]
    if spaced:
        texts = [text.replace("{", " {\n  ").replace(";", ";\n  ").replace("}", "\n}\n\n") for text in texts]
    classes = [dashed(draws, words) for _ in range(3000)]
    literals = [
        "0",
        "1",
        "5",
        "10",
        "20",
        "15",
        "100",
        "fff",
        "333",
        "000",
        "ccc",
        "eee",
        "12",
        "14",
        "30",
        "8",
        "2",
    ] * 9
    return Language([form(text) for text in texts], list(_TAGS), classes, literals, spread=220)


def styles(draws: Draws, words: list[str]) -> Language:
    """The language of style sheets."""
    return _styles(draws, words, spaced=draws.chance(0.4))


def _sentence(draws: Draws) -> str:
    return " ".join(["\1" if draws.chance(0.5) else "\2" for _ in range(draws.between(3, 14))])


def _element(draws: Draws, depth: int) -> str:
    tag = draws.pick(_TAGS)
    attributes = draws.pick(('class="\2"', 'class="\2"', 'class="\2 \2"', 'id="\2"', 'data-\2="\3"', ""))
    if tag == "a":
        attributes += draws.pick((' href="/\2/\2/"', ' href="/\2/\3"', ' href="https://www.\2.example/\2?\2=\3"'))
    opening = f"<{tag} {attributes}>" if attributes else f"<{tag}>"
    if depth == 0:
        return f"{opening}{_sentence(draws).capitalize()}</{tag}>"
    if draws.chance(0.1):
        return f'<img src="/\2/\2-\3.jpg" alt="{_sentence(draws)}" width="\3" height="\3">'
    inner = [_element(draws, depth - 1) for _ in range(draws.between(1, 2))]
    gap = "\n" + "  " * (4 - depth)
    return f"{opening}{gap}{gap.join(inner)}{gap[:-2]}</{tag}>\n"


def page(draws: Draws, words: list[str], foreign: list[str]) -> Language:
    """The language of HTML pages; ``foreign`` words are mixed in, and may be none."""
    texts = [_element(draws, draws.between(0, 3)) for _ in range(600)]
    forms = [form(text) for text in lookalikes.among_pages(texts)]
    classes = [dashed(draws, words) for _ in range(3000)]
    names = [*COMMON[:60], *foreign, *COMMON[60:]]
    return Language(forms, names, classes, ["1", "2", "3", "10", "100"] * 8, spread=110)


def prose(draws: Draws, words: list[str], foreign: list[str]) -> Language:
    """The language of running text: titles, comments, answers of a model."""
    marks = (". ", ". ", ", ", "? ", ".\n\n")
    forms = [form(_sentence(draws).capitalize() + draws.pick(marks)) for _ in range(400)]
    return Language(forms, [*COMMON, *foreign], words, ["2", "3", "10"] * 5, spread=200, common=100, local=500)


def drawing(draws: Draws, words: list[str]) -> Language:
    """The language of SVG drawings."""
    strokes = (
        "M\3 \3",
        "l\3.\3-\3",
        "c\3.\3 \3.\3 \3 \3",
        "h\3",
        "v-\3",
        "z",
        "L\3,\3",
        "C\3.\3,\3.\3,\3.\3,\3.\3,\3,\3",
    )
    texts = [
        f'<path class="\2" fill="#\3" d="{"".join([draws.pick(strokes) for _ in range(draws.between(4, 20))])}"/>\n'
        for _ in range(60)
    ]
    return Language([form(text) for text in texts], list(_TAGS), [camel(draws, words) for _ in range(400)], [])
