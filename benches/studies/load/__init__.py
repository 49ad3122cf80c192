"""Open-loop load: captures arrive when they are due, however the server is doing, and latency counts from then.

    result = run(LoadSpec(Steady(rate_per_s=100, duration_s=30), Aim(endpoint)))

A load is a plain function of a frozen description that can be pickled, so it can be sent to another machine, and
results can be added up (:func:`benches.studies.load.result.merged`).
"""

from benches.studies.load.arrivals import Bursty, Poisson, Replayed, Steady
from benches.studies.load.result import LoadResult, merged
from benches.studies.load.run import run
from benches.studies.load.spec import Aim, LoadSpec, Via

__all__ = ["Aim", "Bursty", "LoadResult", "LoadSpec", "Poisson", "Replayed", "Steady", "Via", "merged", "run"]
