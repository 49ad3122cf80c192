"""What a capture costs in dollars: CPU, the PUT, and its bytes for as long as they are kept. Prices are data."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from packhorse.errors import InputError

SCHEMA_VERSION = 1
DEFAULT_RETENTION_DAYS = 30.0
#: A GB-month is 2^30 bytes for a month of 730 hours (Amazon S3 FAQs; AWS Pricing Calculator).
BYTES_PER_GB = 2**30
DAYS_PER_MONTH = 730 / 24
_PRICES = ("vcpu_hour", "put_per_1000", "gb_month")
_PRICE_KEYS = {"usd", "source", "as_of"}


@dataclass(frozen=True, slots=True)
class Price:
    """One price in US dollars, with the page it stands on and when it was seen there."""

    usd: float
    source: str
    as_of: str


@dataclass(frozen=True, slots=True)
class Tariff:
    """Prices, and for how long objects are kept.

    Attributes:
        name: What the prices are of.
        vcpu_hour: One vCPU for one hour.
        put_per_1000: A thousand PUT requests.
        gb_month: One GB (2^30 bytes) stored for one month.
        retention_days: Days that an object is kept.
    """

    name: str
    vcpu_hour: Price
    put_per_1000: Price
    gb_month: Price
    retention_days: float = DEFAULT_RETENTION_DAYS

    def parts(self, *, cpu_s: float, stored_bytes: float) -> dict[str, float]:
        """Dollars per million captures of ``cpu``, ``put`` and ``storage``, each capture being one PUT.

        Args:
            cpu_s: CPU seconds per capture. Idle time is not charged: a busy service is assumed.
            stored_bytes: Bytes stored per capture.
        """
        months = self.retention_days / DAYS_PER_MONTH
        return {
            "cpu": 1e6 * cpu_s / 3600 * self.vcpu_hour.usd,
            "put": 1e6 / 1000 * self.put_per_1000.usd,
            "storage": 1e6 * stored_bytes / BYTES_PER_GB * months * self.gb_month.usd,
        }

    def usd_per_million(self, *, cpu_s: float, stored_bytes: float) -> float:
        """The sum of :meth:`parts`."""
        return sum(self.parts(cpu_s=cpu_s, stored_bytes=stored_bytes).values())

    def kept(self, retention_days: float) -> Tariff:
        """The same prices with another retention.

        Raises:
            InputError: Not a finite number of days from 0 up.
        """
        if not (math.isfinite(retention_days) and retention_days >= 0):
            raise InputError(f"retention: give days from 0 up, not {retention_days}")
        return replace(self, retention_days=retention_days)

    def as_dict(self) -> dict[str, Any]:
        """For the record."""
        return asdict(self)


@lru_cache(maxsize=1)
def packaged_tariff() -> Tariff:
    """The packaged list prices (``prices.toml``), for 30 days."""
    text = resources.files("packhorse.bench.race").joinpath("prices.toml").read_text(encoding="utf-8")
    return parse_prices(text, source="prices.toml")


def load_prices(path: Path | None) -> Tariff:
    """Prices of a file like the packaged ``prices.toml``; None for the packaged ones.

    Raises:
        InputError: Unreadable or not of that form; names the file and the field.
    """
    if path is None:
        return packaged_tariff()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"prices {path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error
    return parse_prices(text, source=str(path))


def parse_prices(text: str, *, source: str) -> Tariff:
    """Read the TOML text of a price file. Raises InputError naming ``source`` and the field."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{source}: not valid TOML: {error}") from error
    unknown = sorted(data.keys() - {"schema_version", "name", *_PRICES})
    if unknown:
        raise InputError(f"{source}: unknown field {unknown[0]!r}; known are name, {', '.join(_PRICES)}")
    if data.get("schema_version") != SCHEMA_VERSION:
        raise InputError(f"{source}: schema_version must be {SCHEMA_VERSION}, not {data.get('schema_version')!r}")
    name = data.get("name")
    if not isinstance(name, str) or not name:
        raise InputError(f"{source}: name must say what the prices are of")
    prices = {key: _price(data.get(key), f"{source}: {key}") for key in _PRICES}
    return Tariff(name, prices["vcpu_hour"], prices["put_per_1000"], prices["gb_month"])


def _price(data: object, where: str) -> Price:
    if not isinstance(data, dict) or data.keys() != _PRICE_KEYS:
        raise InputError(f"{where}: must be a table of usd, source and as_of")
    usd = data["usd"]
    if isinstance(usd, bool) or not isinstance(usd, (int, float)) or not (math.isfinite(usd) and usd >= 0):
        raise InputError(f"{where}.usd: must be dollars from 0 up, not {usd!r}")
    for key in ("source", "as_of"):
        if not isinstance(data[key], str) or not data[key]:
            raise InputError(f"{where}.{key}: must be text, so that a figure can be looked up")
    return Price(float(usd), data["source"], data["as_of"])


def priced(row: Mapping[str, Any], tariff: Tariff | None) -> dict[str, float] | None:
    """Dollars per million captures of a record's row: the parts and their ``total``; None without figures or tariff."""
    if tariff is None or row.get("cpu_s") is None or row.get("bytes_out") is None:
        return None
    parts = tariff.parts(cpu_s=row["cpu_s"], stored_bytes=row["bytes_out"])
    return {**parts, "total": sum(parts.values())}
