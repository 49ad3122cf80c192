"""Open-loop load: captures arrive when they are due, however the server is doing, and latency counts from then.

    result = run(LoadSpec(Steady(rate_per_s=100, duration_s=30), Aim(endpoint)))

A load is a plain function of a frozen description that can be pickled, so it can be sent to another machine, and
results can be added up (:func:`packhorse.lab.load.result.merged`).
"""

from packhorse.lab.load.arrivals import Bursty, Poisson, Replayed, Steady
from packhorse.lab.load.result import LoadResult, merged
from packhorse.lab.load.run import run
from packhorse.lab.load.spec import Aim, LoadSpec, Via

__all__ = ["Aim", "Bursty", "LoadResult", "LoadSpec", "Poisson", "Replayed", "Steady", "Via", "merged", "run"]
