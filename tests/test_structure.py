"""The structure's rules, checked on the source: two halves, no cycles, shallow inheritance, sizes, third parties."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import packhorse

ROOT = Path(packhorse.__file__).parent
MODULES = {
    ".".join(["packhorse", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}
#: What a folder or a top-level module of the library may import of ours, beside itself.
BASE = {"errors", "units", "model", "files", "forks", "position", "real_threads", "checks", "checksum"}
MAY_IMPORT = {
    "errors": set(),
    "units": {"errors"},
    "model": set(),
    "files": set(),
    "forks": set(),
    "missing": set(),
    "position": set(),
    "real_threads": set(),
    "checks": {"errors"},
    "checksum": set(),
    "overlap": BASE,
    "stages": BASE,
    "captures": BASE,
    "redact": BASE,
    "codec": BASE | {"overlap", "stages"},
    "pipeline": BASE | {"stages", "codec"},
    "stores": BASE,
    "wire": BASE | {"codec", "pipeline", "stages", "stores"},
    "profiles": BASE | {"pipeline", "stages"},
    "fetching": BASE | {"wire", "codec", "stages", "stores"},
    "replacing": BASE | {"wire", "codec", "fetching", "pipeline", "redact", "stores"},
    "uploader": BASE | {"captures", "redact", "codec", "pipeline", "profiles", "stages", "stores", "wire"},
}
#: The other half: it measures the library, which knows nothing of it.
MEASURING = {"bench", "cli", "__main__"}
CODECS = {
    "orjson", "msgspec", "ujson", "simplejson", "rapidjson", "json_stream", "ormsgpack", "isal", "zlib_ng", "deflate",
    "zstandard", "backports", "brotli", "lz4", "cramjam", "pybase64",
}  # fmt: skip
CLIENTS = {"boto3", "botocore", "s3transfer", "awscrt", "aiobotocore", "aiohttp", "obstore"}
MAX_LINES, MAX_FUNCTION_LINES, MAX_DEPTH = 600, 70, 2
#: Names of the standard library with an underscore that its documentation has.
DOCUMENTED = {"os._exit", "sys._current_frames", "sys._is_gil_enabled"}
#: What ``threading.Condition`` asks of its lock, in no documentation.
OF_LOCKS = {"_is_owned", "_release_save", "_acquire_restore", "_at_fork_reinit"}
#: Modules without a documentation.
UNDOCUMENTED = {"multiprocessing.util", "multiprocessing.process", "multiprocessing.popen_fork"}
#: Breaches that are still there. Entries only ever leave these lists.
CYCLES_LEFT: dict[str, str] = {}
DEEP_LEFT: dict[str, str] = {}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Absolute names of everything a file imports: inside functions and for type checkers alone, too."""
    found: list[str] = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:  # `from package import module` is an import of the module
                whole = f"{node.module}.{alias.name}"
                found.append(whole if whole in MODULES else node.module or "")
    return tuple(found)


