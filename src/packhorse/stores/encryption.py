"""Server-side encryption as settings: what the endpoint says, else the variables that the SDKs' kin read."""

from __future__ import annotations

import os
from dataclasses import replace

from packhorse.errors import InputError, StoreError, StoreErrorKind
from packhorse.stores.base import Endpoint

_SAID = {"true": True, "1": True, "false": False, "0": False}


def with_encryption(endpoint: Endpoint) -> Endpoint:
    """``endpoint`` with its encryption filled in from ``AWS_SERVER_SIDE_ENCRYPTION`` and its kin.

    Those are object_store's names for them; read here, they hold for every client. What the endpoint says wins.

    Raises:
        StoreError: kind ``config``: a variable's value is none, or does not go with what was given.
    """
    bucket_key = os.environ.get("AWS_SSE_BUCKET_KEY_ENABLED")
    try:
        filled = replace(
            endpoint,
            server_side_encryption=endpoint.server_side_encryption or os.environ.get("AWS_SERVER_SIDE_ENCRYPTION"),
            kms_key_id=endpoint.kms_key_id or os.environ.get("AWS_SSE_KMS_KEY_ID"),
            bucket_key=_SAID[bucket_key.lower()] if bucket_key and endpoint.bucket_key is None else endpoint.bucket_key,
        )
    except (InputError, KeyError) as error:
        said = error if isinstance(error, InputError) else f"{bucket_key!r} is neither true nor false"
        raise StoreError(
            f"AWS_SERVER_SIDE_ENCRYPTION, AWS_SSE_KMS_KEY_ID or AWS_SSE_BUCKET_KEY_ENABLED: {said}",
            kind=StoreErrorKind.CONFIG,
        ) from None
    if filled.bucket_key is not None and encryption_kind(filled) not in {"aws:kms", "aws:kms:dsse"}:
        text = "bucket_key needs server_side_encryption 'aws:kms'"
        raise StoreError(text, kind=StoreErrorKind.CONFIG)
    return filled


def encryption_kind(endpoint: Endpoint) -> str | None:
    """The algorithm to ask for; a KMS key alone means ``aws:kms``."""
    return endpoint.server_side_encryption or ("aws:kms" if endpoint.kms_key_id is not None else None)
