"""Compressed captures: found by their first bytes, expanded as they are read, never past a limit."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator

from packhorse.captures.readers import inflate_gzip
from packhorse.captures.readers.encodings import encoding_of
from packhorse.captures.readers.source import ChunkReader, Opener, Reader
from packhorse.errors import CaptureError, ExpansionLimitError, UnavailableError
from packhorse.units import format_bytes

#: ``capture.har.gz`` fetched with a stored Content-Encoding is compressed twice; more often is somebody's joke.
MAX_LAYERS = 2
#: Bytes that brotli has to yield before a file without any magic number is believed to be brotli.
_BROTLI_PROOF_BYTES = 64

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_Inflate = Callable[[Reader], Iterator[bytes]]


def expanded(opener: Opener, name: str, max_bytes: int) -> tuple[Opener, tuple[str, ...]]:
    """Peel the layers of compression off.

    Args:
        opener: Starts a reading of the file as it lies there.
        name: What errors call the file.
        max_bytes: Most bytes that one layer may expand to.

    Returns:
        What starts a reading of the plain bytes, and the layers' names, outermost first.

    Raises:
        CaptureError: More than :data:`MAX_LAYERS` layers. Damage further in is raised by whoever reads that far.
        UnavailableError: Brotli data, and the extra ``packhorse[captures]`` is not installed.
    """
    layers: list[str] = []
    while True:
        head = head_of(opener, 4096)
        found = _layer(head, opener)
        if found is None:
            return opener, tuple(layers)
        if len(layers) == MAX_LAYERS:
            raise CaptureError(f"is compressed more than {MAX_LAYERS} times; expand it first", source=name)
        layer, inflate = found
        layers.append(layer)
        opener = _layered(opener, inflate, name, max_bytes)


def head_of(opener: Opener, size: int) -> bytes:
    """The first ``size`` bytes, or all when there are fewer."""
    reader = opener()
    head = b""
    while len(head) < size and (data := reader.read(size - len(head))):
        head += data
    return head


def _layered(opener: Opener, inflate: _Inflate, name: str, max_bytes: int) -> Opener:
    return lambda: ChunkReader(_bounded(inflate, opener, name, max_bytes))


def _bounded(inflate: _Inflate, opener: Opener, name: str, max_bytes: int) -> Iterator[bytes]:
    total = 0
    try:
        for chunk in inflate(opener()):
            total += len(chunk)
            if total > max_bytes:
                raise ExpansionLimitError(
                    f"{name}: expands to more than {format_bytes(max_bytes)}; raise max_expanded_bytes if that is right"
                )
            yield chunk
    except ValueError as error:
        raise CaptureError(str(error), source=name, position=f"byte {total} of the expanded data") from None


def _layer(head: bytes, opener: Opener) -> tuple[str, _Inflate] | None:
    if head.startswith(inflate_gzip.MAGIC):
        return "gzip", inflate_gzip.inflate
    if head.startswith(_ZSTD_MAGIC):
        from packhorse.captures.readers import inflate_zstd

        return "zstd", inflate_zstd.inflate
    if looks_binary(head) and _is_brotli(opener):
        from packhorse.captures.readers import inflate_brotli

        return "brotli", inflate_brotli.inflate
    return None


def looks_binary(head: bytes) -> bool:
    """Whether this is neither JSON nor any text: control characters, or bytes that are not UTF-8.

    UTF-16 and UTF-32 are text.
    """
    if encoding_of(head)[0] != "utf-8":
        return False
    if any(byte < 32 and byte not in b"\t\n\r\f\b\x1b" for byte in head):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return True
    return False


def _is_brotli(opener: Opener) -> bool:
    try:
        from packhorse.captures.readers import inflate_brotli
    except ImportError:
        return False
    seen = b""
    try:
        for chunk in inflate_brotli.inflate(opener()):
            seen += chunk
            if len(seen) >= _BROTLI_PROOF_BYTES:
                break
    except ValueError:
        return len(seen) >= _BROTLI_PROOF_BYTES and not looks_binary(seen)
    return bool(seen) and not looks_binary(seen)


def brotli_available() -> bool:
    """Whether unknown binary data could be tried as brotli."""
    try:
        import brotli  # noqa: F401
    except ImportError:
        return False
    return True


def unknown_binary(name: str) -> CaptureError | UnavailableError:
    """The error for a binary file that no reader knows."""
    if brotli_available():
        return CaptureError(
            "is binary data, not JSON, and not gzip, zstd or brotli either", source=name, position="byte 0"
        )
    return UnavailableError(
        f"{name}, byte 0: is binary data, perhaps brotli, which needs: pip install 'packhorse[captures]'"
    )
