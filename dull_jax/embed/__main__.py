"""Embeds image files, once and for all: vectors to train on, with ids, labels and paths beside.

python -m dull_jax.embed --input=PHOTOS --output=emb.parquet
python -m dull_jax.embed --input=labels.csv --output=emb.parquet --model=dinov2.onnx

Several processes write a shard each into a folder; see docs/embeddings.md.
"""

import sys
from collections import Counter
from collections.abc import Sequence

from absl import flags

from dull_jax import cli, invocation
from dull_jax.data.own import decode
from dull_jax.data.own.manifest import Manifest
from dull_jax.embed import inputs
from dull_jax.embed.job import Job
from dull_jax.embed.named import DEFAULT, SIZE, Channels, encoder_of
from dull_jax.errors import UserError
from dull_jax.models import network
from dull_jax.names import shown
from dull_jax.train import hosts, parallel


def define_flags() -> None:
    """When the module is run, not when it is imported: commands share names of flags."""
    names = ", ".join(network.with_weights())
    flags.DEFINE_string("input", None, "A folder of images, or a table with a column path.")
    flags.DEFINE_string("data_dir", None, "Where a table's paths start; else in its own folder.")
    flags.DEFINE_string("output", None, "A .parquet or .npz file, or a folder of parquet shards.")
    flags.DEFINE_string("model", DEFAULT, f"{names}; or the path of an .onnx file.")
    flags.DEFINE_string("weights", None, "Safetensors; empty: those of the installed package.")
    flags.DEFINE_integer("views", 1, "Vectors of each image: plain, then augmented.", 1, 64)
    flags.DEFINE_integer("size", 0, f"Pixels; 0: {SIZE}, or what the .onnx file wants.", 0, 1024)
    flags.DEFINE_enum("fit", "crop", decode.FITS, "How an image becomes a square.")
    what = "With an .onnx file: %s of pixels in [0, 1] by channel; default: ImageNet's."
    flags.DEFINE_list("mean", None, what % "mean")
    flags.DEFINE_list("std", None, what % "standard deviation")
    flags.DEFINE_string("cache", None, "Folder where vectors are kept; else OUTPUT.cache for now.")
    flags.DEFINE_integer("devices", 0, "As config.train.devices.", 0)
    cli.define_distributed()
    flags.adopt_module_key_flags(cli)  # `--help` shows them


def main(argv: Sequence[str]) -> None:
    cli.check_flags_only(argv, "embed")
    values = flags.FLAGS
    source = cli.needed_path("input", "embed", local=True)
    output = cli.needed_path("output", "embed")
    root, weights = (cli.path_flag(name, local=True) for name in ("data_dir", "weights"))
    parallel.cpu_devices(values.devices)
    cli.join_others()
    mean, std = (_channels(name) for name in ("mean", "std"))
    encoder = encoder_of(values.model, str(weights or ""), values.size, mean, std)
    job = Job(
        source=source,
        output=output,
        encoder=encoder,
        size=encoder.input_size or values.size or SIZE,
        fit=values.fit,
        views=values.views,
        root=root or "",
        cache=cli.path_flag("cache"),
        read=tuple(path for path in (source, root, weights) if path),
    )
    manifest = job.run(parallel.Devices(values.devices), say)
    if hosts.is_first():
        _tell(manifest, job)


def _channels(name: str) -> Channels:
    values = flags.FLAGS[name].value
    if values is None:
        return None
    try:
        red, green, blue = map(float, values)
    except ValueError:
        raise UserError(f"--{name} must be three numbers, of red, green and blue") from None
    return red, green, blue


def _tell(manifest: Manifest, job: Job) -> None:
    """What was left out, on stderr; what was made, and what comes next."""
    broken = [problem for problem in manifest.problems if problem.is_file]
    for problem in broken:
        print(f"{shown(problem.path)}: {problem.reason}", file=sys.stderr)
    others = Counter(problem.reason for problem in manifest.problems if not problem.is_file)
    for reason, count in sorted(others.items()):
        print(f"passed over: {count:,} x {reason}", file=sys.stderr)
    copies = sum(not used for group in manifest.duplicates for used in group.used)
    left_out = {"cannot be read": len(broken), "are copies of others": copies}
    told = "".join(f", {count:,} {what}" for what, count in left_out.items() if count)
    say(f"{len(manifest.ids):,} images embedded{told}: {job.output}")
    labelled = inputs.is_labelled(manifest)
    labels = "" if labelled else " --labels=LABELS.csv"
    say(f"next: {invocation.named('audit')} --embeddings={job.output}{labels}")
    labels = "" if labelled else " --config.data.labels=LABELS.csv"
    command = f"{invocation.named('main')} --config=embeddings"
    say(f"or:   {command} --config.data.file={job.output}{labels} --workdir=RUN")


def say(text: str) -> None:
    if hosts.is_first():
        print(text, flush=True)


if __name__ == "__main__":
    define_flags()
    cli.run(main)
