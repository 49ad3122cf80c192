"""Addresses and keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packhorse.errors import InputError
from packhorse.pipeline import Pipeline
from packhorse.stores.url import (
    MAX_KEY_BYTES,
    MAX_METADATA_BYTES,
    CheckedMetadata,
    check_key,
    check_metadata,
    escape_key,
    parse_s3_url,
)
from packhorse.wire import Headers


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("s3://bucket", ("bucket", "")),
        ("s3://bucket/", ("bucket", "")),
        ("S3://bucket/a/b", ("bucket", "a/b")),
        ("s3://my.bucket-1/prefix/", ("my.bucket-1", "prefix/")),
        ("s3://bucket/ü %20?x=1#y", ("bucket", "ü %20?x=1#y")),
    ],
)
def test_addresses(text: str, parts: tuple[str, str]) -> None:
    assert parse_s3_url(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        *("", "bucket/key", "https://bucket/key", "s3:/bucket", "s3://", "s3:///key", "s3://Bucket/k", "s3://b/k"),
        *("s3://a..b/k", "s3://bucket//k", "s3://bucket/../k", "s3://bucket/a\nb", "s3://user:pw@bucket/k"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(InputError):
        parse_s3_url(text)


def test_errors_are_one_short_line() -> None:
    with pytest.raises(InputError) as caught:
        check_key("x\n" * 5000)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@given(st.text(st.characters(codec=None), max_size=200).filter(lambda text: text.strip("/")))
def test_escaped_keys_are_acceptable(text: str) -> None:
    try:
        key = escape_key(text)
    except InputError as error:
        reason = str(error)
    else:
        assert check_key(key) == key
        assert escape_key(text) == key
        return
    assert str(MAX_KEY_BYTES) in reason


@given(
    st.lists(st.text(st.characters(codec=None, exclude_characters="/"), min_size=1, max_size=8), min_size=1, max_size=4)
)
def test_escaping_keeps_texts_apart(segments: list[str]) -> None:
    from urllib.parse import unquote_to_bytes

    try:
        key = escape_key("/".join(segments))
    except InputError:
        return
    assert unquote_to_bytes(key).decode("utf-8", "surrogatepass") == "/".join(segments)


@pytest.mark.parametrize("profile", ["default", "é", " default", "x" * MAX_METADATA_BYTES])
def test_metadata_that_is_made_here_is_taken_as_checked_only_when_it_is_good(profile: str) -> None:
    info = Headers(Pipeline.parse("orjson | gzip:1 | raw"), profile).of(plain_bytes=1, crc32=2, sha256="0" * 64)
    if profile == "default":
        assert isinstance(info.metadata, CheckedMetadata)
        assert check_metadata(dict(info.metadata)) == info.metadata
    else:
        with pytest.raises(InputError):
            check_metadata(info.metadata)
