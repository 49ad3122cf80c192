"""The structure's rules, checked on the source: which way imports go, where third-party libraries may stand, sizes."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import packhorse

ROOT = Path(packhorse.__file__).parent
MODULES = {
    ".".join(["packhorse", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}
#: What a folder or a top-level module may import of ours, beside itself.
BASE = {"errors", "units", "model", "files", "forks", "position", "real_threads", "checks"}
MAY_IMPORT = {
    "errors": set(),
    "units": {"errors"},
    "model": set(),
    "files": set(),
    "forks": set(),
    "real_threads": set(),
    "position": set(),
    "checks": {"errors"},
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
    "uploader": BASE | {"captures", "redact", "codec", "pipeline", "profiles", "stores", "wire"},
    "lab": BASE | {"captures", "pipeline", "profiles", "stages", "stores", "uploader", "wire"},
}
CODECS = {
    "orjson", "msgspec", "ujson", "simplejson", "rapidjson", "json_stream", "ormsgpack", "isal", "zlib_ng", "deflate",
    "zstandard", "backports", "brotli", "lz4", "cramjam", "pybase64",
}  # fmt: skip
CLIENTS = {"boto3", "botocore", "s3transfer", "awscrt", "aiobotocore", "aiohttp", "obstore"}


@cache
def imports(path: Path) -> list[str]:
    """Absolute names of everything a file imports, also inside functions, but not for type checkers alone."""
    found = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:  # `from package import module` is an import of the module
                whole = f"{node.module}.{alias.name}"
                found.append(whole if whole in MODULES else node.module or "")
    return found


def place(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_imports_go_one_way() -> None:
    wrong = []
    for module, path in MODULES.items():
        here = place(module)
        if here not in MAY_IMPORT:
            continue
        for name in imports(path):
            there = place(name)
            if name.startswith("packhorse.") and there != here and there not in MAY_IMPORT[here]:
                wrong.append(f"{module} imports {name}")
    assert not wrong


def test_no_import_cycles() -> None:
    graph = {module: {n for n in imports(path) if n in MODULES and n != module} for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, " -> ".join([*above[above.index(module) :], module])
        if module not in done:
            for other in graph[module] - {"packhorse"}:
                visit(other, (*above, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


def test_third_party_codecs_and_clients_stay_in_their_modules() -> None:
    wrong = []
    for module, path in MODULES.items():
        roots = {name.partition(".")[0] for name in imports(path)}
        if roots & CLIENTS and place(module) not in {"stores", "lab"}:
            wrong.append(f"{module}: {roots & CLIENTS}")
        if roots & CODECS and place(module) not in {"stages", "captures", "redact"}:
            wrong.append(f"{module}: {roots & CODECS}")
    assert not wrong


def test_modules_and_functions_can_be_read_at_one_sitting() -> None:
    long = []
    for module, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 500:
            long.append(module)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or 0) - node.lineno + 1
                long += [f"{module}.{node.name}: {lines} lines"] if lines > 70 else []
    assert not long
