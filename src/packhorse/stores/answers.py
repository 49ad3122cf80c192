"""What counts as stored, for every client: what S3 says in its own words, or what a look at the object confirms.

A ``200`` with an entity tag is not enough: captive portals and misdirected proxies answer that, too. S3 and its kin
send headers of their own (``x-amz-request-id``), and the entity tag of a plain object is the MD5 of its body; where
neither can be seen, the object's size and headers are looked at. Ceph's gateway leaves the entity tag of a finished
multipart upload empty: that, too, is looked at.

The rule is written once, as steps: a generator yields each request as a function to be called, :func:`run` calls it,
:func:`run_async` awaits what it returns. So sync and async clients differ in their requests alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import Endpoint, ObjectInfo, PutResult
from packhorse.stores.failure import check_request, failure
from packhorse.stores.network import proxy_of, tls_trouble
from packhorse.units import KIB

T = TypeVar("T")
#: Requests to be made, and what comes of them.
Steps = Generator[Callable[[], Any], Any, T]

#: The most that is read of an answer that is no object: S3's errors have about 1 KB.
MAX_ANSWER_BYTES = 64 * KIB
#: Name of the empty object by which a server shows that it keeps ``create_only``. It is removed again.
PROBE = ".packhorse-create-only"
#: RFC 9110, 8.8.3, of strong tags; S3's are never empty.
_ENTITY_TAG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]+"')
_MD5 = re.compile(r"[0-9a-f]{32}")
_NOT_S3 = "the answer does not come from S3, and the object is not there"
_UNSEEN = (
    "the answer is not one of S3's own or was cut short, and the object could not be looked at, which needs "
    "s3:GetObject; whether it was stored is not known"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said to a write: its entity tag as it wrote it, and whether it sent headers that only S3 has."""

    etag: str
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Looked:
    """What is stored under a key: entity tag as written, size, headers."""

    etag: str
    size_bytes: int
    info: ObjectInfo


class Requests(Protocol):
    """The requests of one client, each as steps that raise StoreError."""

    endpoint: Endpoint

    def put(self, key: str, body: bytes, info: ObjectInfo) -> Steps[Answer]:
        """Write an object, with ``create_only`` only when there is none."""
        ...

    def look(self, key: str) -> Steps[Looked | None]:
        """What is stored; None when there is nothing."""
        ...

    def read(self, key: str, most_bytes: int) -> Steps[tuple[bytes, Looked]]:
        """What is stored, its body up to ``most_bytes``."""
        ...

    def delete(self, key: str) -> Steps[None]:
        """Remove an object."""
        ...

    def blocking(self, work: Callable[[], T]) -> Any:
        """Run what blocks: at once, or off the event loop."""
        ...


def run(steps: Steps[T]) -> T:
    """Make each request that ``steps`` asks for."""
    try:
        request = next(steps)
        while True:
            try:
                answer = request()
            except Exception as error:  # noqa: BLE001 - the steps decide what becomes of it
                request = steps.throw(error)
            else:
                request = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


async def run_async(steps: Steps[T]) -> T:
    """As :func:`run`, for requests that return awaitables. A cancellation ends the steps, too."""
    try:
        request = next(steps)
        while True:
            try:
                answer = await request()
            except Exception as error:  # noqa: BLE001 - as above
                request = steps.throw(error)
            else:
                request = steps.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result


def own_headers(headers: Mapping[str, str]) -> bool:
    """Whether an answer has headers that S3 and its kin alone send."""
    return any(name.lower().startswith(("x-amz-", "x-amzn-")) for name in headers)


