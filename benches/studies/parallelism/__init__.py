"""``packhorse study parallelism``: how many tasks one event loop carries while each ends with a capture to upload.

Tasks that mostly wait run at rising parallelism in one process, with four ways of getting their captures into S3. Each
level runs in a fresh process under a bound on memory and on time.
"""

from benches.studies.parallelism.markdown import markdown
from benches.studies.parallelism.pictures import pictures
from benches.studies.parallelism.run import study

__all__ = ["markdown", "pictures", "study"]
