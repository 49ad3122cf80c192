"""Whose entity tags are believed, and how often they are checked."""

from __future__ import annotations

import hashlib

import pytest

from packhorse.stores import answers
from packhorse.stores.answers import Tags

LARGE = Tags.SMALL_BYTES + 1


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(answers, "time", made)
    return made


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of the bodies that were hashed."""
    seen: list[int] = []
    real = answers.is_md5

    def counted(tag: str, body: bytes | None) -> bool:
        seen.append(len(body or b""))
        return real(tag, body)

    monkeypatch.setattr(answers, "is_md5", counted)
    return seen


def body(number: int, size: int = LARGE) -> bytes:
    return number.to_bytes(4, "big") * (size // 4 + 1)


def tag(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def warmed() -> Tags:
    tags = Tags()
    for number in range(Tags.FIRST):
        assert tags.proves(tag(body(number)), body(number))
    return tags


def test_of_large_bodies_few_are_hashed_and_of_small_ones_all(clock: Clock, hashed: list[int]) -> None:
    tags = warmed()
    hashed.clear()
    for number in range(100, 100 + 10 * Tags.EVERY):
        assert tags.proves(tag(body(number)), body(number))
    assert 9 <= len(hashed) <= 11
    hashed.clear()
    for number in range(20):
        assert tags.proves(tag(body(number, 1000)), body(number, 1000))
    assert len(hashed) == 20


@pytest.mark.parametrize("told", ["portal", "W/1-2", "0" * 32])
def test_a_portal_from_the_beginning_is_never_believed(clock: Clock, told: str) -> None:
    tags = Tags()
    assert not any(tags.proves(told, body(number)) for number in range(200))


def test_a_portal_that_comes_later_is_not_believed_after_a_failure_or_a_silence(clock: Clock) -> None:
    for trouble in ("failure", "silence"):
        tags = warmed()
        if trouble == "failure":
            tags.doubt()
        else:
            clock.now_s += Tags.SILENCE_S
        assert not any(tags.proves("0" * 32, body(number)) for number in range(200))


def test_a_tag_that_comes_again_is_looked_at(clock: Clock) -> None:
    tags = warmed()
    told = [tags.proves("0" * 32, body(number)) for number in range(200)]
    assert not any(told[1:])  # the first one could have been S3's


def test_the_same_body_again_is_hashed_as_seldom_as_others(clock: Clock, hashed: list[int]) -> None:
    tags = warmed()
    hashed.clear()
    assert all(tags.proves(tag(body(1)), body(1)) for _ in range(5 * Tags.EVERY))
    assert 4 <= len(hashed) <= 6


def test_one_wrong_tag_ends_the_trust(clock: Clock) -> None:
    tags = warmed()
    believed = sum(tags.proves(tag(body(-1 - number % 2 + 5)), body(number + 50)) for number in range(200))
    assert believed < Tags.EVERY
