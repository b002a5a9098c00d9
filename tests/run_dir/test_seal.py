"""A finished run is as it was left, or what is damaged is named."""

import json

import pytest

from dull_jax.errors import UserError
from dull_jax.run_dir import seal


@pytest.mark.parametrize("content", ["", "{", "[1]", "7", "null", "[" * 100_000])
def test_a_damaged_result_is_named(tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(UserError, match=r"result\.json is damaged; delete it, or start in another"):
        seal.finished(tmp_path)


def test_nothing_there_is_nothing_finished(tmp_path):
    assert seal.finished(tmp_path) is None
    (tmp_path / "file").write_text("")
    assert seal.finished(tmp_path / "file") is None


def finished_run(folder):
    (folder / "metrics.jsonl").write_text('{"epoch": 1, "loss": 0.25}\n')
    (folder / "outputs.npz").write_bytes(b"outputs")
    result = seal.sealed(folder, {"method": "ce", "seconds": 1.5, "noise": {"rate": 0.3}})
    (folder / "result.json").write_text(json.dumps(result))
    return result


def test_a_finished_run_as_it_was_left(tmp_path):
    assert finished_run(tmp_path) == seal.finished(tmp_path)


@pytest.mark.parametrize("name", ["metrics.jsonl", "outputs.npz", "result.json"])
@pytest.mark.parametrize("damage", ["cut", "bit", "digit", "gone"])
def test_a_finished_run_that_was_damaged(tmp_path, name, damage):
    finished_run(tmp_path)
    path = tmp_path / name
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "digit":  # still what it was to any parser
        path.write_bytes(data.replace(b"0.", b"1.").replace(b"out", b"ouu"))
    else:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        path.write_bytes(data[:middle] if damage == "cut" else flipped)
    if (name, damage) == ("result.json", "gone"):
        assert seal.finished(tmp_path) is None
        return
    with pytest.raises(UserError, match=rf"{name} is damaged"):
        seal.finished(tmp_path)


def test_a_result_of_an_older_version_has_no_digests(tmp_path):
    (tmp_path / "result.json").write_text('{"method": "ce"}')
    for text in ('{"method": "ce"}', '{"method": "ce", "sha256": [1]}'):
        (tmp_path / "result.json").write_text(text)
        with pytest.raises(UserError, match="has no digests"):
            seal.finished(tmp_path)
