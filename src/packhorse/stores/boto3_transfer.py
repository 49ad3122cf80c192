"""boto3's transfer manager (``upload_fileobj``, s3transfer), for small bodies too; one manager serves all threads.

``pool`` is both ``max_pool_connections`` and the manager's ``max_request_concurrency``, so it does cap the requests
in flight (counted as in :mod:`packhorse.stores.boto3_put`: 8 opened, 8 at most, 8 kept). Bodies from 5 MiB on are
sent as multipart also by ``put``: that is what the manager is for. Streams are read in a thread of the manager while
the caller waits.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import boto3
import s3transfer
from s3transfer.manager import TransferConfig, TransferManager

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.answers import Answer, is_entity_tag, run, upload_id_of
from packhorse.stores.base import DEFAULT_PART_BYTES, Endpoint, ObjectInfo, PutResult, Store, StoredObject
from packhorse.stores.botocore_client import BotocoreClient, answer_of, headers_of
from packhorse.stores.botocore_errors import translated
from packhorse.stores.failure import check_not_create_only, check_request, closed, failure
from packhorse.stores.multipart import raise_unaborted

#: Parts of streams that the manager holds at once, over all streams of the store: 32 MiB. Each stream has one part
#: more, which is being gathered or waits until the manager takes it.
PARTS_IN_MEMORY = 4


def make(*, endpoint: Endpoint, pool: int) -> Store:
    """A store on one boto3 transfer manager.

    Raises:
        StoreError: kind ``config``.
    """
    return Boto3Transfer(endpoint, pool)


def core_version() -> str:
    """The version of s3transfer, which does the work."""
    return f"s3transfer {s3transfer.__version__} (boto3 {boto3.__version__})"


class Boto3Transfer:
    """See the module."""

    def __init__(self, endpoint: Endpoint, pool: int) -> None:
        check_not_create_only(endpoint, "boto3's transfer manager")
        self._client = BotocoreClient(endpoint, pool)
        config = TransferConfig(
            multipart_threshold=DEFAULT_PART_BYTES,
            multipart_chunksize=DEFAULT_PART_BYTES,
            max_request_concurrency=pool,
            max_submission_concurrency=pool,  # a stream holds a submission thread while it is being produced
            max_in_memory_upload_chunks=PARTS_IN_MEMORY,
        )
        self._manager = TransferManager(_Recording(self._client.sdk, self._client.endpoint), config)
        self._closing = threading.Lock()

    def put(self, key: str, body: bytes, info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put`, except for large bodies: see the module."""
        return self._upload(key, io.BytesIO(body), info, body)

    def put_stream(self, key: str, chunks: Iterator[bytes], info: ObjectInfo) -> PutResult:
        """As :meth:`packhorse.stores.base.Store.put_stream`."""
        reader = _ChunkReader(chunks)
        try:
            return self._upload(key, reader, info, None)
        except StoreError:
            if reader.error is None:
                raise
            raise reader.error from None

    def _upload(self, key: str, file: Any, info: ObjectInfo, body: bytes | None) -> PutResult:
        self._client.check_open()
        check_request(key, info)
        endpoint = self._client.endpoint
        headers = headers_of(info, endpoint)
        headers.pop("BucketKeyEnabled", None)  # s3transfer does not know it; the recording client adds it again
        slot = headers["Metadata"] = _Slot(info.metadata)
        slot.reader = file if isinstance(file, _ChunkReader) else None
        run(self._client.writer.ready(key))
        error: Any
        try:
            self._manager.upload(file, endpoint.bucket, key, extra_args=headers).result()
            sent_bytes = file.bytes_read if body is None else len(body)
            sent = (None if sent_bytes >= DEFAULT_PART_BYTES else body, sent_bytes, info)
            return PutResult(run(self._client.writer.confirmed(slot.answer, "put", key, sent)), sent_bytes)
        except CancelledError:
            error = closed(endpoint)
        except StoreError as ours:  # of the recording client, or what was answered is not S3's
            error = ours
        except Exception as sdk_error:  # noqa: BLE001 - whatever an SDK raises ends here
            if sdk_error is getattr(file, "error", None):
                error = sdk_error  # the chunks' own exception may be of the same class as one of the SDK's
            else:
                error = translated(sdk_error, "put", key, endpoint)
        if slot.abort_error is not None:
            raise_unaborted(error, translated(slot.abort_error, "aborting the upload of", key, endpoint))
        raise error from None

    def open(self, key: str) -> AbstractContextManager[StoredObject]:
        """As :meth:`packhorse.stores.base.Store.open`."""
        return self._client.open(key)

    def close(self) -> None:
        """As :meth:`packhorse.stores.base.Store.close`; waits for the manager's threads."""
        with self._closing:
            self._client.close()
            self._manager.shutdown(cancel=True)


