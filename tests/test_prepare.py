"""The command `prepare`: what it says, and how it leaves."""

import pytest

import commands
import mini_cifar
from dull_jax import prepare
from dull_jax.data.tfds import cifar_archive
from dull_jax.errors import UserError


@pytest.fixture
def source(tmp_path, monkeypatch):
    content = mini_cifar.files("cifar100")
    facts = mini_cifar.facts("cifar100", content)
    monkeypatch.setitem(cifar_archive.ARCHIVES, "cifar100", facts)
    return str(mini_cifar.write_tar(tmp_path / "cifar-100-python.tar.gz", "cifar100", content))


def test_it_says_what_is_where_and_what_comes_next(tmp_path, source):
    out = str(tmp_path / "out")
    message = prepare.prepare("cifar100", source, out)
    assert f"is now prepared in {out}/cifar100/3.0.2" in message
    assert "15 train and 6 test images, 4 classes" in message
    assert f"--config.data.dir={out}" in message.splitlines()[1]
    assert "already prepared" in prepare.prepare("cifar100", source, out)
    assert "already prepared" in prepare.prepare("cifar100", "", out)


def test_the_environment_names_the_folder(tmp_path, source, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "env"))
    message = prepare.prepare("cifar100", source)
    assert f"{tmp_path}/env/cifar100" in message and "data.dir" not in message


def test_digits_need_nothing():
    assert "nothing to prepare" in prepare.prepare("digits")


def test_one_name_is_asked_for():
    for argv in (["prepare"], ["prepare", "cifar10", "cifar100"]):
        with pytest.raises(UserError, match="name one data set"):
            prepare.main(argv)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["cifar1000"], "did you mean cifar100"),
        (["cifar100", "--source=/nowhere"], "/nowhere does not exist"),
        (["cifar100", "--sorce=/nowhere"], "Did you mean: source"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(tmp_path, arguments, expected):
    done = commands.run("dull_jax.prepare", *arguments, f"--data_dir={tmp_path}")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("dull_jax: ") and done.stderr.count("\n") == 1
    assert expected in done.stderr
    assert list(tmp_path.iterdir()) == []
