"""Reading ``s3://`` addresses, and the rules for keys that hold for every client.

The clients disagree about odd keys: obstore drops a leading ``/`` and refuses ``//``, boto3 sends both. A key that all
of them store under exactly the same name is the only kind accepted here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from packhorse.checks import shown
from packhorse.errors import InputError

#: S3 user guide, "Object key naming guidelines": at most 1,024 bytes of UTF-8.
MAX_KEY_BYTES = 1024
#: S3 user guide, "User-defined object metadata": names and values together, 2 KB.
MAX_METADATA_BYTES = 2048

#: A URL with one of them may have a user and a password, or a signature.
_MAY_BE_SECRET = frozenset("@?#")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DOTS = frozenset({".", ".."})
_METADATA_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_METADATA_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?|")


def parse_s3_url(text: str) -> tuple[str, str]:
    """Split ``s3://bucket/prefix`` into bucket and key or prefix (``""`` when there is none).

    Raises:
        InputError: Not text, another scheme, no bucket, a bucket name that S3 does not allow, or a key that
            :func:`check_key` refuses. One trailing ``/`` is allowed and kept: it marks a prefix.
    """
    if not isinstance(text, str):
        raise InputError(f"the address is of type {type(text).__name__}; give text: s3://bucket/prefix")
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() != "s3":
        raise InputError(f"{_shown(text)} is not an S3 address; write s3://bucket/prefix")
    bucket, _, key = rest.partition("/")
    check_bucket(bucket)
    if key:
        check_key(key.removesuffix("/"))
    return bucket, key


def check_bucket(name: str) -> str:
    """Return ``name`` if S3 allows it as a bucket's name.

    Raises:
        InputError: It does not.
    """
    if not _BUCKET.fullmatch(name) or ".." in name:
        raise InputError(
            f"bucket {_shown(name)}: S3 allows 3 to 63 lower-case letters, digits, dots and hyphens in a bucket's name"
        )
    return name


def check_key(key: str) -> str:
    """Return ``key`` if every client stores it under exactly this name.

    Raises:
        InputError: Empty, over 1,024 bytes, with control characters, lone surrogates, a ``.``, ``..`` or empty
            segment, or a ``/`` at either end. :func:`escape_key` makes an acceptable key of any text.
    """
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InputError(f"key {_shown(key)} has a lone surrogate, which UTF-8 cannot express") from None
    if not 0 < size <= MAX_KEY_BYTES:
        raise InputError(f"key {_shown(key)} has {size} bytes; S3 allows 1 to {MAX_KEY_BYTES}")
    if _CONTROL.search(key):
        raise InputError(f"key {_shown(key)} has a control character; percent-encode it")
    segments = key.split("/")
    if "" in segments:
        raise InputError(f"key {_shown(key)} has an empty segment: no leading, trailing or doubled '/' is allowed")
    if not _DOTS.isdisjoint(segments):
        raise InputError(f"key {_shown(key)} has a '.' or '..' segment, which clients resolve differently")
    return key


def check_url(name: str, url: Any) -> None:
    """Check an endpoint's URL, which None says nothing of.

    Raises:
        InputError: It is none that a client could connect to. It is shown only when it cannot hold credentials.
    """
    if url is None:
        return
    if not isinstance(url, str) or not is_url(url):
        secret = isinstance(url, str) and not _MAY_BE_SECRET.isdisjoint(url)
        given = f"of type {type(url).__name__}" if secret else shown(url)
        raise InputError(f"{name} is {given}; give text: http://host:port or https://host, or None")


def is_url(text: str) -> bool:
    """True for http or https with a host, and a port, if any, from 1 to 65535."""
    if not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def escape_key(text: str) -> str:
    """Make a key of any text: control characters, lone surrogates, ``%`` and dot segments are percent-encoded.

    Two different texts give two different keys, except that empty segments are dropped.

    Raises:
        InputError: Nothing is left, or more than 1,024 bytes.
    """
    segments = [_escape_segment(segment) for segment in text.split("/") if segment]
    return check_key("/".join(segments))


class CheckedMetadata(dict[str, str]):
    """Metadata that :func:`check_metadata` takes as it is: whoever makes it has checked it, and nobody changes it."""


def check_metadata(metadata: Mapping[str, str]) -> Mapping[str, str]:
    """Return ``metadata`` if it can travel in headers and come back the same.

    Raises:
        InputError: A name that is not lower-case ASCII, a value that is not printable ASCII or that begins or ends
            with a space, or more than 2,048 bytes in all. Values are never shown.
    """
    if isinstance(metadata, CheckedMetadata):
        return metadata
    for name, value in metadata.items():
        if not _METADATA_NAME.fullmatch(name):
            raise InputError(f"metadata name {_shown(name)}: only a-z, 0-9, '-', '_' and '.' come back unchanged")
        if not _METADATA_VALUE.fullmatch(value):
            raise InputError(f"metadata {name!r}: the value must be printable ASCII without spaces at its ends")
    total = sum(len(name) + len(value) for name, value in metadata.items())
    if total > MAX_METADATA_BYTES:
        raise InputError(f"the metadata has {total} bytes; S3 allows {MAX_METADATA_BYTES}")
    return metadata


def _escape_segment(segment: str) -> str:
    if segment in _DOTS:
        return segment.replace(".", "%2E")
    return "".join(_escape_char(char) for char in segment)


def _escape_char(char: str) -> str:
    if char == "%" or _CONTROL.match(char) or "\ud800" <= char <= "\udfff":
        return quote(char.encode("utf-8", "surrogatepass"), safe="")
    return char


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 80 else text[:77] + "...")
