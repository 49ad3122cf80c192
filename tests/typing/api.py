"""The public surface as type checkers see it. Checked by mypy (tox -e type), never run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_type

import packhorse
from packhorse import (
    Adaptive,
    AsyncUploader,
    CaptureError,
    CorruptObjectError,
    Credentials,
    Endpoint,
    EntryStream,
    ExpansionLimitError,
    Fate,
    FetchLimits,
    FlagFollower,
    Flushed,
    InputError,
    PackhorseError,
    Pipeline,
    PipelineError,
    Profile,
    ProfileError,
    QueueFull,
    Receipt,
    RedactionError,
    Stats,
    StoreError,
    StoreErrorKind,
    Ticket,
    UnavailableError,
    Uploader,
    UploaderClosed,
    UploaderOptions,
    UploadFailed,
    close_on_signal,
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
    limits = FetchLimits()
    fetch("s3://bucket/key", limits=limits)


def account(uploader: Uploader) -> None:
    assert_type(uploader.stats(), Stats)
    assert_type(uploader.flush(1.0), Flushed)
    assert_type(packhorse.__version__, str)


def errors() -> None:
    """Types, and not Any: each can be caught by its root."""
    assert_type(InputError, type[InputError])
    given: list[type[InputError]] = [CaptureError, PipelineError, ProfileError, UnavailableError]
    others: list[type[PackhorseError]] = [
        CorruptObjectError,
        ExpansionLimitError,
        QueueFull,
        RedactionError,
        StoreError,
        UploaderClosed,
        UploadFailed,
        *given,
    ]
    try:
        load_profile("mine.toml")
    except (ProfileError, UploaderClosed) as error:
        assert_type(error, ProfileError | UploaderClosed)
    except StoreError as error:
        assert_type(error.kind, StoreErrorKind)
        assert_type(error.status, int | None)
    except UploadFailed as error:
        assert_type(error.reason, str)
    _ = others, Adaptive, Credentials, EntryStream, FlagFollower, close_on_signal


def nothing_else() -> None:
    packhorse.Nope  # type: ignore[attr-defined]  # noqa: B018  # unused, were every name taken
