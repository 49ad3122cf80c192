"""botocore's exceptions become StoreErrors here: for boto3, its transfer managers, and aiobotocore."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as sdk
from botocore.parsers import ResponseParserError

from packhorse.errors import StoreError, StoreErrorKind
from packhorse.stores.base import Endpoint
from packhorse.stores.failure import NO_CREDENTIALS, NOT_RENEWED, answered, failure, retry_after_s, unanswered

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
    ((sdk.InvalidConfigError, sdk.InvalidS3AddressingStyleError), StoreErrorKind.CONFIG, "see ~/.aws/config"),
    ((sdk.ConnectTimeoutError,), StoreErrorKind.TIMEOUT, "no connection within connect_timeout_s"),
    ((sdk.ReadTimeoutError, TimeoutError), StoreErrorKind.TIMEOUT, "no answer within read_timeout_s"),
    ((sdk.ProxyConnectionError,), StoreErrorKind.CONNECTION, "the proxy cannot be reached or refuses"),
    ((sdk.ResponseStreamingError, sdk.IncompleteReadError), StoreErrorKind.CONNECTION, "the answer was cut short"),
    ((ResponseParserError,), StoreErrorKind.SERVER, "the answer cannot be read, as one that was cut short"),
    ((sdk.ParamValidationError,), StoreErrorKind.INVALID, "botocore refuses the key, the bucket or the metadata"),
)
_SETTINGS = "botocore refuses the endpoint URL or another setting"


@contextmanager
def translating(action: str, key: str, endpoint: Endpoint) -> Iterator[None]:
    """Raise what botocore raises inside as StoreError; the chain is cut, as SDK texts may hold what must not be shown.

    Raises:
        StoreError: With kind, status and Retry-After as far as they are known.
    """
    try:
        yield
    except StoreError:  # of a source of credentials
        raise
    except Exception as error:  # noqa: BLE001 - whatever an SDK raises ends here
        raise translated(error, action, key, endpoint) from None


def translated(error: Exception, action: str, key: str, endpoint: Endpoint) -> StoreError:
    """The StoreError for whatever botocore, or a layer under it, has raised."""
    if isinstance(error, (StoreError, sdk.ClientError)):
        return error if isinstance(error, StoreError) else _from_answer(error, action, key, endpoint)
    name = type(error).__name__
    for classes, kind, why in _KINDS:
        if isinstance(error, classes):
            return failure(action, key, endpoint, kind, f"{name}: {why}")
    if isinstance(error, (sdk.HTTPClientError, sdk.ConnectionError, OSError)):
        below = getattr(error, "kwargs", {}).get("error")
        why = "TLS failed" if isinstance(error, sdk.SSLError) else name
        return unanswered(action, key, endpoint, f"{name} {type(below).__name__} {below} {error}", why)
    if isinstance(error, ValueError):
        return failure(action, key, endpoint, StoreErrorKind.CONFIG, f"{name}: {_SETTINGS}")
    if isinstance(error, sdk.BotoCoreError):
        return failure(action, key, endpoint, StoreErrorKind.INVALID, name)
    # Unforeseen, as a thread that cannot be started, or memory that is not there: it says nothing about the next try,
    # and how often there is one has its own bounds.
    return failure(action, key, endpoint, StoreErrorKind.CONNECTION, f"{name}, which was not foreseen")


def _from_answer(error: sdk.ClientError, action: str, key: str, endpoint: Endpoint) -> StoreError:
    answer = error.response.get("ResponseMetadata", {})
    said = error.response.get("Error", {})
    status = answer.get("HTTPStatusCode")
    code = str(said.get("Code", ""))
    if status is None and code.isdecimal():
        status = int(code)
    headers = answer.get("HTTPHeaders", {})
    return answered(
        action,
        key,
        endpoint,
        status=status,
        body=f"<Endpoint>{said.get('Endpoint', '')}</Endpoint>",
        code=code,
        retry_after_s=retry_after_s(headers),
        server_time=said.get("ServerTime"),
        region=headers.get("x-amz-bucket-region") or said.get("Region"),
    )
