"""The one array type of this package, and the checks on what comes in."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from packhorse.errors import InputError

FloatArray: TypeAlias = NDArray[np.float64]


def finite_vector(values: ArrayLike, *, name: str) -> FloatArray:
    """``values`` as a vector of float64 without its missing (NaN) elements.

    Raises:
        InputError: Not one-dimensional, or an element is infinite. The message names ``name``.
    """
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise InputError(f"{name}: expected a list of values, got an array of shape {vector.shape}")
    if np.isinf(vector).any():
        raise InputError(f"{name}: value {int(np.argmax(np.isinf(vector)))} is infinite; use NaN for missing")
    return vector[~np.isnan(vector)]


def sample_matrix(values: ArrayLike, *, name: str) -> FloatArray:
    """``values`` as a matrix of float64, NaN where a cell is missing.

    Raises:
        InputError: Not two-dimensional, or an element is infinite. The message names ``name``.
    """
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2:
        raise InputError(f"{name}: expected a matrix, got an array of shape {matrix.shape}")
    if np.isinf(matrix).any():
        raise InputError(f"{name}: an infinite value; use NaN for a missing cell")
    return matrix


def check_fraction(value: float, *, name: str) -> None:
    """Refuse anything that is not strictly between 0 and 1.

    Raises:
        InputError: ``value`` is outside (0, 1). The message names ``name``.
    """
    if not 0 < value < 1:
        raise InputError(f"{name}={value}: must lie between 0 and 1, both excluded")
