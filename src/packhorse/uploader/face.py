"""What both faces share: reading the arguments and making the engine."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from packhorse.errors import InputError, UnavailableError
from packhorse.profiles.loading import Profile, load_profile
from packhorse.stores.base import Endpoint
from packhorse.stores.url import check_url, parse_s3_url
from packhorse.uploader.account import Stats
from packhorse.uploader.adaptive import Limit
from packhorse.uploader.engine import Engine, Limits
from packhorse.uploader.options import DEFAULT_MEMORY_BUDGET_BYTES, UploaderOptions, check, shown
from packhorse.uploader.redaction import redaction


class Face:
    """Constructor and control of an uploader; ``Uploader`` and ``AsyncUploader`` add how captures are handed in."""

    def __init__(  # noqa: PLR0913  # what everybody sets; all else is in the options
        self,
        url: str,
        *,
        profile: str | Path | Profile | None = None,
        endpoint_url: str | None = None,
        redact: bool | Any = True,
        memory_budget_bytes: int = DEFAULT_MEMORY_BUDGET_BYTES,
        spool_dir: str | Path | None = None,
        max_in_flight: Limit | None = None,
        deadline_s: float | None = None,
        close_deadline_s: float | None = None,
        exit_deadline_s: float | None = None,
        region: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
        options: UploaderOptions | None = None,
    ) -> None:
        """Prepare an uploader. Nothing is connected and no thread is started until the first capture.

        With a spool, entering the uploader's ``with`` block or the first capture takes over what dead processes left.

        Args:
            url: ``s3://bucket/prefix``; every key starts with the prefix.
            profile: Name of a packaged profile, path to a TOML file, a Profile, or None for the packaged default.
            endpoint_url: S3 endpoint; None for the standard AWS chain (``AWS_ENDPOINT_URL_S3``, then AWS itself).
            redact: True removes what the built-in rules know as secret, a ``Redactor`` brings its own rules, False
                uploads captures as they are.
            memory_budget_bytes: The most bytes that waiting and travelling captures may hold.
            spool_dir: Folder on a local disk for captures that S3 cannot take now (``options.spool_dir``), resolved and
                checked now, made when it is first needed. One serves any number of processes, for one bucket name.
            max_in_flight: Uploads at once: a number, ``"adaptive"`` or ``Adaptive(...)``; None takes the profile's
                measured value. The client keeps a connection for each.
            deadline_s: Seconds from submit after which a capture is not tried again (300).
            close_deadline_s: Seconds that ``close()`` takes at the most (30).
            exit_deadline_s: Seconds of draining when the process ends without ``close()`` (2).
            region: Region name; None: the standard AWS chain (``us-east-1`` for a custom endpoint).
            access_key_id: Credentials, with the next two; None: the standard AWS chain. (Renewed ones: ``Endpoint``.)
            secret_access_key: See above.
            session_token: See above.
            options: Further settings.

        Raises:
            InputError: The URL or an option cannot be used, or a setting is given here and in ``options``.
            ProfileError: The profile cannot be loaded.
            UnavailableError: The profile's libraries are not installed.
        """
        times = {"deadline_s": deadline_s, "close_deadline_s": close_deadline_s, "exit_deadline_s": exit_deadline_s}
        chosen = _chosen(options, spool_dir=spool_dir, max_in_flight=max_in_flight, **times)
        if chosen.spool_dir is not None:
            _check_folder(Path(chosen.spool_dir))
        bucket, prefix = parse_s3_url(url)
        check("memory_budget_bytes", memory_budget_bytes, "int")
        check_url("endpoint_url", endpoint_url)
        keys = {"access_key": access_key_id, "secret_key": secret_access_key, "session_token": session_token}
        endpoint = _endpoint(bucket, chosen.endpoint, url=endpoint_url, region=region, **keys)
        self._redaction = redaction(redact)
        self._engine = Engine(
            _loaded(profile),
            endpoint,
            prefix.rstrip("/"),
            chosen,
            budget_bytes=memory_budget_bytes,
            redaction=self._redaction,
        )

    @property
    def profile(self) -> Profile:
        """The profile in use."""
        return self._engine.profile

    def stats(self) -> Stats:
        """A consistent account: ``submitted == uploaded + spooled + dropped + failed + in_flight``."""
        return self._engine.stats(dict(self._redaction.counts()))

    def set_limits(
        self,
        *,
        max_in_flight: Limit | None = None,
        memory_budget_bytes: int | None = None,
        encode_threads: int | None = None,
        spool_bytes: int | None = None,
        spool_max_age_s: float | None = None,
    ) -> None:
        """Change limits while running; those not given stay. Lower ones take effect as work in progress finishes.

        Args:
            max_in_flight: Uploads at once: a number, ``"adaptive"`` or ``Adaptive(...)``.
            memory_budget_bytes: The most bytes that waiting and travelling captures may hold.
            encode_threads: Threads that encode and compress.
            spool_bytes: The most this process keeps on disk. What is there already stays.
            spool_max_age_s: Seconds after which a spooled capture is removed.

        Raises:
            InputError: Of another type, not above 0, above the pool of the profile's store, or a spool's limit without
                a spool. No limit has changed then.
        """
        self._engine.set_limits(
            Limits(max_in_flight, memory_budget_bytes, encode_threads, spool_bytes, spool_max_age_s)
        )


def _loaded(profile: str | Path | Profile | None) -> Profile:
    if profile is not None and not isinstance(profile, (str, Path, Profile)):
        raise InputError(f"profile is {shown(profile)}; give a profile's name, a path, a Profile or None")
    loaded = load_profile(profile)
    if loaded.pipeline.unavailable is not None:  # found out here, not in a worker
        raise UnavailableError(f"profile {loaded.name!r} cannot be used here: {loaded.pipeline.unavailable}")
    return loaded


def _chosen(options: UploaderOptions | None, **given: Any) -> UploaderOptions:
    """The options, with what was given as arguments. What is in both, with different values, is a mistake."""
    if options is None:
        options = UploaderOptions()
    if not isinstance(options, UploaderOptions):
        raise InputError(f"options is {shown(options)}; give UploaderOptions(...) or None")
    given = {name: value for name, value in given.items() if value is not None}
    given = {name: getattr(UploaderOptions(**{name: value}), name) for name, value in given.items()}  # as it is kept
    defaults = {field.name: field.default for field in fields(UploaderOptions)}
    for name, value in given.items():
        if getattr(options, name) not in (defaults[name], value):
            raise InputError(f"{name} and options.{name} are both given; give one of them")
    return replace(options, **given) if given else options


#: What the arguments are called that an endpoint's fields can be given by.
_ARGUMENTS = {
    "url": "endpoint_url",
    "access_key": "access_key_id",
    "secret_key": "secret_access_key",
}


def _endpoint(bucket: str, endpoint: Endpoint | None, **given: str | None) -> Endpoint:
    given = {name: value for name, value in given.items() if value is not None}
    if ("access_key" in given) != ("secret_key" in given):
        raise InputError("access_key_id and secret_access_key go together; give both, or neither for the AWS chain")
    if endpoint is None:
        return Endpoint(bucket, **given)  # type: ignore[arg-type]  # texts alone
    for name in given:
        argument = _ARGUMENTS.get(name, name)
        if name == "url":
            raise InputError("endpoint_url and options.endpoint both name an endpoint; give one of them")
        if getattr(endpoint, name) is not None:
            raise InputError(f"{argument} and options.endpoint.{name} are both given; give one of them")
    if "access_key" in given and endpoint.credentials is not None:
        raise InputError("access_key_id and options.endpoint.credentials are both given; give one of them")
    return replace(endpoint, bucket=bucket, **given)  # type: ignore[arg-type]  # as above


def _check_folder(folder: Path) -> None:
    try:
        usable = not folder.exists() or folder.is_dir()
    except OSError as error:
        why = f"cannot be used ({error.strerror})"
    else:
        why = "" if usable else "is no folder"
    if why:
        raise InputError(f"spool_dir {shown(str(folder))} {why}; give a folder on a local disk")
