"""What was stored, and whether it is what should be: loss, duplication and corruption, proven from the store's side."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Stored:
    """One key in the store.

    Attributes:
        times: How often it was written.
        sha256: Hex SHA-256 of the stored body.
        bodies: How many different bodies were written under the key.
        plain_sha256: Hex SHA-256 of the body after its ``Content-Encoding`` was undone by the store's own means
            (identity, gzip, deflate), or None when it cannot be undone.
        claimed_sha256: What the object's metadata says the plain SHA-256 is, or None.
        size_bytes: Size of the stored body.
    """

    times: int
    sha256: str
    bodies: int
    plain_sha256: str | None
    claimed_sha256: str | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison found, each as keys.

    Attributes:
        lost: Said to be uploaded, but not stored.
        corrupt: Stored, but not the capture that belongs to the key; or not what its own metadata says.
        duplicated: A capture that is stored under another key than its own.
        rewritten: Written more than once, each time with the same body: harmless, an answer was lost.
        unclaimed: Stored although the uploader never said so, e.g. after a lost answer without another attempt.
        checked: Number of stored keys whose plain bytes were compared.
    """

    lost: tuple[str, ...] = ()
    corrupt: tuple[str, ...] = ()
    duplicated: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()
    unclaimed: tuple[str, ...] = ()
    checked: int = 0

    @property
    def clean(self) -> bool:
        """True when nothing is lost, corrupt or duplicated."""
        return not (self.lost or self.corrupt or self.duplicated)

    def counts(self) -> dict[str, int]:
        """How many of each."""
        return {name: value if isinstance(value, int) else len(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Ledger:
    """A look at the store: objects by key, and the keys of multipart uploads that were begun and never ended."""

    objects: Mapping[str, Stored] = field(default_factory=dict)
    open_uploads: tuple[str, ...] = ()

    def compare(self, expected: Mapping[str, str], *, claimed: Collection[str] | None = None) -> Verdict:
        """Compare with what should be there.

        Args:
            expected: Plain hex SHA-256 by key, of every capture that was submitted. Captures must differ from each
                other, or a duplicate cannot be told from its original.
            claimed: Keys that were said to be uploaded; None: all of ``expected``.
        """
        said = set(expected if claimed is None else claimed)
        owners = {sha256: key for key, sha256 in expected.items()}
        if len(owners) != len(expected):
            raise ValueError("expected holds the same capture twice: duplicates could not be told from originals")
        corrupt, duplicated, checked = [], [], 0
        for key, stored in self.objects.items():
            checked += stored.plain_sha256 is not None
            if key in expected:
                if _differs(stored, expected[key]):
                    corrupt.append(key)
            elif stored.plain_sha256 in owners:
                duplicated.append(key)
            else:
                corrupt.append(key)
        return Verdict(
            lost=tuple(sorted(said - self.objects.keys())),
            corrupt=tuple(corrupt),
            duplicated=tuple(duplicated),
            rewritten=tuple(key for key, stored in self.objects.items() if stored.times > 1 and stored.bodies == 1),
            unclaimed=tuple(sorted((self.objects.keys() & expected.keys()) - said)),
            checked=checked,
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "objects": {key: asdict(stored) for key, stored in self.objects.items()},
            "open_uploads": list(self.open_uploads),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Ledger:
        """Back from :meth:`to_dict`."""
        objects = {key: Stored(**row) for key, row in document["objects"].items()}
        return cls(objects, tuple(document["open_uploads"]))


def _differs(stored: Stored, expected_sha256: str) -> bool:
    """What cannot be decoded counts as different: a proof has to be made, not assumed."""
    claimed_wrongly = stored.claimed_sha256 not in {None, expected_sha256}
    return stored.plain_sha256 != expected_sha256 or claimed_wrongly or stored.bodies != 1
