"""Looking at a race while it runs, pure: the error that each look may spend, so that all of them spend no more than one
decision at the end would.
"""

from __future__ import annotations

from packhorse.bench.stats.against_best import ALPHA
from packhorse.bench.stats.arrays import check_fraction

#: Processes before the first look: with two the pooled error has too few degrees of freedom to beat anyone.
FIRST_LOOK = 3
#: Part of the error that all looks before the last one share; the rest is the last one's, which decides.
EARLY_SHARE = 0.2


def level(planned: int, *, last: bool, alpha: float = ALPHA) -> float:
    """The error that one look may spend.

    Args:
        planned: Processes that the race plans; a look follows each from the third on.
        last: Whether this look ends the race: it spends what is kept for it, whenever it comes.
        alpha: Error of the whole race.
    """
    check_fraction(alpha, name="alpha")
    early = max(0, planned - FIRST_LOOK)
    if early == 0:
        return alpha
    return alpha * (1 - EARLY_SHARE) if last else alpha * EARLY_SHARE / early
