"""Names that every system takes."""

import os
import pathlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dull_jax.audit import safe_names

ODD = [
    "..",
    ".",
    "a/b",
    "con",
    "x" * 300,
    "字" * 300,
    "a.",
    "\ud800",
    "tab\t",
    "",
    "COM1.txt",
    "__p",
    '."',
    "_.x",
]


@pytest.mark.parametrize("name", ODD)
def test_odd_names_stay_in_the_folder(name, tmp_path):
    for safe in (safe_names.safe(name), safe_names.safe_file(f"{name}.png")):
        (tmp_path / safe).mkdir(exist_ok=True)
        assert (tmp_path / safe).parent == tmp_path and os.sep not in safe
        assert safe not in (".", "..") and not safe.startswith((".", "__"))
        assert len(safe.encode()) < 200


@given(st.text(), st.text())
@example("", '."')
def test_any_name(name, more):
    safe = safe_names.safe(name, more)
    assert 0 < len(safe.encode()) <= 161 and not set(safe) & set('<>:"/\\|?*\0\n')
    assert safe[-1] not in " ." and safe_names.safe(safe) == safe


def test_what_is_appended_and_the_suffix_are_never_cut_off():
    assert safe_names.safe_file("字" * 300 + ".jpeg", "-id7").endswith("字-id7.jpeg")
    assert safe_names.safe_file("aux.PNG") == "aux_.PNG"


def test_files_of_one_name_are_kept_apart():
    """In any case, in either form of an accent, and where one is called as another would be."""
    files = [
        "/x/a.png",
        "/y/a.png",
        "/z/A.PNG",
        "/x/é.png",
        "/y/e\u0301.png",
        "/x/a-1.png",
        "/w/a.png",
    ]
    keys = ["0", "1", "2", "3", "4", "5", "1"]
    into = [pathlib.PurePath("f")] * len(files)
    found = [str(place) for place in safe_names.of_files(files, keys, into)]
    assert found[:4] == ["f/a.png", "f/a-1.png", "f/A-2.PNG", "f/é.png"]
    assert found[5:] == ["f/a-1-5.png", "f/a-1-2.png"] and found[4].endswith("-4.png")


def test_folders_of_classes_are_all_different():
    names = ["cat", "Cat", "CAT_2", "a/b", "a:b", "x" * 200, "x" * 201, "é", "e\u0301"]
    folders = safe_names.of_folders(names)
    assert len({folder.casefold() for folder in folders.values()}) == len(names)
    assert folders["Cat"] == "Cat_2" and folders["CAT_2"] == "CAT_2_2"
