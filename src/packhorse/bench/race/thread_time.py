"""How long one thread computes on a pipeline's CPU stages: the timer of the captures' realism check."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from packhorse.pipeline import Pipeline


def thread_seconds(pipeline: str, captures: Sequence[Any]) -> float:
    """CPU seconds that this thread spends on one run of ``pipeline`` over ``captures``.

    CPU time, not wall time: it is what the order of CPU pipelines is about, and a busy machine disturbs it less. The
    codec is made before the clock starts.

    Raises:
        PipelineError: ``pipeline`` is not one.
        UnavailableError: A library is not installed.
        CaptureError: A capture cannot be expressed in the wire format.
    """
    codec = Pipeline.parse(pipeline).codec()
    begun_s = time.thread_time()
    for capture in captures:
        for _ in codec.encode(capture, overlap=False):
            pass
    return time.thread_time() - begun_s
