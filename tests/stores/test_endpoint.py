"""What an endpoint refuses at once, and what is said of a provider of credentials that answers something else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from packhorse.errors import InputError, StoreError, StoreErrorKind
from packhorse.stores.base import Credentials, Endpoint
from packhorse.stores.credentials import Renewing

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"credentials": SECRET}, "credentials is of type str; give a function"),
        ({"credentials": Credentials(SECRET, SECRET)}, "credentials is of type Credentials; give a function"),
        ({"access_key": SECRET}, "access_key was given without secret_key; give both"),
        ({"secret_key": SECRET}, "secret_key was given without access_key; give both"),
    ],
)
def test_an_endpoint_refuses_what_can_never_sign(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        Endpoint("bucket", **given)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (None, "returned NoneType in place of"),
        ((SECRET, SECRET), "returned tuple in place of"),
        (Credentials(5, 6), "returned keys that are not text"),  # type: ignore[arg-type]
        (Credentials(SECRET, SECRET, 7), "returned keys that are not text"),  # type: ignore[arg-type]
        (Credentials(SECRET, None), "returned keys that are not text"),  # type: ignore[arg-type]
        (Credentials(SECRET, SECRET, None, "2099"), "returned an expires_at that is no datetime"),  # type: ignore[arg-type]
        (Credentials(SECRET, SECRET, None, datetime(2099, 1, 1)), "an expires_at without a time zone"),
        (Credentials(SECRET, SECRET, None, datetime(2001, 1, 1, tzinfo=UTC)), "credentials that have expired"),
    ],
)
def test_a_providers_wrong_answer_is_told_as_such(answer: Any, told: str) -> None:
    with pytest.raises(StoreError, match=told) as caught:
        Renewing(lambda: answer, "bucket").current()
    assert caught.value.kind is StoreErrorKind.CONFIG
    assert SECRET not in str(caught.value)
