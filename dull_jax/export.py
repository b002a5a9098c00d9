"""Writes what a run has learnt as one file that runs without dull_jax: docs/deploy.md reads it.

python -m dull_jax.export --run=RUN --output=model.stablehlo [--safetensors=params.safetensors]

The file is a zip of two members: model.bin, the function from uint8 images to probabilities with
its weights, as `jax.export` serialises it; and about.json, what the function is to be called with
and what its columns mean. A zip, because the standard library reads it, the parts stay one file,
each part has a checksum, and `unzip -p model.stablehlo about.json` shows what is inside.
"""

import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from absl import flags
from jax import export as jax_export
from safetensors import numpy as safetensors

from dull_jax import cli, files, inference
from dull_jax.inference import Classifier
from dull_jax.machine import environment
from dull_jax.run_dir.leaves import by_name
from dull_jax.run_dir.overwrite import check_output

PLATFORMS = ("cpu", "cuda", "tpu")
_VERSIONS = ("dull_jax", "jax", "jaxlib", "flax")


def write(classifier: Classifier, output: files.Path) -> int:
    """Writes the one file, whole or not at all, and returns its size in bytes.

    Raises:
      UserError: it cannot be written.
    """
    members = {
        "about.json": json.dumps(about(classifier), indent=1, ensure_ascii=False).encode(),
        "model.bin": bytes(exported(classifier).serialize()),
    }
    with files.whole(output) as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name), content)  # no date: same run, same bytes
        return file.tell()


def exported(classifier: Classifier) -> jax_export.Exported:
    """The function uint8 `[B, H, W, C]` -> probabilities float32 `[B, K]`, for any B >= 1.

    Of a run on vectors that were made elsewhere it is the head alone: float32 `[B, D]`.
    It is traced for one image and mapped over the batch: no choice inside may depend on B.
    """

    def one(image: jax.Array) -> jax.Array:
        return jax.nn.softmax(classifier.forward(classifier.variables, image[None])[0])

    (batch,) = jax_export.symbolic_shape("batch")
    sample = classifier.sample
    images = jax.ShapeDtypeStruct((batch, *sample.shape), sample.dtype)
    with _without_folders():
        return jax_export.export(jax.jit(jax.vmap(one)), platforms=PLATFORMS)(images)


@contextmanager
def _without_folders() -> Iterator[None]:
    """What is compiled names source files, and here not the folders that they lie in."""
    option = "jax_hlo_source_file_canonicalization_regex"
    before = getattr(jax.config, option)
    jax.config.update(option, ".*/")
    try:
        yield
    finally:
        jax.config.update(option, before)


def about(classifier: Classifier) -> dict[str, Any]:
    """What about.json holds."""
    versions = environment()["versions"]
    return {
        "format": "dull_jax 1",
        "class_names": list(classifier.class_names),
        **({"vector_size": size} if (size := classifier.vector_size) else {}),
        "image_shape": list(classifier.image_shape),
        "fit": classifier.fit,
        "method": classifier.method.config.method,
        "network": classifier.method.config.model.name,
        "dataset": classifier.method.config.data.name,
        "checkpoint": classifier.checkpoint,
        "channel_mean": list(classifier.augment.mean),
        "channel_std": list(classifier.augment.std),
        "platforms": list(PLATFORMS),
        "versions": {name: versions[name] for name in _VERSIONS if name in versions},
    }


def write_parameters(classifier: Classifier, output: files.Path) -> None:
    """Writes the weights as safetensors: 'nets.0.params.backbone.….kernel', in Flax's layouts.

    Its metadata are those of about.json, each value as JSON text.

    Raises:
      UserError: it cannot be written.
    """
    nets = {
        str(n): {"params": net.params, "batch_stats": net.batch_stats}
        for n, net in enumerate(classifier.nets)
    }
    frozen = {"encoder": classifier.encoder.variables} if classifier.encoder else {}
    leaves = by_name({"nets": nets} | frozen).items()
    tensors = {name.replace("/", "."): np.ascontiguousarray(leaf) for name, leaf in leaves}
    metadata = {k: json.dumps(v, ensure_ascii=False) for k, v in about(classifier).items()}
    with files.whole(output) as file:
        file.write(safetensors.save(tensors, metadata))


def define_flags() -> None:
    """When the module is run, not when it is imported: commands share names of flags."""
    flags.DEFINE_string("run", None, "The run's folder.")
    flags.DEFINE_string("output", None, "The .stablehlo (or .zip) file to write.")
    flags.DEFINE_string("safetensors", None, "Also write the weights alone, to this file.")


def main(argv: Sequence[str]) -> None:
    cli.check_flags_only(argv, "export")
    run, output = (cli.needed_path(name, "export") for name in ("run", "output"))
    weights = cli.path_flag("safetensors")
    check_output("output", output, (".stablehlo", ".zip"))
    if weights:
        check_output("safetensors", weights, (".safetensors",), outputs=[output])
    classifier = inference.load(run)
    print(classifier)
    if classifier.vector_size:
        print("the head alone, as the run was trained: vectors in")
    size = write(classifier, output)
    print(f"model: {output}, {size / 1e6:.1f} MB, for {', '.join(PLATFORMS)}")
    if weights:
        write_parameters(classifier, weights)
        print(f"weights: {weights}")


if __name__ == "__main__":
    define_flags()
    cli.run(main)