class Writer:
    """Puts through one client, by the rule of this module. Thread-safe, or of one event loop, as its requests are."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self.endpoint = requests.endpoint
        url = self.endpoint.url
        #: A certificate that was verified says who answers, so that one proof is enough.
        self._authenticated = not (url or "https:").startswith("http:")
        self._seen_s3 = False
        self._looked_at_tls = url is None or not self._authenticated or proxy_of(url) is not None
        self._keeps_what_exists = url is None or not self.endpoint.create_only
        self._tags = Tags()

    def put(self, key: str, body: bytes, info: ObjectInfo) -> Steps[PutResult]:
        """Write an object.

        Raises:
            StoreError: It is not stored, or whether it is is not known (then it is retryable).
        """
        check_request(key, info)
        if not (self._looked_at_tls and self._keeps_what_exists):
            yield from self.ready(key)
        try:
            answer = yield from self._requests.put(key, body, info)
        except StoreError as refused:
            self._tags.doubt()
            if not (self.endpoint.create_only and refused.status == 412):
                raise
            # The key exists: perhaps by our own put, whose answer was lost.
            return PutResult((yield from self._tag_of_same(key, body, info, refused)), len(body))
        tag = self._proven(answer, body) or (yield from self._seen(answer, "put", key, len(body), info))
        return PutResult(tag, len(body))

    def ready(self, key: str) -> Steps[None]:
        """Before the first request of a store: whether TLS comes about, and whether ``create_only`` is heeded."""
        if not self._looked_at_tls:
            yield from self._look_at_tls(key)
        if not self._keeps_what_exists:
            yield from self._probe_create_only(key)

    def confirmed(
        self, answer: Answer, action: str, key: str, sent: tuple[bytes | None, int, ObjectInfo]
    ) -> Steps[str]:
        """The entity tag, without quotes, of an object that is stored.

        Args:
            answer: What came.
            action: What was asked for, in words, for the error.
            key: The object's key.
            sent: Body (None where its MD5 is not the entity tag, as of several parts), its size, and its headers.
        """
        body, size_bytes, info = sent
        return self._proven(answer, body) or (yield from self._seen(answer, action, key, size_bytes, info))

    def _proven(self, answer: Answer, body: bytes | None) -> str:
        """The entity tag of an answer that can be nobody's but S3's; empty when that has to be looked at."""
        tag = _tag_of(answer)
        if tag and (answer.proven or (self._seen_s3 and self._authenticated) or self._tags.proves(tag, body)):
            self._seen_s3 = True
            return tag
        return ""

    def _seen(self, answer: Answer, action: str, key: str, size_bytes: int, info: ObjectInfo) -> Steps[str]:
        tag = _tag_of(answer)
        try:
            looked: Looked | None = yield from self._requests.look(key)
        except StoreError as unseen:
            if tag and unseen.kind is StoreErrorKind.DENIED and self._authenticated:
                return tag  # whoever may only write: the certificate has to do
            raise failure(action, key, self.endpoint, StoreErrorKind.SERVER, _UNSEEN, status=200) from None
        if looked is None or not _is(looked, size_bytes, info):
            raise failure(action, key, self.endpoint, StoreErrorKind.SERVER, _NOT_S3, status=200)
        self._seen_s3 = True
        return looked.etag.strip('"') or tag

    def _look_at_tls(self, key: str) -> Steps[None]:
        endpoint = self.endpoint
        ca_file = None if endpoint.ca_file is None else str(endpoint.ca_file)
        trouble = yield lambda: self._requests.blocking(lambda: tls_trouble(endpoint.url or "", ca_file))
        if trouble:
            raise failure("put", key, endpoint, StoreErrorKind.CONNECTION, trouble)
        self._looked_at_tls = True

    def _tag_of_same(self, key: str, body: bytes, info: ObjectInfo, refused: StoreError) -> Steps[str]:
        """The stored object's entity tag if it is the one that was to be put; else raises ``refused``.

        When the stored object cannot be read now, but perhaps later, raises the error of that reading. It is
        retryable, and so the put is tried again.
        """
        try:
            stored, looked = yield from self._requests.read(key, len(body) + 1)
        except StoreError as unseen:
            if unseen.retryable:
                raise unseen from None
            raise refused from None
        if stored != body or looked.info != info:
            raise refused
        return str(looked.etag.strip('"'))

    def _probe_create_only(self, key: str) -> Steps[None]:
        """Find out, once, whether the server heeds ``If-None-Match``: some overwrite without a word.

        Raises:
            StoreError: kind ``config``: it does not. Nothing but the probe was written.
        """
        folder = key.rpartition("/")[0]
        name = f"{PROBE}-{uuid.uuid4().hex[:12]}"
        probe = f"{folder}/{name}" if folder else name
        heeded = False
        try:
            yield from self._requests.put(probe, b"", ObjectInfo())
            yield from self._requests.put(probe, b"", ObjectInfo())
        except StoreError as refused:  # already the first, where its answer was lost and it was sent again
            if refused.status != 412:
                raise
            heeded = True
        with contextlib.suppress(StoreError):  # where it may not, an empty object stays, whose name says what it is
            yield from self._requests.delete(probe)
        if not heeded:
            why = "this server ignores If-None-Match and would replace what exists: create_only cannot be kept"
            raise failure("put", key, self.endpoint, StoreErrorKind.CONFIG, why)
        self._keeps_what_exists = True


class Tags:
    """Tells from entity tags alone, without TLS, whether the one who answers has read the bodies.

    The tag of a plain object is the MD5 of its body. MD5 takes 1.3 ms a MB, as much as compressing does, so of large
    bodies only some are hashed while answers keep coming: the first ones, then one in :data:`EVERY`, and any whose tag
    came before for another body, has another form, follows a failed request, or comes after a silence. A captive portal
    has one tag for whatever is sent, and nobody gets behind one without connections that break.
    """

    SMALL_BYTES, FIRST, EVERY, SILENCE_S = 32 * KIB, 8, 16, 0.25

    def __init__(self) -> None:
        self._proven = 0
        self._trusted = 0
        self._last = ("", 0, b"")
        self._heard_s = 0.0

    def proves(self, tag: str, body: bytes | None) -> bool:
        """Whether a tag is taken for the body's. Races between threads cost a hash too many or a turn too late."""
        now_s = time.monotonic()
        # Compressed bodies end with a checksum, or with bits that depend on all before them.
        now = (tag, len(body or b""), (body or b"")[-16:])
        last, self._last = self._last, now
        quiet_s, self._heard_s = now_s - self._heard_s, now_s
        if (
            body is not None
            and len(body) > self.SMALL_BYTES
            and self._proven >= self.FIRST
            and self._trusted < self.EVERY - 1
            and quiet_s < self.SILENCE_S
            and (tag != last[0] or now == last)
            and _MD5.fullmatch(tag)
        ):
            self._trusted += 1
            return True
        self._trusted = 0
        good = is_md5(tag, body)
        self._proven = self._proven + 1 if good else 0
        return good

    def doubt(self) -> None:
        """A request failed: hash the next ones."""
        self._proven = 0


