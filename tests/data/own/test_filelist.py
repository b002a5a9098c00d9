"""Lists of images as they are published: what each line must end in."""

import pytest

from dull_jax.data.own import filelist
from dull_jax.errors import UserError


@pytest.mark.parametrize("label", ["14", "-1", "1.0", "x", "²", "٣", "9" * 5000])
def test_what_is_no_class_is_refused(tmp_path, label):
    """Python refuses to read a number of 5,000 digits."""
    (tmp_path / "list.txt").write_text(f"a.jpg 0\nb.jpg {label}\n")
    with pytest.raises(
        UserError, match=r"row 2: 'b\.jpg .* does not end in a class, 0\.\.13"
    ) as refused:
        filelist.labelled(tmp_path / "list.txt", 14)
    assert len(str(refused.value)) < 400
