"""Files that appear whole or not at all, and errors that name what the caller named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from packhorse.files import appearing, write_text


def test_a_missing_folder_is_told_by_the_name_that_was_given(tmp_path: Path) -> None:
    path = tmp_path / "none" / "x.json"
    with pytest.raises(FileNotFoundError) as caught:
        write_text(path, "{}")
    assert caught.value.filename == str(path)


def test_a_file_in_place_of_the_folder_is_told_by_the_name_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "x.json"
    with pytest.raises(NotADirectoryError) as caught:
        write_text(path, "{}")
    assert caught.value.filename == str(path)


def test_a_folder_that_vanishes_is_told_by_the_name_that_was_given(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "x.json"
    with pytest.raises(FileNotFoundError) as caught, appearing(path):
        shutil.rmtree(folder)
    assert (caught.value.filename, caught.value.filename2) == (str(path), None)


def test_errors_of_other_files_keep_their_names(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="other") as caught, appearing(tmp_path / "x.json"):
        raise OSError(2, "gone", "other")
    assert caught.value.filename == "other"
    assert list(tmp_path.iterdir()) == []
