"""The public surface: there, typed, cheap to import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import packhorse
from packhorse.stages import registry


def test_every_public_name_loads() -> None:
    for name in packhorse.__all__:
        assert getattr(packhorse, name) is not None
    assert set(packhorse.__all__) <= set(dir(packhorse))
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        _ = packhorse.Nope


def test_windows_is_refused_by_name() -> None:
    code = "import sys; sys.platform = 'win32'; import packhorse"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: packhorse does not run on Windows")


def test_importing_brings_no_candidate() -> None:
    code = "import sys, packhorse; print(*{m.partition('.')[0] for m in sys.modules})"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    foreign = {"orjson", "zstandard", "obstore", "boto3", "msgspec", "click", "rich", "numpy", "scipy", "ijson"}
    assert not loaded & foreign


def test_making_an_uploader_brings_only_its_own_candidates() -> None:
    code = (
        "import sys, packhorse; packhorse.Uploader('s3://bucket/prefix');"
        "print(*{m.partition('.')[0] for m in sys.modules})"
    )
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"boto3", "botocore", "aiobotocore", "msgspec", "ujson", "click", "rich", "numpy", "scipy"}


def test_the_default_profile_needs_only_the_runtime_dependencies() -> None:
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    runtime = {requirement.partition(">")[0] for requirement in project["dependencies"]}
    needed = {dist for choice in packhorse.load_profile().pipeline.choices for dist in choice.candidate.dists}
    # boto3 for ~/.aws, roles, multipart and forked children; the scanners of redaction, of which one has all wheels.
    assert needed | {"boto3", "pyperscan", "ahocorasick-rs"} == runtime


def test_every_candidate_has_an_extra_that_brings_it() -> None:
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for row in registry.candidates():
        brought = {r.partition(">")[0] for r in [*extras.get(row.extra, []), *project["dependencies"]]}
        assert set(row.dists) <= brought, row.name
