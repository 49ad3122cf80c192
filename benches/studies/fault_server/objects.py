"""A small S3 in memory: whole objects, multipart, reading. It verifies checksums that clients send, and keeps a ledger.

No signatures are checked, and listing is answered as empty. What a fault test needs is exactness about bytes and
counts, which a server of files behind a proxy could not give: it does not say how often a key was written.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import parse_qs, unquote, urlsplit

from benches.studies.fault_server.answers import Answer, error, xml
from benches.studies.fault_server.ledger import Ledger, Stored
from packhorse.stores.base import MIN_PART_BYTES
from packhorse.units import MIB

#: Bodies kept for reading back; beyond, only their digests are.
KEPT_BYTES = 256 * MIB
#: Metadata in which packhorse's uploader says the plain SHA-256 (packhorse.wire).
_CLAIM = "x-amz-meta-packhorse-plain-sha256"
_HEX64 = re.compile(r"[0-9a-f]{64}")
_PART = re.compile(r"<Part>(.*?)</Part>", re.DOTALL)
_NUMBER = re.compile(r"<PartNumber>\s*(\d{1,5})\s*</PartNumber>")
_TAG = re.compile(r"<ETag>\s*(.*?)\s*</ETag>")
_KEPT_HEADERS = ("content-type", "content-encoding")

#: Header → digest of the body that it holds in base64.
_CHECKS: Mapping[str, Callable[[bytes], bytes]] = {
    "content-md5": lambda body: hashlib.md5(body, usedforsecurity=False).digest(),
    "x-amz-checksum-sha256": lambda body: hashlib.sha256(body).digest(),
    "x-amz-checksum-crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request's head: method, path and query as sent, headers with lower-case names."""

    method: str
    target: str
    headers: Mapping[str, str]

    @property
    def key(self) -> str:
        """The object's key; empty for requests to the bucket."""
        return unquote(urlsplit(self.target).path).lstrip("/").partition("/")[2]

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters."""
        parsed = parse_qs(urlsplit(self.target).query, keep_blank_values=True)
        return {name: values[0] for name, values in parsed.items()}

    @property
    def operation(self) -> str:
        """What it is for: one of :data:`benches.studies.fault_server.script.OPERATIONS`."""
        if not self.key:
            return "list"
        query = self.query
        if self.method == "PUT":
            return "part" if "partNumber" in query else "put"
        if self.method == "POST":
            return "begin" if "uploads" in query else "finish"
        return "abort" if self.method == "DELETE" else "get"


@dataclass(slots=True)
class _Object:
    body: bytes | None
    headers: dict[str, str]
    stored: Stored
    digests: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Upload:
    key: str
    headers: dict[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


class Objects:
    """The store. Used by one event loop; no method waits, so an object is stored whole or not at all."""

    def __init__(self) -> None:
        self._objects: dict[str, _Object] = {}
        self._uploads: dict[str, _Upload] = {}
        self._begun = 0
        self._kept_bytes = 0

    def answer(self, request: Request, body: bytes) -> Answer:
        """Do what a request asks for."""
        refused = _unverified(request.headers, body)
        if refused is not None:
            return refused
        if request.operation == "list":
            return _xml_answer("ListBucketResult", KeyCount="0")
        work: dict[str, Callable[[Request, bytes], Answer]] = {
            "put": self._put,
            "part": self._part,
            "begin": self._begin,
            "finish": self._finish,
            "abort": self._abort,
            "get": self._get,
        }
        return work[request.operation](request, body)

    def ledger(self) -> Ledger:
        """A look at everything stored."""
        objects = {key: held.stored for key, held in self._objects.items()}
        return Ledger(objects, tuple(upload.key for upload in self._uploads.values()))

    def _put(self, request: Request, body: bytes) -> Answer:
        return self._precondition(request) or Answer(headers={"ETag": self._store(request.key, body, request.headers)})

    def _precondition(self, request: Request) -> Answer | None:
        exists = request.headers.get("if-none-match") == "*" and request.key in self._objects
        return error(412, "PreconditionFailed") if exists else None

    def _store(self, key: str, body: bytes, headers: Mapping[str, str]) -> str:
        digest = hashlib.sha256(body).hexdigest()
        before = self._objects.get(key)
        digests = (before.digests if before else set()) | {digest}
        plain = _plain(body, headers.get("content-encoding", ""))
        stored = Stored(
            times=(before.stored.times if before else 0) + 1,
            sha256=digest,
            bodies=len(digests),
            plain_sha256=None if plain is None else hashlib.sha256(plain).hexdigest(),
            claimed_sha256=headers.get(_CLAIM),
            size_bytes=len(body),
        )
        kept = {name: text for name, text in headers.items() if name in _KEPT_HEADERS or name.startswith("x-amz-meta-")}
        self._kept_bytes += len(body) - (len(before.body) if before and before.body else 0)
        kept_body = body if self._kept_bytes <= KEPT_BYTES else None
        if kept_body is None:
            self._kept_bytes -= len(body)
        etag = _etag(body)
        self._objects[key] = _Object(kept_body, {**kept, "etag": etag}, stored, digests)
        return etag

    def _begin(self, request: Request, _: bytes) -> Answer:
        self._begun += 1
        upload_id = f"upload-{self._begun}"
        self._uploads[upload_id] = _Upload(request.key, dict(request.headers))
        return _xml_answer("InitiateMultipartUploadResult", Bucket="lab", Key=request.key, UploadId=upload_id)

    def _part(self, request: Request, body: bytes) -> Answer:
        upload = self._uploads.get(request.query.get("uploadId", ""))
        if upload is None or upload.key != request.key:
            return error(404, "NoSuchUpload")
        upload.parts[int(request.query["partNumber"])] = body
        return Answer(headers={"ETag": _etag(body)})

    def _finish(self, request: Request, body: bytes) -> Answer:
        upload = self._uploads.get(request.query.get("uploadId", ""))
        if upload is None or upload.key != request.key:
            return error(404, "NoSuchUpload")
        asked = [_asked(part) for part in _PART.findall(body.decode(errors="replace"))]
        if not asked or None in asked:
            return error(400, "MalformedXML")
        held = [(upload.parts.get(number), tag) for number, tag in filter(None, asked)]
        parts = [part for part, tag in held if part is not None and _etag(part) == tag]
        if len(parts) < len(asked):
            return error(400, "InvalidPart")
        if any(len(part) < MIN_PART_BYTES for part in parts[:-1]):
            return error(400, "EntityTooSmall")
        refused = self._precondition(request)
        if refused is not None:
            return refused
        del self._uploads[request.query["uploadId"]]
        etag = self._store(request.key, b"".join(parts), upload.headers)
        return _xml_answer("CompleteMultipartUploadResult", Bucket="lab", Key=request.key, ETag=etag)

    def _abort(self, request: Request, _: bytes) -> Answer:
        upload_id = request.query.get("uploadId")
        if upload_id is None:
            self._objects.pop(request.key, None)
            return Answer(204)
        return Answer(204) if self._uploads.pop(upload_id, None) else error(404, "NoSuchUpload")

    def _get(self, request: Request, _: bytes) -> Answer:
        held = self._objects.get(request.key)
        if held is None:
            return error(404, "NoSuchKey")
        if request.method == "HEAD" and held.body is None:  # its headers are kept, whatever became of its body
            return Answer(200, {**held.headers, "content-length": str(held.stored.size_bytes)})
        if held.body is None:
            return error(507, "BodyNotKept")
        return Answer(200, held.headers, held.body)


def _asked(part: str) -> tuple[int, str] | None:
    """Number and quoted entity tag of one part in a request to finish an upload."""
    number, tag = _NUMBER.search(part), _TAG.search(part)
    return (int(number[1]), '"' + unescape(tag[1]).strip('"') + '"') if number and tag else None


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def _xml_answer(root: str, **members: str) -> Answer:
    return Answer(200, {"Content-Type": "application/xml"}, xml(root, **members))


def _unverified(headers: Mapping[str, str], body: bytes) -> Answer | None:
    """S3's refusal when a checksum that the client sent does not fit the body."""
    said = headers.get("x-amz-content-sha256", "")
    if said.startswith("STREAMING") or "aws-chunked" in headers.get("content-encoding", ""):
        return error(501, "NotImplemented")
    if _HEX64.fullmatch(said) and said != hashlib.sha256(body).hexdigest():
        return error(400, "XAmzContentSHA256Mismatch")
    for name, digest in _CHECKS.items():
        if name in headers and headers[name] != base64.b64encode(digest(body)).decode():
            return error(400, "BadDigest")
    return None


def _plain(body: bytes, coding: str) -> bytes | None:
    """The body without its content coding, by the standard library alone: independent of what is being tested."""
    if not coding:
        return body
    window = {"gzip": 31, "deflate": 15}.get(coding)
    if window is None:
        return None
    undo = zlib.decompressobj(window)
    try:
        plain = undo.decompress(body)
    except zlib.error:
        return None
    return plain if undo.eof and not undo.unused_data else None
