"""Text from forms: sentences of a grammar with open slots, filled anew each time they are used.

This is what lets generated text compress like text. A compressor meets the same idioms again (a form, or a part of
one), with other names in them; names come from a vocabulary by Zipf's law, so the frequent ones are near, and drift
from section to section; literals (numbers, hashes) are always new. Filling is done for a whole section at a time by
``str % tuple``, so a section costs some microseconds rather than one call of Python per token.

A slot is one of three: :data:`NAME_SLOT` (short names), :data:`WORD_SLOT` (words) and :data:`LITERAL_SLOT`. Filling
runs in that order, and each run removes one level of ``%`` escapes: that is why the later slots start with more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from packhorse.bench.synth.draws import Draws, rank_table

NAME_SLOT = "%s"
WORD_SLOT = "%%s"
LITERAL_SLOT = "%%%%s"

#: Vocabulary and forms drift every so many characters, as chapters, functions and components do.
SECTION_CHARS = 6_000


@dataclass(frozen=True, slots=True)
class Form:
    """A text with slots.

    Attributes:
        text: The text.
        names: How many name slots it has.
        words: How many word slots.
        literals: How many literal slots.
    """

    text: str
    names: int
    words: int
    literals: int


def form(text: str) -> Form:
    r"""Read ``text``, in which ``\1``, ``\2`` and ``\3`` stand for a name, a word and a literal."""
    slots = text.replace("%", "%" * 8).replace("\1", NAME_SLOT).replace("\2", WORD_SLOT).replace("\3", LITERAL_SLOT)
    return Form(slots, text.count("\1"), text.count("\2"), text.count("\3"))


@dataclass(slots=True)
class Language:
    """What one kind of text is written with.

    Attributes:
        forms: The forms; one text uses some neighbours of them.
        names: Vocabulary of the name slots, frequent first.
        words: Vocabulary of the word slots; the first :attr:`common` ones are used everywhere.
        literals: Ready literals to mix with fresh ones.
        spread: How many forms one text uses.
        common: How many words all texts share.
        local: How many further words a section uses; sections of one text draw them from overlapping ranges.
    """

    forms: Sequence[Form]
    names: Sequence[str]
    words: Sequence[str]
    literals: Sequence[str]
    spread: int = 60
    common: int = 30
    local: int = 380
    mean_chars: float = field(init=False)

    def __post_init__(self) -> None:
        slots = sum(4 * f.names + 9 * f.words + 6 * f.literals for f in self.forms)
        self.mean_chars = (sum(len(f.text) for f in self.forms) + slots // 4) / len(self.forms)

    def text(self, draws: Draws, chars: int) -> str:
        """About ``chars`` characters (at most a form or two above it): one author's text, section by section."""
        spread = min(self.spread, len(self.forms))
        start = draws.below(len(self.forms) - spread + 1)
        forms = self.forms[start : start + spread]
        home = draws.below(len(self.words))
        sections: list[str] = []
        left = chars
        while left > 0:
            words = self._vocabulary(home + draws.below(self.local))
            section = self._section(draws, forms, words, min(left, SECTION_CHARS))
            sections.append(section)
            left -= len(section)
        return "".join(sections)

    def _section(self, draws: Draws, forms: Sequence[Form], words: Sequence[str], chars: int) -> str:
        count = int(chars / self.mean_chars) + 1
        chosen = [forms[rank] for rank in draws.ranks(count, rank_table(len(forms), 16))]
        text = "".join([f.text for f in chosen])
        text %= self._filling(draws, self.names, 3, sum([f.names for f in chosen]))
        text %= self._filling(draws, words, 9, sum([f.words for f in chosen]))
        return text % self._literals(draws, sum([f.literals for f in chosen]))

    def _filling(self, draws: Draws, items: Sequence[str], shift: int, count: int) -> tuple[str, ...]:
        return tuple([items[rank] for rank in draws.ranks(count, rank_table(len(items), shift))])

    def _vocabulary(self, start: int) -> list[str]:
        start %= len(self.words) - self.local
        return [*self.words[: self.common], *self.words[start : start + self.local]]

    def _literals(self, draws: Draws, count: int) -> tuple[str, ...]:
        ready = self.literals
        return tuple([
            ready[value] if value < len(ready) else str(value * 37 % 1000) for value in draws.randbytes(count)
        ])  # fmt: skip
