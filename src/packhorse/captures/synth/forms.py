"""Text from forms: sentences of a grammar with open slots, filled anew each time they are used.

This is what lets generated text compress like text. A compressor meets the same idioms again (a form, or a part of
one), with other names in them; names come from a vocabulary by Zipf's law, so the frequent ones are near, and drift
from section to section; literals (numbers, hashes) are always new. Filling is done for a whole section at a time by
``str % tuple``, so a section costs some microseconds rather than one call of Python per token.

A slot is one of three: :data:`NAME_SLOT` (short names), :data:`WORD_SLOT` (words) and :data:`LITERAL_SLOT`. Filling
runs in that order, and each run removes one level of ``%`` escapes: that is why the later slots start with more.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from packhorse.captures.synth.draws import Draws, rank_table

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
    """Read ``text``, in which ``\\1``, ``\\2`` and ``\\3`` stand for a name, a word and a literal."""
    slots = text.replace("%", "%" * 8).replace("\1", NAME_SLOT).replace("\2", WORD_SLOT).replace("\3", LITERAL_SLOT)
    return Form(slots, text.count("\1"), text.count("\2"), text.count("\3"))


@dataclass(slots=True)
class Language:
    """What one kind of text is written with.

    Attributes:
        forms: The forms; a section uses some neighbours of them.
        names: Vocabulary of the name slots, frequent first.
        words: Vocabulary of the word slots; the first :attr:`common` ones are used everywhere.
        literals: Ready literals to mix with fresh ones.
        spread: How many forms a section uses.
        common: How many words all sections share.
        local: How many further words a section uses.
    """

    forms: Sequence[Form]
    names: Sequence[str]
    words: Sequence[str]
    literals: Sequence[str]
    spread: int = 60
    common: int = 80
    local: int = 160
    mean_chars: float = field(init=False)

    def __post_init__(self) -> None:
        slots = sum(4 * f.names + 9 * f.words + 6 * f.literals for f in self.forms)
        self.mean_chars = (sum(len(f.text) for f in self.forms) + slots // 4) / len(self.forms)

    def section(self, draws: Draws, chars: int) -> str:
        """About ``chars`` characters of this language."""
        spread = min(self.spread, len(self.forms))
        start = draws.below(len(self.forms) - spread + 1)
        local = self.forms[start : start + spread]
        count = int(chars / self.mean_chars) + 1
        chosen = [local[rank] for rank in draws.ranks(count, rank_table(spread, 4))]
        text = "".join([f.text for f in chosen])
        names, words, literals = (
            sum([f.names for f in chosen]),
            sum([f.words for f in chosen]),
            sum([f.literals for f in chosen]),
        )
        text %= tuple(map(self.names.__getitem__, draws.ranks(names, rank_table(len(self.names), 3))))
        text %= tuple(map(self._local_words(draws).__getitem__, draws.ranks(words, self._word_table())))
        return text % self._some_literals(draws, literals)

    def text(self, draws: Draws, chars: int) -> str:
        """About ``chars`` characters (never more than two forms above it), section by section."""
        sections: list[str] = []
        left = chars
        while left > 0:
            section = self.section(draws, min(left, SECTION_CHARS))
            sections.append(section)
            left -= len(section)
        return "".join(sections)

    def _word_table(self) -> array[int]:
        return rank_table(self.common + self.local, 6)

    def _local_words(self, draws: Draws) -> list[str]:
        start = self.common + draws.below(len(self.words) - self.common - self.local)
        return [*self.words[: self.common], *self.words[start : start + self.local]]

    def _some_literals(self, draws: Draws, count: int) -> tuple[str, ...]:
        fresh = draws.randbytes(count)
        ready = self.literals
        return tuple([ready[value] if value < len(ready) else str(value * 37 % 1000) for value in fresh])
