"""What obstore's sync and async stores share: settings, clients by patience, requests, exceptions translated.

Settings and credentials come from :mod:`packhorse.stores.aws`, as of all clients; what obstore would read from the
environment by itself is set here one way or the other. It sends the body's SHA-256 with every request, which the store
verifies.

**Credentials that are renewed** come from a function in Python. obstore keeps what it is given until five minutes
before its end, and within those five minutes asks again every 100 ms at the most; there is no way to make it ask
sooner. So it is told an end in four minutes, whatever the real one: a renewal is in use 100 ms later.

**Patience**: obstore's read timeout runs from a request's beginning, so that sending the body counts, too; botocore's
bounds each silence. For the same meaning here, larger bodies go through clients that wait longer, as long as the body
takes at :data:`SLOWEST_BYTES_PER_S`. A client is made when a body of its class comes first, with its own connections.

**Multipart** goes through boto3, which is loaded when the first stream of 5 MiB comes: obstore makes those requests by
itself, out of sight, so that nobody could try a part again within a budget, stop it, or look at what was answered. The
same client takes over in a forked child, where obstore's native threads are not.

obstore's exceptions have a text, in which S3's status and error body stand, and no headers: ``Retry-After`` cannot be
had. Nor can the body's size be bounded: whoever answers hugely once is asked through boto3 from then on.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.store import S3Store

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.answers import MAX_ANSWER_BYTES, Answer, Looked, Steps
from packhorse.stores.aws import Plan, aws_url, encryption_kind, refuse_directory_bucket, resolve
from packhorse.stores.base import Endpoint, ObjectInfo
from packhorse.stores.credentials import Source
from packhorse.stores.failure import (
    NO_CREDENTIALS,
    NOT_RENEWED,
    BrokenOff,
    answered,
    closed,
    failure,
    unanswered,
)
from packhorse.stores.network import any_proxy, region_of_bucket
from packhorse.stores.obstore_forks import WHAT, check_alive, enter, hold, lost
from packhorse.units import KIB, MIB

if TYPE_CHECKING:
    from packhorse.stores.boto3_put import Boto3Put

_log = logging.getLogger("packhorse.stores")

#: reqwest's bound on a whole request when an object is read; stalls are met by read_timeout_s long before.
READING_LIMIT_S = 3600
#: The slowest upload that is not given up: 64 KiB/s each, 4 Mbit/s for eight at once.
SLOWEST_BYTES_PER_S = 64 * KIB
#: Upper bounds of body classes. Up to the first no time is added: it is sent in two seconds at that rate.
CLASSES = (128 * KIB, 1 * MIB, 8 * MIB)
#: Seconds that obstore is told credentials live: under the five minutes from which on it asks again (see above).
TOLD_LIFE_S = 240.0

_NAMED = {
    "Content-Type",
    "Content-Encoding",
    "Content-Disposition",
    "Content-Language",
    "Cache-Control",
    "Storage-Class",
}
_STATUS = re.compile(r"Server returned (?:non-2xx status code: |error response: )(\d{3})?")
_NO_TAG = re.compile(r"ETag Header missing|Unable to extract metadata from headers")
_BARE_REDIRECT = "redirect without LOCATION"
_PROVIDER_FAILED = "External AWS credential provider"
#: What :class:`packhorse.stores.credentials.Renewing` says: our own words, without anything of the provider's.
_PROVIDER_SAID = re.compile(r"the credentials provider (?:returned|raised) [\w .,'-]{1,120}")
_TIMED_OUT = re.compile(r"timed ?out|TimedOut|deadline has elapsed", re.IGNORECASE)
_CREDENTIALS = re.compile(r"credential|169\.254\.|security-credentials|AssumeRole", re.IGNORECASE)
#: What is looked at of an exception's text: an answer of S3's and what obstore says around it.
_TEXT_CHARS = 16 * KIB


def client_version() -> str:
    """The version of obstore; its Rust core object_store tells none at run time."""
    return f"obstore {obstore.__version__}"


class Clients:
    """The native clients of one store. Thread-safe; refused in a forked child."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Make the first client; sends nothing, except that a role's or container's credentials may be fetched.

        Raises:
            StoreError: kind ``config``; also in the child of a process that had used obstore before it was forked.
        """
        enter(endpoint)
        self.plan = resolve(endpoint)
        self.endpoint = self.plan.endpoint
        refuse_directory_bucket(self.endpoint, "obstore")
        self._lock = threading.Lock()
        #: By the idle connections that they keep and the size of bodies that they are for; 0 is for reading.
        self._made: dict[tuple[int, int], S3Store] = {}
        hold(self)

    def of(self, body_bytes: int, pool: int) -> S3Store:
        """The client for a body of that size that keeps up to ``pool`` idle connections."""
        # Above the classes in powers of two, so that few clients are made whatever sizes come.
        size = CLASSES[0]
        if body_bytes > size:
            size = next((bound for bound in CLASSES if body_bytes <= bound), 1 << (body_bytes - 1).bit_length())
        more_s = 0.0 if size == CLASSES[0] else size / SLOWEST_BYTES_PER_S
        return self._client((pool, size), more_s, None)

    def reading(self) -> S3Store:
        """The client for reading objects, which may take long."""
        return self._client((1, 0), 0.0, READING_LIMIT_S)

    def _client(self, use: tuple[int, int], more_s: float, limit_s: float | None) -> S3Store:
        if lost():
            check_alive(self.endpoint)
        found = self._made.get(use)
        if found is None:
            with self._lock:
                if use not in self._made:
                    self._made[use] = self._new(use[0], more_s, limit_s)
                found = self._made[use]
        return found

    def _new(self, pool: int, more_s: float, limit_s: float | None) -> S3Store:
        waits_s = self.endpoint.read_timeout_s + more_s
        # An answer that trickles has as long again.
        limit_s = limit_s or self.endpoint.connect_timeout_s + 2 * self.endpoint.read_timeout_s + more_s
        with translating("connecting for", "", self.endpoint):
            return S3Store(
                self.endpoint.bucket,
                client_options=_client_options(self.plan, pool, (waits_s, limit_s)),
                retry_config={"max_retries": 0},
                **_config(self.plan),
            )


def _config(plan: Plan) -> dict[str, Any]:
    endpoint = plan.endpoint
    url = endpoint.url or aws_url(endpoint, plan.settings)
    virtual = plan.settings.virtual if endpoint.url else "." not in endpoint.bucket
    if endpoint.url and virtual:
        scheme, _, host = url.partition("://")
        url = f"{scheme}://{endpoint.bucket}.{host}"
    config: dict[str, Any] = {
        # The variable AWS_ENDPOINT_URL_S3 would otherwise win over an endpoint that was given.
        "aws_endpoint_url_s3" if "AWS_ENDPOINT_URL_S3" in os.environ else "endpoint": url,
        "region": endpoint.region or "us-east-1",
        "virtual_hosted_style_request": virtual,
        "credential_provider": _fixed(endpoint) if plan.source is None else _renewed(plan.source),
        "conditional_put": "etag",
        "skip_signature": False,
        "unsigned_payload": False,
        "s3_express": False,
        "disable_bulk_delete": True,
        "aws_server_side_encryption": encryption_kind(endpoint),
        "aws_sse_kms_key_id": endpoint.kms_key_id,
        "aws_sse_bucket_key_enabled": endpoint.bucket_key,
    }
    return {name: value for name, value in config.items() if value is not None}


def _client_options(plan: Plan, pool: int, waits_s: tuple[float, float]) -> Any:
    endpoint = plan.endpoint
    options: dict[str, Any] = {
        "allow_http": (endpoint.url or "").lower().startswith("http:"),
        "allow_invalid_certificates": False,
        "connect_timeout": timedelta(seconds=endpoint.connect_timeout_s),
        "read_timeout": timedelta(seconds=waits_s[0]),
        "timeout": timedelta(seconds=waits_s[1]),
        "pool_max_idle_per_host": str(pool),
    }
    if plan.proxy is not None:
        options["proxy_url"] = plan.proxy
    elif any_proxy():
        # A proxy that is named here keeps obstore from looking into the environment, and the only host is none of its.
        host = urlsplit(endpoint.url or aws_url(endpoint, plan.settings)).hostname
        options |= {"proxy_url": "http://127.0.0.1:9", "proxy_excludes": host}
    if endpoint.ca_file is not None:
        options["root_certificate"] = Path(endpoint.ca_file).read_bytes()
    return options


def _fixed(endpoint: Endpoint) -> Any:
    """Explicit credentials as a provider: plain settings would be mixed with AWS_SESSION_TOKEN from the environment."""
    credential = {
        "access_key_id": endpoint.access_key,
        "secret_access_key": endpoint.secret_key,
        "token": endpoint.session_token,
        "expires_at": None,
    }
    return lambda: credential


def _renewed(source: Source) -> Any:
    """A source as a provider of obstore's."""

    def provide() -> dict[str, Any]:
        held = source.current()
        return {
            "access_key_id": held.access_key,
            "secret_access_key": held.secret_key,
            "token": held.session_token,
            "expires_at": datetime.now(UTC) + timedelta(seconds=TOLD_LIFE_S),
        }

    return provide


