"""Taking readings of this machine, this interpreter and an endpoint. All I/O of the doctor is here."""

from __future__ import annotations

import http.client
import os
import re
import sys
import sysconfig
import time
import tracemalloc
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CGROUP = Path("/sys/fs/cgroup")
BOOST = Path("/sys/devices/system/cpu/cpufreq/boost")
#: Long enough for a share of 1 % on two cores, whose clocks tick 100 times a second.
LOOK_S = 1.0
HEAD_TIMEOUT_S = 5.0
_WATCHERS = ("coverage", "pydevd", "debugpy", "viztracer", "line_profiler", "yappi")


@dataclass(frozen=True, slots=True)
class Load:
    """What the machine did while this process slept; None where the system does not tell.

    Attributes:
        busy_share, steal_share: Parts of all cores' time.
        swap_used_bytes: Swap in use at the end.
        swap_moved_bytes: Bytes moved in or out meanwhile.
    """

    busy_share: float | None = None
    steal_share: float | None = None
    swap_used_bytes: int | None = None
    swap_moved_bytes: int | None = None


def usable_cores() -> int | None:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def load(look_s: float) -> Load:
    """Sleep for ``look_s`` and see what others did."""
    try:
        import psutil
    except ImportError:
        return Load()
    before, swap_before = psutil.cpu_times(), psutil.swap_memory()
    time.sleep(look_s)
    after, swap_after = psutil.cpu_times(), psutil.swap_memory()
    # guest time is part of user time already (proc(5)).
    spent = {name: getattr(after, name) - getattr(before, name) for name in after._fields if "guest" not in name}
    total = sum(spent.values())
    moved = (swap_after.sin - swap_before.sin) + (swap_after.sout - swap_before.sout)
    if total <= 0:
        return Load(swap_used_bytes=swap_after.used, swap_moved_bytes=moved)
    steal = spent.get("steal")
    idle = spent["idle"] + spent.get("iowait", 0.0) + (steal or 0.0)
    steal_share = None if steal is None else steal / total
    return Load((total - idle) / total, steal_share, swap_after.used, moved)


def cpu_config() -> tuple[str | None, bool | None]:
    """Governor and turbo, from pyperf's metadata; None for what it does not tell."""
    try:
        from pyperf._collect_metadata import collect_metadata
    except ImportError:
        return None, None
    return parse_cpu_config(str(collect_metadata(process=False).get("cpu_config", "")), _line(BOOST))


def parse_cpu_config(text: str, boost: str | None) -> tuple[str | None, bool | None]:
    """Governor and turbo out of pyperf's ``cpu_config``; ``boost`` is the kernel's file, for CPUs without pstate."""
    governors = set(re.findall(r"governor:(\w+)", text))
    slowest = next((name for name in sorted(governors) if name != "performance"), None)
    pstate = re.search(r"intel_pstate:(no )?turbo", text)
    turbo = pstate[1] is None if pstate else {"0": False, "1": True}.get(boost or "")
    return slowest or next(iter(governors), None), turbo


def cgroup_cpu() -> tuple[str | None, int | None]:
    """``cpu.max`` and ``nr_throttled`` of this process's control group (v2); None where there is none."""
    folder = CGROUP
    try:
        own = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        nested = CGROUP / own[3:].lstrip("/")
        folder = nested if (nested / "cpu.max").is_file() else CGROUP
    except (OSError, StopIteration):
        pass
    return _line(folder / "cpu.max"), throttled_periods(_text(folder / "cpu.stat"))


def throttled_periods(stat: str | None) -> int | None:
    """``nr_throttled`` out of ``cpu.stat``."""
    found = re.search(r"^nr_throttled (\d+)$", stat or "", re.MULTILINE)
    return int(found[1]) if found else None


def python() -> dict[str, Any]:
    """Readings of the interpreter, by the names of the checks' arguments."""
    tools = [name for name in _WATCHERS if name in sys.modules]
    if hasattr(sys, "monitoring"):
        tools += [name for index in range(6) if (name := sys.monitoring.get_tool(index))]
    return {
        "build": {"debug": hasattr(sys, "gettotalrefcount"), "flags": sysconfig.get_config_var("PY_CFLAGS")},
        "modes": {
            "dev_mode": sys.flags.dev_mode,
            "optimize": sys.flags.optimize,
            "interactive_debug": _asyncio_debug(),
        },
        "tracing": {
            "trace": sys.gettrace() is not None,
            "profile": sys.getprofile() is not None,
            "tools": tools,
            "memory": tracemalloc.is_tracing(),
        },
    }


def _asyncio_debug() -> bool:
    """As asyncio decides it for new loops (Python library reference, "Debug Mode")."""
    asked = not sys.flags.ignore_environment and bool(os.environ.get("PYTHONASYNCIODEBUG"))
    return sys.flags.dev_mode or asked


def clock_offset(url: str) -> tuple[float | None, str]:
    """The endpoint's clock minus ours in seconds, by one unsigned HEAD request; or None and why not."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=HEAD_TIMEOUT_S)
    try:
        begun = time.time()
        connection.request("HEAD", "/")
        date = connection.getresponse().getheader("Date")
        ended = time.time()
    except (OSError, http.client.HTTPException) as error:
        return None, f"no answer: {type(error).__name__}"
    finally:
        connection.close()
    return offset(date, (begun + ended) / 2)


def offset(date: str | None, now_s: float) -> tuple[float | None, str]:
    """Seconds from ``now_s`` to an HTTP ``Date``; or None and why not."""
    if date is None:
        return None, "the answer has no Date"
    try:
        return parsedate_to_datetime(date).timestamp() - now_s, ""
    except ValueError:
        return None, "the answer's Date cannot be read"


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None


def _line(path: Path) -> str | None:
    text = _text(path)
    return text.strip().split("\n", 1)[0] if text else None
