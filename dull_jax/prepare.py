"""Prepares CIFAR-10 or CIFAR-100 for training, also on a machine without internet or TensorFlow.

python -m dull_jax.prepare cifar100                   # downloads the official archive
python -m dull_jax.prepare cifar100 --source=PATH     # an archive that was brought, or its folder
"""

from collections.abc import Sequence

from absl import flags

from dull_jax import cli, invocation
from dull_jax.data.sources import tfds
from dull_jax.errors import UserError

flags.DEFINE_string(
    "source", None, "The official tar.gz, its unpacked folder, or that folder's parent."
)
flags.DEFINE_string(
    "data_dir", None, "Where to write; default $TFDS_DATA_DIR, else ~/tensorflow_datasets."
)


def prepare(name: str, source: str = "", data_dir: str = "") -> str:
    """Prepares the data set unless it is there, reads it back and returns what to tell the user."""
    if name == "digits":
        return "digits comes with scikit-learn; there is nothing to prepare"
    folder = tfds.data_folder(data_dir)
    path = tfds.find_prepared(name, folder)
    state = "is already prepared in" if path else "is now prepared in"
    path = path or tfds.prepare(name, folder, source)
    data = tfds.read(name, str(folder))
    return (
        f"{name} {state} {path}: {len(data.train.labels)} train and {len(data.test.labels)} test "
        f"images, {len(data.class_names)} classes\n"
        f"next: {invocation.named('main')} --config={name}_t2h --workdir=runs/{name}"
        + (f" --config.data.dir={data_dir}" if data_dir else "")
    )


def main(argv: Sequence[str]) -> None:
    if len(argv) != 2:
        raise UserError(
            f"name one data set: {invocation.named('prepare')} cifar100 [--source=PATH]"
        )
    source, data_dir = cli.path_flag("source", local=True), cli.path_flag("data_dir")
    print(prepare(argv[1], str(source or ""), str(data_dir or "")))


if __name__ == "__main__":
    cli.run(main)