class ObstoreRequests:
    """obstore's requests as :class:`packhorse.stores.answers.Requests`, and the way out to boto3."""

    def __init__(
        self, endpoint: Endpoint, pool: int, call: Callable[..., Any], blocking: Callable[[Callable[[], Any]], Any]
    ) -> None:
        """Take what makes the requests.

        Args:
            endpoint: As given.
            pool: Idle connections to keep.
            call: Called with an action and a key, for errors, the name of one of obstore's functions and its arguments.
            blocking: As of ``Requests``.
        """
        self._given = endpoint
        self._pool = pool
        self._call = call
        self.blocking = blocking
        self._clients: Clients | None = Clients(endpoint)
        self.endpoint = self._clients.endpoint
        self.source = self._clients.plan.source
        self._lock = threading.Lock()
        self._boto3: Boto3Put | None = None
        self._huge = False
        self._keeping = Keeping()

    def way_out(self) -> Boto3Put | None:
        """The boto3 store that whole objects go through as well: in a forked child, and after an answer without end."""
        return self.boto3() if self._huge or lost() else None

    def boto3(self) -> Boto3Put:
        """A boto3 store for the same endpoint, made when it is first needed."""
        self.clients()
        with self._lock:
            if self._boto3 is None:
                self._boto3 = boto3_in_place_of_obstore(self._given, self._pool)
            return self._boto3

    def clients(self) -> Clients:
        """The native clients. Raises StoreError (``config``) after :meth:`close`."""
        clients = self._clients
        if clients is None:
            raise closed(self.endpoint)
        return clients

    def close(self) -> None:
        """Let go of the clients, which close their connections when they are dropped."""
        self._clients = None
        with self._lock:
            made, self._boto3 = self._boto3, None
        if made is not None:
            made.close()

    def put(self, key: str, body: bytes, info: ObjectInfo) -> Steps[Answer]:
        """As ``Requests.put``."""
        client = self.clients().of(len(body), self._keeping.pool(self._pool))
        mode = "create" if self.endpoint.create_only else "overwrite"
        try:
            answer = yield partial(
                self._call,
                "put",
                key,
                "put",
                client,
                body,
                attributes=attributes_of(info),
                use_multipart=False,
                mode=mode,
            )
        except _Huge:
            self._huge = True
            _log.warning(
                "the endpoint %s sends answers without end, which obstore reads whole; using boto3 from now on",
                self.endpoint.url,
            )
            raise
        except BrokenOff:
            self._keeping.broke_off()
            raise
        except _NoTag:
            return Answer("")
        self._keeping.answered()
        return Answer(str(answer["e_tag"] or ""), answer.get("version") is not None)

    def look(self, key: str) -> Steps[Looked | None]:
        """As ``Requests.look``."""
        client = self.clients().of(0, self._pool)
        try:
            answer = yield partial(self._call, "looking at", key, "get", client, options={"head": True})
        except StoreError as error:
            if error.kind is StoreErrorKind.NOT_FOUND:
                return None
            raise
        return looked_of(answer)

    def read(self, key: str, most_bytes: int) -> Steps[tuple[bytes, Looked]]:
        """As ``Requests.read``."""
        answer = yield partial(self._call, "get", key, "get", self.clients().reading())
        looked = looked_of(answer)
        if looked.size_bytes > most_bytes:
            return b"", looked
        return bytes((yield partial(self._call, "reading", key, "bytes", answer))), looked

    def delete(self, key: str) -> Steps[None]:
        """As ``Requests.delete``."""
        yield partial(self._call, "removing", key, "delete", self.clients().of(0, self._pool))


