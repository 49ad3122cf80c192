"""``packhorse study pools``: what a client's pool of connections costs or gains, by requests in flight, body and link.

Each cell of the grid runs in a fresh process, over TLS, through the link simulator, into a sink that answers every PUT:
an S3 server would take half of the machine that the clients are to show themselves on.
"""

from benches.studies.pools.markdown import markdown
from benches.studies.pools.pictures import pictures
from benches.studies.pools.run import study

__all__ = ["markdown", "pictures", "study"]