def _tag_of(answer: Answer) -> str:
    return answer.etag.strip('"') if _ENTITY_TAG.fullmatch(answer.etag) else ""


def is_md5(tag: str, body: bytes | None) -> bool:
    """Whether a tag is the MD5 of a body, which only whoever has read it can know."""
    if body is None or len(tag) != 32:
        return False
    try:
        return hashlib.md5(body, usedforsecurity=False).hexdigest() == tag.lower()
    except ValueError:  # a build of OpenSSL without MD5
        return False


def is_entity_tag(text: str) -> bool:
    """Whether a text is a well-formed strong entity tag, quotes included."""
    return bool(_ENTITY_TAG.fullmatch(text))


def _is(looked: Looked, size_bytes: int, info: ObjectInfo) -> bool:
    wanted = dict(info.metadata) or {"": info.content_type}
    found = dict(looked.info.metadata) if info.metadata else {"": looked.info.content_type}
    return looked.size_bytes == size_bytes and wanted.items() <= found.items()


def upload_id_of(answered: object, key: str, endpoint: Endpoint) -> str:
    """The id in the answer to a multipart upload's beginning.

    Raises:
        StoreError: kind ``server``: there is none.
    """
    if not isinstance(answered, str) or not answered:
        why = "the answer has no upload id, as one that was cut short"
        raise failure("starting the upload of", key, endpoint, StoreErrorKind.SERVER, why, status=200)
    return answered
