"""Run in a process of its own by test_telemetry.py: an uploader in an application without OpenTelemetry."""

from __future__ import annotations

from packhorse.uploader.sync import Uploader
from tests.uploader.fakes import PROFILE, FakeStore, options


def run() -> None:
    with Uploader("s3://bucket/p", profile=PROFILE, redact=False, options=options(FakeStore())) as up:
        up.upload({"log": {"entries": [1]}}, timeout_s=60)
