"""SeaweedFS with its S3 server, on ports that the system picks, over TLS if asked to.

``python -m packhorse.bench.lab.seaweedfs_process WEED DIRECTORY [CERT KEY]``

Credentials are in ``DIRECTORY/s3.json``. SeaweedFS takes no port 0, and its servers also listen on sockets in ``/tmp``,
which it leaves there when it is killed; so it is started, ended and cleaned up after here.
"""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

#: Its servers, each with a port for HTTP and one for gRPC.
SERVERS = ("master", "volume", "filer", "s3")
_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(arguments: list[str]) -> int:
    """Serve until the process is ended; writes one line with the port first."""
    weed, directory, *tls = arguments
    # SIGTERM would have it wait for half a minute; nothing of its data is needed any more.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _ask_to_end)
    ports = _free_ports()
    sys.stdout.write(f"port {ports['s3.port']}\n")
    sys.stdout.flush()
    try:
        with subprocess.Popen(
            [weed, *_options(directory, ports, tls)],
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no thread runs
        ) as server:
            try:
                return server.wait()
            finally:
                server.kill()
    except KeyboardInterrupt:
        return 0
    finally:
        for port in ports.values():
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108  # where SeaweedFS has them
                left.unlink(missing_ok=True)


def _options(directory: str, ports: dict[str, int], tls: list[str]) -> list[str]:
    options = {
        "dir": directory,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        **{name: str(port) for name, port in ports.items()},
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": "1024",
        "volume.max": "64",
        "s3": "true",
        "s3.config": f"{directory}/s3.json",
        "s3.localSocket": f"{directory}/s3.sock",
        "s3.iam": "false",
        "s3.autoCreateBucket": "false",  # a wrong bucket is an error at S3
        "s3.port.iceberg": "0",
        "s3.port.lance": "0",
        **dict(zip(("s3.cert.file", "s3.key.file"), tls, strict=False)),
    }
    return ["server", *(f"-{name}={value}" for name, value in options.items())]


def _free_ports() -> dict[str, int]:
    """Ports that nobody had a moment ago. Who takes one before SeaweedFS makes it end, and it is started anew."""
    found = {}
    with ExitStack() as opened:
        for name in [f"{server}.port{kind}" for server in SERVERS for kind in ("", ".grpc")]:
            listener = opened.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            found[name] = listener.getsockname()[1]
    return found


def _ask_to_end(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
