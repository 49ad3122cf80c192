"""The uploader: one engine of threads under two faces, ``Uploader`` and ``AsyncUploader``."""
