"""Lists of images as they are published: what each line must end in."""

import pytest

from dull_jax.data.tables import published_list
from dull_jax.errors import UserError


@pytest.mark.parametrize("label", ["14", "-1", "1.0", "x", "²", "٣", "9" * 5000])
def test_what_is_no_class_is_refused(tmp_path, label):
    """Python refuses to read a number of 5,000 digits."""
    (tmp_path / "list.txt").write_text(f"a.jpg 0\nb.jpg {label}\n")
    with pytest.raises(
        UserError, match=r"row 2: 'b\.jpg .* does not end in a class, 0\.\.13"
    ) as refused:
        published_list.labelled(tmp_path / "list.txt", 14)
    assert len(str(refused.value)) < 400


def test_lines_keep_their_numbers(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa.jpg 0\r\n\r\n b.jpg 1 \n")
    assert published_list.lines(tmp_path / "list.txt") == ["a.jpg 0", "", "b.jpg 1", ""]
    assert published_list.labelled(tmp_path / "list.txt", 2) == {"a.jpg": (0, 1), "b.jpg": (1, 3)}


@pytest.mark.parametrize(("data", "words"), [
    (b"a.jpg 0\n\xff 1\n", "row 2: not UTF-8"),
    (b"a.jpg 0\nb\0 1\n", "row 2: a NUL byte"),
    (None, "cannot be read"),
])  # fmt: skip
def test_what_is_no_text(tmp_path, data, words):
    if data is not None:
        (tmp_path / "list.txt").write_bytes(data)
    with pytest.raises(UserError, match=rf"list\.txt.* {words}"):
        published_list.lines(tmp_path / "list.txt")
