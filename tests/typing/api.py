"""The public surface as type checkers see it. Checked by mypy (tox -e type), never run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

from packhorse import (
    AsyncUploader,
    Endpoint,
    Fate,
    Pipeline,
    Profile,
    Receipt,
    Ticket,
    Uploader,
    UploaderOptions,
    fetch,
    load_profile,
)


def sync_face(capture: dict[str, Any], entries: Iterator[dict[str, Any]]) -> None:
    with Uploader("s3://bucket/prefix", profile=None, endpoint_url=None, redact=True) as uploader:
        assert_type(uploader, Uploader)
        ticket = uploader.submit(capture, timeout_s=1.0)
        assert_type(ticket, Ticket)
        assert_type(ticket.key, str)
        assert_type(ticket.url, str)
        assert_type(ticket.fate, Fate)
        assert_type(ticket.result(timeout_s=5), Receipt)
        assert_type(uploader.submit_nowait(entries), Ticket)
        assert_type(uploader.upload(Path("my.har")), Receipt)
        assert_type(uploader.stats().submitted, int)
        uploader.set_limits(max_in_flight=8)
    uploader.close(deadline_s=1)


async def async_face(capture: list[Any]) -> None:
    options = UploaderOptions(endpoint=Endpoint("bucket", url="http://127.0.0.1:1"), max_in_flight=8)
    async with AsyncUploader("s3://bucket", options=options) as uploader:
        ticket = await uploader.submit(capture)
        assert_type(ticket, Ticket)
        assert_type(await ticket, Receipt)
        assert_type(await uploader.upload(capture), Receipt)


def data() -> None:
    assert_type(load_profile("default"), Profile)
    pipeline = Pipeline.parse("orjson | gzip:6 | raw | boto3")
    assert_type(pipeline, Pipeline)
    assert_type(pipeline.encode({}), Iterator[bytes])
    fetch("s3://bucket/key", endpoint_url=None)
