"""Starting the fault server, giving it scripts, and asking it what happened."""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from benches.studies.fault_server.director import Hit
from benches.studies.fault_server.ledger import Ledger
from benches.studies.fault_server.script import FaultScript, Layer
from packhorse.bench.lab.server import Server, ServerError, start
from packhorse.errors import InputError
from packhorse.stores.base import Endpoint

BUCKET = "packhorse"
#: In the server's folder, what clients are to trust: the authority of the good certificate, and of the expired one.
CA_BUNDLE = "bundle.pem"
#: A host name of 254 characters, one more than DNS can carry (RFC 1035, 2.3.4): every resolver refuses it by itself, so
#: that no query leaves the machine.
UNRESOLVABLE = ".".join(["x" * 63] * 3 + ["x" * 62])
_PORT = re.compile(r"^port (\d+)$", re.MULTILINE)
#: Seconds for an answer on the control port; a report of 100,000 keys takes about one.
CONTROL_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Report:
    """What happened since the script began.

    Attributes:
        counts: Injected faults by kind.
        requests: Requests that arrived, by operation.
        arrivals: Seconds at which each key's requests arrived.
        hits: Each injected fault with the key it hit, in order.
        connections: Connections accepted.
        ledger: What is stored.
    """

    counts: Mapping[str, int]
    requests: Mapping[str, int]
    arrivals: Mapping[str, list[float]]
    hits: tuple[Hit, ...]
    connections: int
    ledger: Ledger


@dataclass(slots=True)
class FaultyS3:
    """A running fault server. Ends with :meth:`stop`, with its context, and with this process."""

    server: Server
    port: int
    tls: bool
    script: FaultScript
    access_key: str = field(default_factory=lambda: secrets.token_hex(10), repr=False)
    secret_key: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)

    def endpoint(self, *, connect_timeout_s: float = 5.0, read_timeout_s: float = 60.0) -> Endpoint:
        """For any store. Its host name cannot be resolved while the script says ``dns``."""
        nameless = any(fault.layer is Layer.NAME for fault in self.script.faults)
        return Endpoint(
            BUCKET,
            url=f"{'https' if self.tls else 'http'}://{UNRESOLVABLE if nameless else '127.0.0.1'}:{self.port}",
            region="us-east-1",
            access_key=self.access_key,
            secret_key=self.secret_key,
            ca_file=str(self.server.directory / CA_BUNDLE) if self.tls else None,
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
        )

    def play(self, script: FaultScript) -> None:
        """Begin ``script`` now, with an empty store. Connections of before stay; what is swallowed there stays so.

        Raises:
            InputError: The script needs TLS and the server has none.
        """
        if not self.tls and any(fault.layer is Layer.HANDSHAKE for fault in script.faults):
            raise InputError("faults of the TLS handshake need start_faults(tls=True)")
        self._ask("POST", "/play", script.to_json())
        self.script = script

    def report(self) -> Report:
        """What happened since the script began."""
        said = self._ask("GET", "/report")
        return Report(
            counts=said["counts"],
            requests=said["requests"],
            arrivals=said["arrivals"],
            hits=tuple(Hit(*row) for row in said["hits"]),
            connections=said["connections"],
            ledger=Ledger.from_dict(said["ledger"]),
        )

    def ledger(self) -> Ledger:
        """What is stored."""
        return self.report().ledger

    def stop(self) -> None:
        """End the server; its objects are gone then. Idempotent."""
        self.server.stop()

    def _ask(self, method: str, path: str, body: str | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=CONTROL_LIMIT_S)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ServerError(f"the fault server answered {answer.status}: {text.decode(errors='replace')}")
        return json.loads(text)

    def __enter__(self) -> FaultyS3:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def start_faults(script: FaultScript | None = None, *, tls: bool = False) -> FaultyS3:
    """Start the fault server in a process of its own, on free ports of 127.0.0.1, and play ``script``.

    Args:
        script: None plays none: a faultless store.
        tls: Serve S3 over TLS, with a certificate of a CA made for this start.

    Raises:
        ServerError: It did not start.
        InputError: The script needs TLS.
    """
    command = [sys.executable, "-m", "benches.studies.fault_server.process", "{dir}", *(["tls"] if tls else [])]
    server = start(command, env=os.environ, port_pattern=_PORT)
    s3 = FaultyS3(server, 0, tls, FaultScript())
    try:
        s3.port = int(s3._ask("GET", "/")["port"])
        s3.play(script or FaultScript())
    except BaseException:
        server.stop()
        raise
    return s3