class Keeping:
    """Whether connections are kept: not for a while after one broke off that may have been kept.

    Some balancers reset each connection once it has answered. boto3 looks whether a connection is still there before it
    takes it; obstore finds out by a request that fails, and with many at once every other one would.
    """

    WITHOUT_S = 30.0

    def __init__(self) -> None:
        self._answered = False
        self._without_until_s = float("-inf")

    def pool(self, pool: int) -> int:
        """The idle connections to keep now, of ``pool`` that are wanted."""
        return 0 if time.monotonic() < self._without_until_s else pool

    def answered(self) -> None:
        """An answer came, so that its connection may be kept."""
        self._answered = True

    def broke_off(self) -> None:
        """A connection ended before an answer came."""
        if self._answered:
            self._answered = False
            self._without_until_s = time.monotonic() + self.WITHOUT_S


class _Huge(StoreError):
    """An answer was larger than anything S3 says."""


class _NoTag(StoreError):
    """A successful answer without an entity tag."""


class Fallback:
    """Says once in each process that boto3 stands in for obstore."""

    said_in: int | None = None


def boto3_in_place_of_obstore(endpoint: Endpoint, pool: int) -> Boto3Put:
    """A boto3 store; in a forked child, one log line says that it is one."""
    from packhorse.stores.boto3_put import Boto3Put

    if lost() and Fallback.said_in != os.getpid():
        Fallback.said_in = os.getpid()
        _log.warning("%s: boto3 takes its place in process %d", WHAT, os.getpid())
    return Boto3Put(endpoint, pool)


