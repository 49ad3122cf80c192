"""A certificate authority for one test or one lab run, with the certificate of a local server.

    with tempfile.TemporaryDirectory() as folder:
        ca = make_ca(Path(folder))
        server_context = ca.server_context()
        endpoint = Endpoint("bucket", url="https://127.0.0.1:9000", ca_file=str(ca.ca_file))

Keys are ECDSA P-256, which costs the server's side of a handshake least, so that on shared cores the client's side
is seen. S3's own certificates are RSA ones, which are as cheap for a client to verify.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from packhorse.errors import UnavailableError

#: What local servers are called by.
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class LocalCA:
    """Files of a certificate authority that nobody but the test trusts.

    Attributes:
        ca_file: The authority's certificate, PEM: what clients verify against (``Endpoint.ca_file``).
        cert_file: The server's certificate chain, PEM.
        key_file: The server's private key, PEM, mode 0600.
    """

    ca_file: Path
    cert_file: Path
    key_file: Path

    @classmethod
    def found_in(cls, directory: Path, prefix: str = "") -> LocalCA:
        """The files that :func:`make_ca` writes into ``directory``."""
        return cls(*(directory / f"{prefix}{name}.pem" for name in ("ca", "cert", "key")))

    def server_context(self) -> ssl.SSLContext:
        """A context for a server: HTTP/1.1 alone, as S3 speaks no HTTP/2."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert_file, self.key_file)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def client_context(self) -> ssl.SSLContext:
        """A context for a client that trusts this authority and no other."""
        return ssl.create_default_context(cafile=str(self.ca_file))


def make_ca(
    directory: Path, *, names: Sequence[str] = LOCAL_NAMES, not_after: datetime | None = None, prefix: str = ""
) -> LocalCA:
    """Make an authority and one server certificate, and write them into ``directory``.

    Args:
        directory: An existing folder; files of the same names in it are replaced.
        names: Host names and addresses that the certificate is for; others make clients refuse it.
        not_after: End of the certificate's validity, for certificates that have expired; None for far away.
        prefix: Put before the files' names, so that several authorities fit into one folder.

    Raises:
        UnavailableError: trustme is not installed; the message names the extra.
        OSError: The files cannot be written.
    """
    try:
        import trustme
    except ImportError:
        raise UnavailableError("TLS in the lab needs trustme: pip install 'packhorse[target]'") from None
    authority = trustme.CA()
    certificate = authority.issue_cert(*names, not_after=not_after)
    files = LocalCA.found_in(directory, prefix)
    authority.cert_pem.write_to_path(files.ca_file)
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(files.cert_file, append=number > 0)
    files.key_file.unlink(missing_ok=True)
    files.key_file.touch(mode=0o600)
    certificate.private_key_pem.write_to_path(files.key_file)
    return files
