"""Builds the compiled part of redaction (src/packhorse/redact/_native.c) into the wheel.

Where it cannot be built, as without a C compiler, the wheel is pure Python: the same results, more slowly.
"""

from __future__ import annotations

import os
import shutil
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HOME = "packhorse/redact"


class NativeBuild(BuildHookInterface[Any]):
    """Compiles before the wheel's files are collected, and cleans up behind it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the compiled module to the wheel, or put it beside the sources of an editable install."""
        if os.environ.get("PACKHORSE_NO_NATIVE"):
            return
        self._scratch = Path(tempfile.mkdtemp())
        try:
            built = self._compiled()
        except Exception as error:  # noqa: BLE001  # whatever a compiler or its absence raises
            self.app.display_warning(f"{HOME}/_native.c was not compiled ({error}); redaction will be slower")
            return
        if version == "editable":
            shutil.copy2(built, Path(self.root, "src", HOME, built.name))
        else:
            build_data["force_include"][str(built)] = f"{HOME}/{built.name}"
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{platform}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was built on the way."""
        shutil.rmtree(getattr(self, "_scratch", ""), ignore_errors=True)

    def _compiled(self) -> Path:
        from setuptools import Distribution, Extension
        from setuptools.command.build_ext import build_ext

        extension = Extension(
            f"{HOME.replace('/', '.')}._native",
            [str(Path(self.root, "src", HOME, "_native.c"))],
            py_limited_api=True,
            extra_compile_args=["-O3"],
        )
        command = build_ext(Distribution({"ext_modules": [extension]}))
        command.build_lib, command.build_temp = str(self._scratch), str(self._scratch / "objects")
        command.ensure_finalized()
        command.run()
        return next(self._scratch.glob(f"{HOME}/_native*"))
