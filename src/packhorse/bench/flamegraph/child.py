"""What is watched for a pipeline's flamegraph: an uploader at work. Spec as JSON on stdin, its account into a file.

Started by :func:`packhorse.bench.flamegraph.race.draw` as ``python -m packhorse.bench.flamegraph.child``.
"""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from packhorse.bench.race.hot_path import with_pool
from packhorse.pipeline import Pipeline
from packhorse.profiles.loading import Profile
from packhorse.stores.base import Endpoint
from packhorse.uploader.options import UploaderOptions
from packhorse.uploader.sync import Uploader
from packhorse.uploader.ticket import Ticket

#: Seconds that one capture may take at most.
RESULT_LIMIT_S = 300.0


def main() -> int:
    """Upload captures in turn for as long as the spec says."""
    spec: dict[str, Any] = json.loads(sys.stdin.read())
    captures = [json.loads(Path(file).read_bytes()) for file in spec["captures"]]
    endpoint, in_flight = Endpoint(**spec["endpoint"]), spec["in_flight"]
    pipeline = with_pool(Pipeline.parse(spec["pipeline"]), in_flight)
    profile = Profile("flamegraph", pipeline, in_flight)
    options = UploaderOptions(endpoint=endpoint)
    url = f"s3://{endpoint.bucket}/flamegraph"
    begun, waiting, done = time.monotonic(), deque[Ticket](), 0
    with Uploader(url, profile=profile, options=options, redact=False) as uploader:
        while time.monotonic() - begun < spec["duration_s"]:
            waiting.append(uploader.submit(captures[done % len(captures)]))
            done += 1
            if len(waiting) > 2 * in_flight:  # as many again as travel, so that nobody waits for this thread
                waiting.popleft().result(RESULT_LIMIT_S)
        for ticket in waiting:
            ticket.result(RESULT_LIMIT_S)
    account = {"captures": done, "wall_s": time.monotonic() - begun}
    Path(spec["account"]).write_text(json.dumps(account), encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
