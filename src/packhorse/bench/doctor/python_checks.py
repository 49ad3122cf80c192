"""Checks of the interpreter and its environment. Each takes readings as arguments."""

from __future__ import annotations

from collections.abc import Iterable

from packhorse.bench.doctor.finding import Finding, finding

#: Environment variables that change how fast Python or its libraries run. Values are never shown.
VARIABLES = {
    "PYTHONDEVMODE": "debug hooks on memory and warnings",
    "PYTHONMALLOC": "another allocator",
    "PYTHONTRACEMALLOC": "every allocation traced",
    "PYTHONASYNCIODEBUG": "every event-loop callback timed",
    "PYTHONDUMPREFS": "every object tracked",
    "PYTHONPROFILEIMPORTTIME": "imports timed",
    "PYTHON_JIT": "the experimental JIT switched",
    "PYTHON_GIL": "the interpreter lock switched",
    "COVERAGE_PROCESS_START": "coverage in every child process, races' blocks included",
    "COV_CORE_DATAFILE": "coverage in every child process, races' blocks included",
    "LD_PRELOAD": "a library before all others, perhaps another allocator",
    "DYLD_INSERT_LIBRARIES": "a library before all others, perhaps another allocator",
    "MALLOC_ARENA_MAX": "glibc's arenas limited",
    "MALLOC_PERTURB_": "every freed block overwritten",
    "GLIBC_TUNABLES": "glibc tuned",
}


def build(*, debug: bool, flags: str | None) -> Finding:
    """How Python was compiled.

    Args:
        debug: Built with ``--with-pydebug``.
        flags: Compiler flags, or None when the build does not tell.
    """
    level = next((word for word in reversed((flags or "").split()) if word.startswith("-O")), None)
    slow = level in ("-O0", "-Og")
    seen = "debug build" if debug else f"compiled with {level}" if level else "release build"
    return finding(
        "Python build",
        "A debug or unoptimized build is several times slower, but only in Python code: rankings change.",
        bad=debug or slow,
        seen=seen,
        advice="Measure with the Python that production runs, built with optimization.",
    )


def modes(*, dev_mode: bool, optimize: int, interactive_debug: bool) -> Finding:
    """Interpreter switches.

    Args:
        dev_mode: ``-X dev``.
        optimize: Number of ``-O``.
        interactive_debug: asyncio's debug mode through ``-X dev`` or its variable.
    """
    on = [text for text, is_on in (("-X dev", dev_mode), ("asyncio debug", interactive_debug)) if is_on]
    asserts = "assertions off (-O)" if optimize else "assertions on, Python's default"
    return finding(
        "Python modes",
        "Development mode checks every allocation and callback; assertions cost what they check.",
        bad=bool(on),
        seen=", ".join([*on, asserts]),
        advice="Run without -X dev, PYTHONDEVMODE and PYTHONASYNCIODEBUG.",
    )


def tracing(*, trace: bool, profile: bool, tools: Iterable[str], memory: bool) -> Finding:
    """What watches the code as it runs.

    Args:
        trace: ``sys.settrace`` has a function.
        profile: ``sys.setprofile`` has a function.
        tools: Names of tools registered with ``sys.monitoring``, and of debuggers and coverage that are loaded.
        memory: ``tracemalloc`` is on.
    """
    seen = [name for name, on in (("sys.settrace", trace), ("sys.setprofile", profile), ("tracemalloc", memory)) if on]
    seen += sorted(set(tools))
    return finding(
        "tracing tools",
        "Tracing taxes each line or call of Python, and C code not at all: rankings change.",
        bad=bool(seen),
        seen=", ".join(seen) or "none",
        advice="Run without coverage, debuggers and profilers.",
    )


def environment(names: Iterable[str]) -> Finding:
    """Environment variables that are set, of those that matter."""
    present = sorted(set(names) & VARIABLES.keys())
    return finding(
        "environment",
        "Some variables change how fast Python, its allocator or its libraries are, here and in child processes.",
        bad=bool(present),
        seen="; ".join(f"{name} ({VARIABLES[name]})" for name in present) or "nothing that matters is set",
        advice="Unset them, unless production sets them too.",
    )
