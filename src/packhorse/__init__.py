"""packhorse: the fastest safe way to get recorded network traffic from Python into S3, raced and published."""

__version__ = "0.1.0"
