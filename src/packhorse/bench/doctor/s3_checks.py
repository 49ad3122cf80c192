"""Checks of S3 settings that cost speed. Each takes readings as arguments."""

from __future__ import annotations

from urllib.parse import urlsplit

from packhorse.bench.doctor.finding import Finding, finding
from packhorse.errors import InputError

#: S3 refuses requests whose clock is off by more (RequestTimeTooSkewed, S3 API reference, "Error responses").
SKEW_REFUSED_S = 900.0
#: A clock under NTP is off by far less, also after a Date header's whole seconds and a slow answer.
SKEW_WARNING_S = 30.0
#: Clients on botocore; the only ones that the SDKs' checksum settings reach.
BOTOCORE = ("boto3", "boto3-transfer", "aiobotocore")


def endpoint_host(url: str) -> str:
    """Host of an endpoint's URL, without port and user information.

    Raises:
        InputError: Not an ``http`` or ``https`` URL with a host.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise InputError("--endpoint-url: write http://host:port or https://host")
    return host


def pool(connections: int | None, in_flight: int) -> Finding:
    """Connections that the client keeps against uploads at once.

    Args:
        connections: The pool that the profile's text names; None when it names none, so that the uploader sizes it.
        in_flight: The profile's uploads at once.
    """
    seen = "sized by the uploader" if connections is None else f"{connections} connections"
    return finding(
        "connection pool",
        "Uploads beyond the pool wait, or open a connection each and throw it away: a TLS handshake per PUT.",
        bad=connections is not None and connections < in_flight,
        seen=f"{seen} for {in_flight} uploads at once",
        advice=f"Write pool={in_flight} or more into the profile's pipeline, or leave pool out.",
    )


def checksums(store: str, calculation: str | None, *, custom: bool) -> Finding:
    """Whether the SDK is told to hash the body beside the signature's own hash.

    At AWS a checksum takes the place of the signature's SHA-256, which costs more; elsewhere it comes on top, and some
    stores do not understand it. So clients here leave it out elsewhere, unless the environment asks for it.

    Args:
        store: The client's name.
        calculation: ``AWS_REQUEST_CHECKSUM_CALCULATION``, or None.
        custom: An endpoint is given: not AWS's own.
    """
    why = "A checksum beside the signature's own reads every byte once more, and not every store understands it."
    if store not in BOTOCORE:
        return finding("checksums", why, bad=False, seen=f"{store} does not follow the SDK's setting")
    asked = (calculation or "").lower() == "when_supported"
    return finding(
        "checksums",
        why,
        bad=asked and custom,
        seen=f"AWS_REQUEST_CHECKSUM_CALCULATION is {calculation if asked else 'not asking for more'}",
        advice="Unset it: the signature's SHA-256 protects the body already.",
    )


def addressing(url: str | None) -> Finding:
    """Path-style addresses: used whenever an endpoint's URL is given. Only AWS itself is better off without."""
    host = endpoint_host(url) if url else ""
    aws = host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    return finding(
        "addressing",
        "S3 spreads load by bucket host names; path-style addresses go to shared ones, and are deprecated at AWS.",
        bad=aws,
        seen="AWS by default: bucket in the host name"
        if not url
        else f"path-style, at {'AWS' if aws else 'its own'} host",
        advice="Leave --endpoint-url out for AWS and set AWS_REGION: addresses are then bucket host names.",
    )


def clock_skew(offset_s: float | None, *, reason: str = "") -> Finding:
    """The endpoint's clock minus ours.

    Args:
        offset_s: Seconds; None when the endpoint did not tell, and ``reason`` says why.
        reason: In words.
    """
    return finding(
        "clock skew",
        f"Signatures carry the time: beyond {SKEW_REFUSED_S / 60:.0f} minutes S3 refuses every request, and a "
        "clock that nobody sets gets there.",
        bad=None if offset_s is None else abs(offset_s) > SKEW_WARNING_S,
        seen=reason if offset_s is None else f"the endpoint's clock is {offset_s:+.0f} s from ours",
        advice="Check the URL and that the endpoint answers."
        if offset_s is None
        else "Let NTP or chrony set the clock.",
    )
