"""What the race ran on: machine, limits, Python, every library and its C core. Nothing that names a person or host."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from packhorse import __version__
from packhorse.stages.registry import availability, candidates

#: Keys of pyperf's metadata that are taken over; the others name the host, paths or the moment.
_PYPERF_KEYS = ("aslr", "cpu_affinity", "cpu_config", "cpu_freq", "load_avg_1min", "perf_version", "python_hash_seed",
                "runnable_threads", "timer")  # fmt: skip


def describe() -> dict[str, Any]:
    """The machine as the record shows it."""
    return {
        "cpu_model": _cpu_model(),
        "cores_logical": os.cpu_count(),
        "cores_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "governor": _first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "cgroup_cpu_max": _first_line("/sys/fs/cgroup/cpu.max"),
        "cgroup_memory_max": _first_line("/sys/fs/cgroup/memory.max"),
        "kernel": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "python": platform.python_version(),
        "python_build": " ".join((platform.python_implementation(), platform.python_compiler())),
        "python_debug": hasattr(sys, "gettotalrefcount"),
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "asserts": __debug__,
        **_psutil(),
        "pyperf": _pyperf(),
    }


def versions() -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Versions of packhorse and of every candidate's libraries and cores; and the unavailable candidates.

    Returns:
        Distribution → version (``core`` maps candidate → version of its C, C++ or Rust core), and rows with ``stage``,
        ``name`` and ``reason``.
    """
    libraries: dict[str, str] = {}
    cores: dict[str, str] = {}
    missing = []
    for row in candidates():
        state = availability(row)
        libraries.update(state.versions)
        if state.core_version:
            cores[f"{row.stage}/{row.name}"] = state.core_version
        if state.reason:
            missing.append({"stage": str(row.stage), "name": row.name, "reason": scrub(state.reason)})
    return {"packhorse": __version__, "libraries": dict(sorted(libraries.items())), "cores": cores}, missing


def command(argv: Sequence[str]) -> str:
    """The command line without folders and without credentials in URLs."""
    return shlex.join(["packhorse", *(scrub(word) for word in argv[1:])])


def scrub(text: str) -> str:
    """``text`` without absolute paths (the last part stays) and without user information in URLs."""
    text = re.sub(r"(\w+://)[^/\s]+@", r"\1", text)  # up to the last @: a password may hold one
    text = re.sub(r"(file://)(?:/[^/\s'\"]+)+(/[^/\s'\"]+)", r"\1\2", text)
    return re.sub(r"(?<![\w:/.])~?(?:/[^/\s'\"]+)+/([^/\s'\"]+)", r"\1", text)


def _cpu_model() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), None)


def _first_line(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii").strip().split("\n", 1)[0]
    except (OSError, UnicodeDecodeError):
        return None


def _psutil() -> dict[str, Any]:
    try:
        import psutil
    except ImportError:
        return {}
    return {
        "cores_physical": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "swap_used_bytes": psutil.swap_memory().used,
    }


def _pyperf() -> dict[str, str]:
    try:
        from pyperf._collect_metadata import collect_metadata
    except ImportError:
        return {}
    found = collect_metadata(process=False)
    return {key: str(found[key]) for key in _PYPERF_KEYS if key in found}
