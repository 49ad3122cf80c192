"""moto's S3 server on a port that the system picks: ``python -m packhorse.lab.moto_process``."""

from __future__ import annotations

import logging
import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class _KeepAlive(WSGIRequestHandler):
    """Keeps connections open between requests, as S3 does."""

    protocol_version = "HTTP/1.1"


def main() -> int:
    """Serve until the process is ended; writes one line with the port first."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line per request would cost a tenth of the server's time
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_KeepAlive)
    sys.stdout.write(f"port {server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
