"""Eligibility, before anything is timed: every arm gives every capture back as equal data, and levels take effect."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from packhorse.bench.race.inputs import Inputs
from packhorse.bench.race.sampling import cut
from packhorse.bench.race.spec import Arm, BlockSpec, Kind
from packhorse.errors import PackhorseError
from packhorse.pipeline import Choice, Pipeline

#: Bytes of plain JSON that two levels are compared on: enough to differ on, small for the slowest level.
LEVEL_PROBE_BYTES = 128 * 1024

Emit = Callable[[dict[str, Any]], None]


class NotEligible(PackhorseError):
    """An arm does not do what its name says."""


def check(spec: BlockSpec, inputs: Inputs, emit: Emit) -> None:
    """Check every arm on every capture, the smallest first; emits ``ok``, ``slow`` or ``error`` for each.

    An arm whose time on the next capture is predicted (from bytes) to exceed ``check_limit_s`` is given up as ``slow``.
    """
    ordered = sorted(range(len(inputs.plain)), key=lambda i: len(inputs.plain[i]))
    for arm in spec.arms:
        emit({"event": "start", "arm": arm.name})
        try:
            seconds, slow = _check_arm(arm, inputs, ordered, spec.check_limit_s)
        except Exception as error:  # noqa: BLE001 - any library may fail in its own way; that is what is being found out
            emit({"event": "error", "arm": arm.name, "error": f"{type(error).__name__}: {error}"})
            continue
        emit({"event": "slow" if slow else "ok", "arm": arm.name, "seconds": seconds, "reason": slow})


def _check_arm(arm: Arm, inputs: Inputs, ordered: list[int], limit_s: float) -> tuple[float, str | None]:
    pipeline = Pipeline.parse(arm.pipeline)
    _level_takes_effect(pipeline.compress, inputs.plain[ordered[-1]][:LEVEL_PROBE_BYTES])
    codec = pipeline.codec()
    total_s, s_per_byte = 0.0, 0.0
    for index in ordered:
        plain = inputs.plain[index]
        predicted_s = s_per_byte * len(plain)
        if predicted_s > limit_s:
            return total_s, f"about {predicted_s:.0f} s for the capture of {len(plain)} bytes"
        begun = time.perf_counter()
        if arm.kind is Kind.ENCODE:
            same = codec.encoder.decode(list(codec.encoder.encode(inputs.captures[index]))) == inputs.captures[index]
        elif arm.kind in (Kind.COMPRESS, Kind.BASE64):
            transform = codec.compressor if arm.kind is Kind.COMPRESS else codec.base64
            same = b"".join(transform.backward(list(transform.forward(iter(cut(plain)))))) == plain
        else:
            same = codec.decode(list(codec.encode(inputs.captures[index]))) == inputs.captures[index]
        spent_s = time.perf_counter() - begun
        total_s += spent_s
        s_per_byte = max(s_per_byte, spent_s / max(len(plain), 100_000))
        if not same:
            raise NotEligible(f"capture {index + 1} does not come back as equal data")
    return total_s, None


def _level_takes_effect(choice: Choice, plain: bytes) -> None:
    """Compress a probe at this level and at another: the outputs have to differ.

    Raises:
        NotEligible: They are equal, so that the setting does nothing.
    """
    level = next((s for s in choice.candidate.settings if s.name == "level"), None)
    if level is None or not plain:
        return
    mine = int(choice.setting("level"))
    other = level.low if mine - level.low > 1 else min(level.high, max(mine + 3, 3))
    if other == mine:
        other = level.low
    texts = [f"{choice.candidate.name}:{value}" for value in (mine, other)]
    outputs = [b"".join(Choice.parse(choice.candidate.stage, text).make().forward(iter([plain]))) for text in texts]
    if outputs[0] == outputs[1]:
        raise NotEligible(f"{texts[0]} and {texts[1]} give the same output: the level has no effect")
