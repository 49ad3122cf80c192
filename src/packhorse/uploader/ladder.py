"""The backpressure ladder: how much of the memory budget a capture may use, and in what form. Pure.

In this order: wait (if asked to), then the spool makes room, then captures are reduced, then the newest is dropped.

    0 ........ patient .......... whole .......... bodiless ......... budget
    |  everybody  | impatient ones; | without response |  outlines alone  |  dropped
    |             | the spool works |      bodies      |                  |

A submitter that waits stays *patient* until its timeout; ``submit_nowait`` never is.
"""

from __future__ import annotations

from dataclasses import dataclass

WHOLE, BODILESS, OUTLINE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Ladder:
    """Bytes of the budget up to which each rung goes.

    Attributes:
        patient_bytes: For submitters that can wait. Beyond it the spool takes encoded captures out of memory.
        whole_bytes: For captures as they are.
        bodiless_bytes: For captures that will lose their response bodies.
        budget_bytes: For those that will lose their headers, too.
    """

    patient_bytes: int
    whole_bytes: int
    bodiless_bytes: int
    budget_bytes: int

    @classmethod
    def of(cls, budget_bytes: int, *, spool: bool, degrade: bool) -> Ladder:
        """The marks for a budget: halves, so that each rung has as much room as all those above it together.

        Without a spool there is nothing to wait for between patient and whole; without degrading all is whole.
        """
        whole = budget_bytes * 3 // 4 if degrade else budget_bytes
        bodiless = budget_bytes * 7 // 8 if degrade else budget_bytes
        return cls(budget_bytes // 2 if spool else whole, whole, bodiless, budget_bytes)

    def level(self, held_bytes: int, more_bytes: int, *, patient: bool, degradable: bool) -> int | None:
        """In what form a capture of ``more_bytes`` may come in: WHOLE, BODILESS, OUTLINE, or None for not now.

        A capture that cannot be degraded may use the whole budget. One that finds nothing else held is whole.
        """
        after = held_bytes + more_bytes
        if after > self.budget_bytes:
            return None
        if held_bytes == 0 or after <= (self.patient_bytes if patient else self.whole_bytes):
            return WHOLE
        if patient:
            return None
        if not degradable:
            return WHOLE
        return BODILESS if after <= self.bodiless_bytes else OUTLINE