class _Slot(dict[str, str]):
    """The metadata of one upload, which s3transfer hands through unchanged; answers are noted on it."""

    answer: Answer = Answer("")
    abort_error: Exception | None = None
    reader: _ChunkReader | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Stop the stream when a request fails: s3transfer itself reads it to its end first."""
        try:
            yield
        except Exception:
            if self.reader is not None:
                self.reader.abandon()
            raise


class _Recording:
    """A botocore client that notes entity tags and failed aborts, which s3transfer throws away."""

    def __init__(self, sdk: Any, endpoint: Endpoint) -> None:
        self._sdk = sdk
        self._endpoint = endpoint
        self._more = {} if endpoint.bucket_key is None else {"BucketKeyEnabled": endpoint.bucket_key}
        self._slots: dict[str, _Slot] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sdk, name)

    def put_object(self, **arguments: Any) -> Any:
        answer = self._sdk.put_object(**arguments, **self._more)
        arguments["Metadata"].answer = answer_of(answer)
        return answer

    def create_multipart_upload(self, **arguments: Any) -> Any:
        with arguments["Metadata"].watching():
            answer = self._sdk.create_multipart_upload(**arguments, **self._more)
            upload_id = upload_id_of(answer.get("UploadId"), arguments["Key"], self._endpoint)
        self._slots[upload_id] = arguments["Metadata"]
        return answer

    def upload_part(self, **arguments: Any) -> Any:
        with self._slots[arguments["UploadId"]].watching():
            answer = self._sdk.upload_part(**arguments)
            action = f"part {arguments['PartNumber']} of"
            if not is_entity_tag(answer_of(answer).etag):
                why = "the answer has no entity tag; whether the part was stored is not known"
                raise failure(action, arguments["Key"], self._endpoint, StoreErrorKind.SERVER, why, status=200)
            return answer

    def complete_multipart_upload(self, **arguments: Any) -> Any:
        answer = self._sdk.complete_multipart_upload(**arguments)
        self._slots.pop(arguments["UploadId"]).answer = answer_of(answer)
        return answer

    def abort_multipart_upload(self, **arguments: Any) -> Any:
        slot = self._slots.pop(arguments["UploadId"])
        try:
            return self._sdk.abort_multipart_upload(**arguments)
        except Exception as error:
            slot.abort_error = error
            raise


class _ChunkReader:
    """Reads an iterator of chunks as a file that cannot seek, which is what a transfer manager wants.

    Attributes:
        bytes_read: Bytes handed out so far.
        error: What the iterator raised. Anything else is an exception of the SDK's own.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._held = memoryview(b"")
        self.bytes_read = 0
        self.error: BaseException | None = None
        self._abandoned = False

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, less only at the end: s3transfer takes a short read for the end. -1 reads the rest."""
        taken: list[bytes | memoryview] = []
        wanted = size
        while wanted and not self._abandoned:
            if not len(self._held) and not self._next():
                break
            piece = self._held if wanted < 0 else self._held[:wanted]
            self._held = self._held[len(piece) :]
            taken.append(piece)
            wanted -= len(piece) if wanted > 0 else 0
        data = b"".join(taken)
        self.bytes_read += len(data)
        return data

    def abandon(self) -> None:
        """Hand out nothing more: the upload has failed, and producing the rest would be for nothing."""
        self._abandoned = True

    def readable(self) -> bool:
        """Always True."""
        return True

    def seekable(self) -> bool:
        """Always False."""
        return False

    def _next(self) -> bool:
        try:
            for chunk in self._chunks:
                if chunk:
                    self._held = memoryview(chunk)
                    return True
        except BaseException as error:
            self.error = error
            raise
        return False
