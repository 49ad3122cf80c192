"""packhorse: the fastest safe way to get recorded network traffic from Python into S3, raced and published.

The public surface, loaded on first use so that ``import packhorse`` stays cheap:

* :class:`Uploader`, :class:`AsyncUploader`: hand captures to S3 and forget them.
* :func:`fetch`: get one back.
* :class:`Pipeline`, :func:`load_profile`, :class:`Profile`: what the uploader runs, as data.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if sys.platform == "win32":
    raise ImportError("packhorse does not run on Windows, which has neither fork nor flock; WSL 2 is Linux")

if TYPE_CHECKING:
    from packhorse.errors import CaptureError as CaptureError
    from packhorse.errors import CorruptObjectError as CorruptObjectError
    from packhorse.errors import ExpansionLimitError as ExpansionLimitError
    from packhorse.errors import InputError as InputError
    from packhorse.errors import PackhorseError as PackhorseError
    from packhorse.errors import PipelineError as PipelineError
    from packhorse.errors import ProfileError as ProfileError
    from packhorse.errors import QueueFull as QueueFull
    from packhorse.errors import RedactionError as RedactionError
    from packhorse.errors import StoreError as StoreError
    from packhorse.errors import StoreErrorKind as StoreErrorKind
    from packhorse.errors import UnavailableError as UnavailableError
    from packhorse.errors import UploaderClosed as UploaderClosed
    from packhorse.errors import UploadFailed as UploadFailed
    from packhorse.fetching import FetchLimits as FetchLimits
    from packhorse.fetching import fetch as fetch
    from packhorse.model import EntryStream as EntryStream
    from packhorse.pipeline import Pipeline as Pipeline
    from packhorse.profiles.loading import Profile as Profile
    from packhorse.profiles.loading import load_profile as load_profile
    from packhorse.stores.base import Credentials as Credentials
    from packhorse.stores.base import Endpoint as Endpoint
    from packhorse.uploader.account import Flushed as Flushed
    from packhorse.uploader.account import Stats as Stats
    from packhorse.uploader.adaptive import Adaptive as Adaptive
    from packhorse.uploader.aio import AsyncUploader as AsyncUploader
    from packhorse.uploader.flags import FlagFollower as FlagFollower
    from packhorse.uploader.options import UploaderOptions as UploaderOptions
    from packhorse.uploader.signals import close_on_signal as close_on_signal
    from packhorse.uploader.sync import Uploader as Uploader
    from packhorse.uploader.ticket import Fate as Fate
    from packhorse.uploader.ticket import Receipt as Receipt
    from packhorse.uploader.ticket import Ticket as Ticket

__version__ = "0.1.0"

_HOMES = {
    "Adaptive": "packhorse.uploader.adaptive",
    "AsyncUploader": "packhorse.uploader.aio",
    "CaptureError": "packhorse.errors",
    "CorruptObjectError": "packhorse.errors",
    "Credentials": "packhorse.stores.base",
    "Endpoint": "packhorse.stores.base",
    "EntryStream": "packhorse.model",
    "ExpansionLimitError": "packhorse.errors",
    "Fate": "packhorse.uploader.ticket",
    "FetchLimits": "packhorse.fetching",
    "FlagFollower": "packhorse.uploader.flags",
    "Flushed": "packhorse.uploader.account",
    "InputError": "packhorse.errors",
    "PackhorseError": "packhorse.errors",
    "Pipeline": "packhorse.pipeline",
    "PipelineError": "packhorse.errors",
    "Profile": "packhorse.profiles.loading",
    "ProfileError": "packhorse.errors",
    "QueueFull": "packhorse.errors",
    "Receipt": "packhorse.uploader.ticket",
    "RedactionError": "packhorse.errors",
    "Stats": "packhorse.uploader.account",
    "StoreError": "packhorse.errors",
    "StoreErrorKind": "packhorse.errors",
    "Ticket": "packhorse.uploader.ticket",
    "UnavailableError": "packhorse.errors",
    "UploadFailed": "packhorse.errors",
    "Uploader": "packhorse.uploader.sync",
    "UploaderClosed": "packhorse.errors",
    "UploaderOptions": "packhorse.uploader.options",
    "close_on_signal": "packhorse.uploader.signals",
    "fetch": "packhorse.fetching",
    "load_profile": "packhorse.profiles.loading",
}

#: Not brought by ``import *``, which must work without the extra of the library that they need.
_BY_NAME = {"FlagFollower"}

__all__ = ["__version__", *sorted(_HOMES.keys() - _BY_NAME)]  # noqa: PLE0604  # names are checked by tests/test_public.py


# Hidden from type checkers, to which every name would be there and of type Any.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'packhorse' has no attribute {name!r}")
        value = getattr(importlib.import_module(home), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_BY_NAME})
