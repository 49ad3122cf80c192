"""A place between client and S3 where things go wrong as scripted, and a ledger of what was stored all the same.

script = FaultScript((Fault("503", probability=0.2, retry_after_s=1.0),), seed=7)
with start_faults(script) as s3:
    ...  # upload to s3.endpoint
    verdict = s3.ledger().compare(expected)
"""

from benches.studies.fault_server.ledger import Ledger, Stored, Verdict
from benches.studies.fault_server.script import KINDS, Fault, FaultScript
from benches.studies.fault_server.start import FaultyS3, start_faults

__all__ = ["KINDS", "Fault", "FaultScript", "FaultyS3", "Ledger", "Stored", "Verdict", "start_faults"]
