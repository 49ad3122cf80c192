"""What lies between a client and its endpoint: the proxy that the environment names, and a first look at TLS.

Imports no third-party library. All is told in our own words: what a proxy or a certificate says is not shown.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import re
import socket
import ssl
import urllib.request
from urllib.parse import urlsplit

#: Seconds for each step of a look at an endpoint: a handshake takes milliseconds, over a bad link a second.
LOOK_S = 2.0
NO_TLS = "TLS failed: the endpoint does not speak TLS at this port; is its URL http://?"
#: What a client's text says → what it means. The first that fits; the text is never shown.
CUT = "the connection was closed before an answer came"
_CAUSES = (
    (
        r"dns error|DNSError|NameResol|gaierror|getaddrinfo|name resol|not known|lookup address|AWS_IO_DNS|nodename",
        "the endpoint's host name does not resolve: DNS",
    ),
    (r"[Rr]efused|REFUSED|Errno 111|Connect call failed", "the endpoint refuses connections: nothing listens there"),
    (r"has expired|CertExpired|: Expired|Expired(Context)?\b", "TLS failed: the certificate has expired"),
    (
        r"Hostname mismatch|IP address mismatch|doesn't match|NotValidForName",
        "TLS failed: the certificate is for another host",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|UnknownIssuer|invalid peer certificate|certificate verify",
        "TLS failed: the certificate comes from an authority that is not trusted here; name it as ca_file",
    ),
    (r"WRONG_VERSION|InvalidContentType|corrupt message|record layer|HTTP_REQUEST", NO_TLS),
    (r"SSL|TLS|[Hh]andshake|peer misbehaved|HandshakeFailure", "TLS failed"),
    (r"unreachable|Unreachable|No route|NO_ROUTE", "the endpoint cannot be reached: no route to it"),
    (
        r"reset|RESET|closed|Closed|CLOSED|IncompleteMessage|[Bb]roken pipe|isconnected|Interrupted|without response",
        CUT,
    ),
)
_FOUND = tuple((re.compile(pattern), words) for pattern, words in _CAUSES)
_URL = re.compile(r"https?://\S+")


def cause_of(text: str) -> str:
    """What kept an answer from coming, by what a client says of it; empty when that is not known."""
    said = _URL.sub("", text)  # hosts, buckets and keys can hold any word
    return next((words for pattern, words in _FOUND if pattern.search(said)), "")


def is_loopback(host: str | None) -> bool:
    """True for this machine's own addresses: a proxy, on whatever machine it runs, would look for them on its own."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_of(url: str) -> str | None:
    """The proxy that requests to ``url`` go through, by the environment; None: they go directly, as loopback always.

    Raises:
        ValueError: The variable's text is no URL.
    """
    parts = urlsplit(url)
    if is_loopback(parts.hostname) or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"
    if proxy:
        _ = urlsplit(proxy).port
    return proxy or None


def would_be_proxied(url: str) -> bool:
    """Whether a client that knows nothing of loopback would go through a proxy to this machine's own address."""
    parts = urlsplit(url)
    named = bool(urllib.request.getproxies().get(parts.scheme))
    return named and is_loopback(parts.hostname) and not urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2])


def any_proxy() -> bool:
    """Whether the environment names some proxy, for whatever hosts."""
    return any(
        name.lower().endswith("_proxy") and name.lower() != "no_proxy" and os.environ[name] for name in os.environ
    )


def without_secrets(url: str) -> str:
    """Scheme, host and port of a URL: no user, password, path or query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def tls_trouble(url: str, ca_file: str | None) -> str:
    """What is wrong with TLS to ``url``, in words, found within seconds. Empty when nothing is, or nothing was found.

    Clients differ: one tries again by itself until it is called a timeout, another waits for as long as a plain port
    stays silent. Sends nothing but the handshake, and, to a port that does not answer it, an HTTP request without
    credentials.
    """
    parts = urlsplit(url)
    where = (parts.hostname or "", parts.port or 443)
    try:
        context = ssl.create_default_context(cafile=ca_file)
        with socket.create_connection(where, LOOK_S) as plain, context.wrap_socket(plain, server_hostname=where[0]):
            return ""
    except TimeoutError:
        return NO_TLS if _speaks_plain_http(where) else ""
    except OSError as error:
        if isinstance(error, ssl.SSLError) and _speaks_plain_http(where):
            return NO_TLS
        return cause_of(f"{type(error).__name__} {error}")


def plain_trouble(url: str) -> str:
    """Why nothing can come of requests to ``url``, in words, found at once; empty when nothing is known.

    Only what is wrong whoever asks: the name does not resolve, nothing listens there, the port does not speak TLS.
    Nothing is looked at through a proxy.
    """
    parts = urlsplit(url)
    try:
        if proxy_of(url) is not None:
            return ""
        where = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        with socket.create_connection(where, LOOK_S):
            pass
    except (OSError, ValueError) as error:
        found = isinstance(error, (socket.gaierror, ConnectionRefusedError))
        return cause_of(f"{type(error).__name__} {error}") if found else ""
    return NO_TLS if parts.scheme == "https" and tls_trouble(url, None) == NO_TLS else ""


def _speaks_plain_http(where: tuple[str, int]) -> bool:
    """Whether HTTP without TLS is understood. TLS servers tell whoever tries it 400."""
    connection = http.client.HTTPConnection(*where, timeout=LOOK_S)
    try:
        connection.request("HEAD", "/")
        return connection.getresponse().status != 400
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def region_of_bucket(url: str, bucket: str) -> str | None:
    """The region that S3 names for a bucket, asked without credentials: it does so whatever else it answers.

    For clients that show nothing of a redirect but that it was one. Not asked through a proxy.
    """
    parts = urlsplit(url)
    if proxy_of(url) is not None:
        return None
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc.rpartition("@")[2], timeout=LOOK_S)
    try:
        connection.request("HEAD", f"/{bucket}")
        return connection.getresponse().getheader("x-amz-bucket-region")
    except (OSError, http.client.HTTPException, ssl.SSLError):
        return None
    finally:
        connection.close()
