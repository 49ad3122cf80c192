"""Vocabulary: a few common English words, and any number of made-up ones."""

from __future__ import annotations

from packhorse.bench.synth.draws import Draws


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COMMON = _split("""
    the of and to in a is for on that with as it by be at from this are was or an you have not all can your more will
    one new has but we about other which their time up out so when who no some if what them than its into only see also
    how may first any use page day get two these like most over after make where search view free help home contact
    list news people work year back world good know need just between many such local part state last long company
    service system story group number report next house right order small under every water always country place
""")
_ONSETS = _split("b c d f g h k l m n p r s t v w br ch cl cr dr fl gr pl pr sh sl st str th tr qu")
_VOWELS = _split("a e i o u a e i o a e i o ai ea ee ie io ou")
_CODAS = ("", "", "", "", "", *_split("n r s t l m d k nt st ck ng"))
_ENDINGS = ("", "", "", "", "", "", *_split("er ing ed ion s ly al y"))
_ACCENTED = _split("é ü ö ñ ç å ø ß á ó í ã")
_WIDE_STARTS = (0x0431, 0x4E00, 0x3042, 0x0627)


def word(draws: Draws) -> str:
    """One made-up lower-case word of one to three syllables."""
    syllables = [draws.pick(_ONSETS) + draws.pick(_VOWELS) + draws.pick(_CODAS) for _ in range(draws.between(1, 2))]
    return "".join(syllables) + draws.pick(_ENDINGS)


def vocabulary(draws: Draws, size: int) -> list[str]:
    """``size`` made-up words."""
    return [word(draws) for _ in range(size)]


def camel(draws: Draws, words: list[str]) -> str:
    """A property name such as ``itemCount``, made of one to three of ``words``."""
    parts = [draws.zipf(words) for _ in range(draws.pick((1, 1, 2, 2, 3)))]
    return parts[0] + "".join([part.capitalize() for part in parts[1:]])


def dashed(draws: Draws, words: list[str]) -> str:
    """A class name such as ``item-count``, made of one to three of ``words``."""
    return "-".join([draws.zipf(words) for _ in range(draws.pick((1, 1, 2, 2, 3)))])


def accented(draws: Draws, size: int) -> list[str]:
    """``size`` words with letters outside ASCII: accented Latin, or one of four other scripts."""
    if draws.chance(0.6):
        return [word(draws) + draws.pick(_ACCENTED) + word(draws)[:3] for _ in range(size)]
    start = draws.pick(_WIDE_STARTS)
    return ["".join([chr(start + draws.below(30)) for _ in range(draws.between(2, 8))]) for _ in range(size)]
