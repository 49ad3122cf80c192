"""botocore's exceptions become StoreErrors here: for boto3, its transfer managers, and aiobotocore."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import Endpoint
from packhorse.stores.failure import NO_CREDENTIALS, NOT_RENEWED, failure, kind_of, retry_after_s

#: What botocore and the layers under it may raise from a request. Programming errors pass through.
SDK_ERRORS = (sdk.BotoCoreError, sdk.ClientError, ResponseParserError, OSError, ValueError)

_KINDS: tuple[tuple[tuple[type[Exception], ...], StoreErrorKind, str], ...] = (
    (
        (sdk.NoCredentialsError, sdk.PartialCredentialsError, sdk.NoAuthTokenError),
        StoreErrorKind.CONFIG,
        NO_CREDENTIALS,
    ),
    (
        (sdk.CredentialRetrievalError, sdk.UnauthorizedSSOTokenError, sdk.TokenRetrievalError),
        StoreErrorKind.CONFIG,
        NOT_RENEWED,
    ),
    ((sdk.ProfileNotFound,), StoreErrorKind.CONFIG, "AWS_PROFILE names a profile that is not in ~/.aws/config"),
    ((sdk.ConfigParseError, sdk.ConfigNotFound), StoreErrorKind.CONFIG, "~/.aws/config cannot be read"),
    ((sdk.NoRegionError, sdk.InvalidRegionError), StoreErrorKind.CONFIG, "set AWS_REGION"),
    ((sdk.ConnectTimeoutError,), StoreErrorKind.TIMEOUT, "no connection within connect_timeout_s"),
    ((sdk.ReadTimeoutError, TimeoutError), StoreErrorKind.TIMEOUT, "no answer within read_timeout_s"),
    ((sdk.SSLError,), StoreErrorKind.CONNECTION, "TLS failed"),
    ((sdk.HTTPClientError, sdk.ConnectionError, OSError), StoreErrorKind.CONNECTION, ""),
    ((sdk.ResponseStreamingError, sdk.IncompleteReadError), StoreErrorKind.CONNECTION, "the answer was cut short"),
    ((ResponseParserError,), StoreErrorKind.SERVER, "the answer cannot be read, as one that was cut short"),
    ((sdk.ParamValidationError,), StoreErrorKind.INVALID, "botocore refuses the key, the bucket or the metadata"),
    ((ValueError,), StoreErrorKind.CONFIG, "botocore refuses the endpoint URL or another setting"),
)


@contextmanager
def translating(action: str, key: str, endpoint: Endpoint) -> Iterator[None]:
    """Raise what botocore raises inside as StoreError; the chain is cut, as SDK texts may hold what must not be shown.

    Raises:
        StoreError: With kind, status and Retry-After as far as they are known.
    """
    try:
        yield
    except SDK_ERRORS as error:
        raise translated(error, action, key, endpoint) from None


def translated(error: Exception, action: str, key: str, endpoint: Endpoint) -> StoreError:
    """The StoreError for one of :data:`SDK_ERRORS`."""
    if isinstance(error, sdk.ClientError):
        return _from_answer(error, action, key, endpoint)
    name = type(error).__name__
    for classes, kind, why in _KINDS:
        if isinstance(error, classes):
            return failure(action, key, endpoint, kind, f"{name}: {why}" if why else name)
    return failure(action, key, endpoint, StoreErrorKind.INVALID, name)


def _from_answer(error: sdk.ClientError, action: str, key: str, endpoint: Endpoint) -> StoreError:
    answer = error.response.get("ResponseMetadata", {})
    status = answer.get("HTTPStatusCode")
    code = str(error.response.get("Error", {}).get("Code", ""))
    if status is None and code.isdecimal():
        status = int(code)
    headers = answer.get("HTTPHeaders", {})
    return failure(
        action,
        key,
        endpoint,
        kind_of(status, code),
        status=status,
        code=code,
        retry_after_s=retry_after_s(headers),
        server_time=error.response.get("Error", {}).get("ServerTime"),
        region=headers.get("x-amz-bucket-region"),
    )
