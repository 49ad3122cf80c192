"""Captures kept on disk while S3 cannot take them: one file each, owned by one living process (docs/uploader.md)."""