def place(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def exempt(module: str, left: dict[str, str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in left)


def test_every_module_has_its_place() -> None:
    assert {place(module) for module in MODULES} - {""} == set(MAY_IMPORT) | MEASURING


def test_imports_go_one_way() -> None:
    wrong = []
    for module, path in MODULES.items():
        here = place(module)
        for name in imports(path):
            there = place(name)
            if not name.startswith("packhorse.") or there == here:
                continue
            if here in MAY_IMPORT:
                allowed = there in MAY_IMPORT[here]
            else:  # the package itself shows the library alone; what measures may use both, but not the command line
                allowed = there not in (MEASURING if here == "" else {"cli", "__main__"} if here == "bench" else set())
            if not allowed:
                wrong.append(f"{module} imports {name}")
    assert not wrong


def reachable(start: str) -> set[str]:
    """Modules that importing or using ``start`` can bring in, whatever function does it."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        module = waiting.pop()
        if module in seen or module not in MODULES:
            continue
        seen.add(module)
        parts = module.split(".")
        waiting += [".".join(parts[:end]) for end in range(1, len(parts))] + list(imports(MODULES[module]))
        # Registries and lazy exports name modules as text.
        waiting += [
            node.value
            for node in ast.walk(tree(MODULES[module]))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in MODULES
        ]
    return seen


def test_the_library_reaches_nothing_that_measures() -> None:
    measuring = sorted(module for module in reachable("packhorse") if place(module) in MEASURING)
    assert not measuring
    assert "packhorse.uploader.engine" in reachable("packhorse")  # the walk itself works


def cycles() -> Iterator[str]:
    graph = {module: {n for n in imports(path) if n in MODULES and n != module} for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> Iterator[str]:
        if module in above:
            yield " -> ".join([*above[above.index(module) :], module])
            return
        if module not in done:
            for other in sorted(graph[module] - {"packhorse"}):
                yield from visit(other, (*above, module))
            done.add(module)

    for module in sorted(MODULES):
        yield from visit(module, ())


def test_no_import_cycles_typing_included() -> None:
    found = [cycle for cycle in cycles() if not exempt(cycle.split(" -> ")[0], CYCLES_LEFT)]
    assert not found
    for package in CYCLES_LEFT:
        assert any(exempt(cycle.split(" -> ")[0], {package: ""}) for cycle in cycles()), f"{package} has none any more"


def depth(name: str, bases: dict[str, list[str]]) -> int:
    """How many of our own classes stand above one. Exceptions and protocols apart, which have their own ladders."""
    return max((1 + depth(base, bases) for base in bases.get(name, ()) if base in bases), default=0)


def deep_classes() -> list[str]:
    bases: dict[str, list[str]] = {}
    homes: dict[str, str] = {}
    for module, path in MODULES.items():
        if place(module) == "errors":
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = [base.id for base in node.bases if isinstance(base, ast.Name)]
                homes[node.name] = module
    return [f"{homes[name]}.{name}" for name in bases if depth(name, bases) > MAX_DEPTH]


def test_inheritance_is_at_most_two_deep() -> None:
    deep = deep_classes()
    assert not [name for name in deep if not exempt(name, DEEP_LEFT)]
    for package in DEEP_LEFT:
        assert any(exempt(name, {package: ""}) for name in deep), f"{package} has none any more"


def test_third_party_codecs_and_clients_stay_in_their_modules() -> None:
    wrong = []
    for module, path in MODULES.items():
        roots = {name.partition(".")[0] for name in imports(path)}
        in_lab = module.startswith(("packhorse.bench.lab", "packhorse.bench.shape"))
        if roots & CLIENTS and place(module) != "stores" and not in_lab:
            wrong.append(f"{module}: {roots & CLIENTS}")
        # msgspec is also what records are made of in bench.
        codecs = roots & CODECS - ({"msgspec"} if place(module) == "bench" else set())
        if codecs and place(module) not in {"stages", "captures", "redact"} and not in_lab:
            wrong.append(f"{module}: {codecs}")
    assert not wrong


def test_modules_and_functions_can_be_read_at_one_sitting() -> None:
    long = []
    for module, path in MODULES.items():
        if path.read_text(encoding="utf-8").count("\n") > MAX_LINES:
            long.append(module)
        for node in ast.walk(tree(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or 0) - node.lineno + 1
                long += [f"{module}.{node.name}: {lines} lines"] if lines > MAX_FUNCTION_LINES else []
    assert not long


def private_names(path: Path) -> Iterator[str]:
    """What a file uses of the standard library's modules that has an underscore, and of their locks."""
    standard = {name for name in imports(path) if name.partition(".")[0] in sys.stdlib_module_names}
    names = {name.partition(".")[0] for name in standard} - {"__future__"}
    yield from standard & UNDOCUMENTED
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            whole = ast.unparse(node)
            if node.attr in OF_LOCKS or (whole.partition(".")[0] in names and whole not in DOCUMENTED):
                yield whole
        elif isinstance(node, ast.Constant) and node.value in OF_LOCKS | UNDOCUMENTED:
            yield str(node.value)


def test_nothing_private_of_the_standard_library_is_used(tmp_path: Path) -> None:
    found = [f"{module}: {name}" for module, path in MODULES.items() for name in private_names(path)]
    # A type, which type checkers alone look at: zlib has no other name for it.
    assert found == ["packhorse.captures.readers.inflate_gzip: zlib._Decompress"]
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import threading\nthreading._shutdown()\nlock._is_owned()\ngetattr(lock, '_release_save')\n"
        "import multiprocessing.util\n"
    )
    assert sorted(private_names(bad)) == [
        "_release_save",
        "lock._is_owned",
        "multiprocessing.util",
        "threading._shutdown",
    ]


def test_no_console_takes_text_for_markup() -> None:
    """Names and messages hold brackets, as ``packhorse[race]``, which rich's markup swallows."""
    wrong = []
    for module, path in MODULES.items():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Console", "TextColumn"}:
                off = any(k.arg == "markup" and getattr(k.value, "value", None) is False for k in node.keywords)
                constant = bool(node.args) and "{" not in str(getattr(node.args[0], "value", "{"))
                wrong += [] if off or constant else [f"{module}:{node.lineno}"]
    assert not wrong
