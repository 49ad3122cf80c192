"""moto's S3 server on a port that the system picks, over TLS if asked to.

``python -m packhorse.bench.lab.moto_process [CERT KEY]``
"""

from __future__ import annotations

import logging
import ssl
import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class _KeepAlive(WSGIRequestHandler):
    """Keeps connections open between requests, as S3 does."""

    protocol_version = "HTTP/1.1"


def main(arguments: list[str]) -> int:
    """Serve until the process is ended; writes one line with the port first."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line per request would cost a tenth of the server's time
    app = DomainDispatcherApplication(create_backend_app)
    context = None
    if arguments:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*arguments)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_KeepAlive, ssl_context=context)
    sys.stdout.write(f"port {server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