def looked_of(answer: Any) -> Looked:
    """What obstore found under a key."""
    return Looked(str(answer.meta["e_tag"] or ""), int(answer.meta["size"]), info_of(answer.attributes))


def attributes_of(info: ObjectInfo) -> dict[str, str]:
    """``info`` as obstore's attributes."""
    attributes = {"Content-Type": info.content_type, **info.metadata}
    if info.content_encoding is not None:
        attributes["Content-Encoding"] = info.content_encoding
    return attributes


def info_of(attributes: Mapping[Any, str]) -> ObjectInfo:
    """The attributes of obstore as headers of an object."""
    metadata = {str(name): value for name, value in attributes.items() if name not in _NAMED}
    content_type = attributes.get("Content-Type", "application/octet-stream")
    return ObjectInfo(content_type, attributes.get("Content-Encoding"), metadata)


@contextmanager
def translating(action: str, key: str, endpoint: Endpoint) -> Iterator[None]:
    """Raise what obstore raises inside as StoreError; the chain is cut, as its texts quote the server's answer.

    Raises:
        StoreError: With kind, status and code. obstore does not tell ``Retry-After``: when S3 throttles, the error has
            the floor (:data:`packhorse.stores.failure.THROTTLED_FLOOR_S`).
    """
    try:
        yield
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever obstore raises ends here
        raise translated(error, action, key, endpoint) from None


def translated(error: Exception, action: str, key: str, endpoint: Endpoint) -> StoreError:
    """The StoreError for one of obstore's exceptions, known only by class and text."""
    whole = str(error)
    text = whole[:_TEXT_CHARS]
    if " " in key:  # such a key could hold the words looked for below
        text = text.replace(key, "")
    found: StoreError
    if answer := _STATUS.search(text):
        # "error response" is how it tells of an error that came with 200.
        found = answered(action, key, endpoint, status=int(answer[1]) if answer[1] else None, body=text[answer.end() :])
        if answer[1] is None and found.kind is StoreErrorKind.CONNECTION:
            found = failure(action, key, endpoint, StoreErrorKind.SERVER, status=200)
        if len(whole) > MAX_ANSWER_BYTES:
            found = _Huge(str(found), kind=found.kind, status=found.status, retry_after_s=found.retry_after_s)
    elif _BARE_REDIRECT in text:
        region = region_of_bucket(endpoint.url, endpoint.bucket) if endpoint.url else None
        found = answered(action, key, endpoint, status=301, code="PermanentRedirect", region=region)
    elif _NO_TAG.search(text):
        found = _NoTag("no entity tag", kind=StoreErrorKind.SERVER)
    else:
        found = _without_answer(error, text, action, key, endpoint)
    return found


def _without_answer(error: Exception, text: str, action: str, key: str, endpoint: Endpoint) -> StoreError:
    name = type(error).__name__
    kind: StoreErrorKind
    if name == "FileNotFoundError":
        kind, why = StoreErrorKind.NOT_FOUND, ""
    elif _CREDENTIALS.search(text):
        ours = _PROVIDER_SAID.search(text)
        not_renewed = ours[0] if ours else NOT_RENEWED
        kind, why = StoreErrorKind.CONFIG, not_renewed if _PROVIDER_FAILED in text else NO_CREDENTIALS
    elif _TIMED_OUT.search(text):
        kind, why = StoreErrorKind.TIMEOUT, "no answer in time"
    elif name == "UnknownConfigurationKeyError" or "builder error" in text.lower():
        kind, why = StoreErrorKind.CONFIG, f"obstore refuses the endpoint or another setting: {name}"
    elif isinstance(error, ValueError) or name in {"InvalidPathError", "NotSupportedError", "NotImplementedError"}:
        kind, why = StoreErrorKind.INVALID, f"obstore refuses the request: {name}"
    else:
        return unanswered(action, key, endpoint, text, "" if name == "GenericError" else name)
    return failure(action, key, endpoint, kind, why)
