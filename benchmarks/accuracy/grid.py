"""Measures the accuracy of methods on a recipe, for several seeds; keeps their results as evidence.

    python -m benchmarks.accuracy.grid digits configs/digits_t2h.py --methods ce la dull

Takes as long as the runs: 5 to 30 s each on the digits, 3 to 40 minutes on reduced CIFAR-10.
Writes benchmarks/results/GRID/DATASET-ifIF-NOISERATE-METHOD-sSEED.json, one file for each run
(--out: another folder); `python -m dull_jax.report.table benchmarks/results/GRID` tabulates them.

Runs continue where they stopped; the methods of one seed train on the same labels. With
`two_stage:self_supervised` among the methods, the second one is trained first, and its backbone is
where the first one begins. A setting under a name of its own:

    python -m benchmarks.accuracy.grid ablation configs/digits_t2h.py --variant "no H2T" \
        --set dull.h2t=False

`--oracle` takes the images with wrong labels out before training, by the true labels: what perfect
detection would be worth, and no more than detection.
"""

import argparse
import ast
import dataclasses
import json
import pathlib
from collections.abc import Sequence

import jax
from ml_collections import ConfigDict

from benchmarks import result_file
from dull_jax import recipe_files
from dull_jax.data import dataset
from dull_jax.train import parallel, trainer


def main() -> None:
    parser = result_file.parser(__doc__, out="the folder of the result files")
    parser.add_argument("grid", help="the folder of benchmarks/results: digits, mini, ablation, …")
    parser.add_argument("config")
    parser.add_argument("--methods", nargs="+", default=["dull"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--arg", default="", help="further recipe arguments, key=value,…")
    parser.add_argument("--variant", default="", help="a name for what --set changes")
    parser.add_argument("--set", nargs="*", default=[], help="fields of the recipe, key=value")
    parser.add_argument("--oracle", action="store_true", help="without the wrongly labelled")
    parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs"))
    parser.add_argument("--devices", type=int, default=0, help="see config.train.devices")
    args = parser.parse_args()
    parallel.cpu_devices(args.devices)
    folder = args.out or result_file.RESULTS / args.grid
    for seed in args.seeds:
        for method in args.methods:
            _keep(folder, _trained(args, method, seed, args.arg, args.set))
            jax.clear_caches()  # programs of a hundred runs exhaust the memory maps of a process


def _trained(
    args: argparse.Namespace, name: str, seed: int, arg: str, fields: Sequence[str]
) -> dict:
    """The result of one run. "two_stage:self_supervised" begins with a backbone of the latter."""
    method, _, first = name.partition(":")
    arguments = ",".join(filter(None, (f"method={method},seed={seed}", arg)))
    config = recipe_files.load(f"{args.config}:{arguments}")
    config.compare = ()
    config.train.devices, config.variant = args.devices, args.variant
    config.update_from_flattened_dict(dict(map(_setting, fields)))
    if first:  # that one sees images only, no labels: one run of it serves every noise
        images = [a for a in arg.split(",") if a and a.partition("=")[0] not in ("noise", "rate")]
        others = [field for field in fields if not field.startswith("noise.")]
        _trained(args, first, seed, ",".join(images), others)
        config.init = str(_folder(args, first, seed, ",".join(images)))
        config.variant = config[first].variant
    folder = _folder(args, name, seed, arg)
    right = folder.parent / f"{folder.name}.npz"  # no with_suffix: a rate in the name has a dot
    labels = rightly_labelled(config, right) if args.oracle else None
    return trainer.train(config, folder, say=_print, labels=labels)


def rightly_labelled(config: ConfigDict, path: pathlib.Path) -> pathlib.Path:
    """A labels.npz of the recipe's own draw, without the images whose given label is wrong."""
    drawn = dataset.build(config)
    right = drawn.labels["given"] == drawn.labels["clean"]
    kept = {name: drawn.labels[name][right] for name in ("ids", "given", "clean")}
    path.parent.mkdir(parents=True, exist_ok=True)
    dataclasses.replace(drawn, labels=drawn.labels | kept).save(path)
    return path


def _setting(text: str) -> tuple[str, object]:
    """'dull.h2t=False' -> ('dull.h2t', False); what is no Python literal is text."""
    key, _, value = text.partition("=")
    try:
        return key, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return key, value


def _folder(args: argparse.Namespace, name: str, seed: int, arg: str) -> pathlib.Path:
    variant = args.variant.replace(" ", "_")
    stem = "-".join(
        filter(None, [pathlib.Path(args.config).stem, arg, name.replace(":", "-"), variant])
    )
    return args.runs / args.grid / f"{stem}-s{seed}"


def _print(line: str) -> None:
    print(line, flush=True)


def _keep(folder: pathlib.Path, result: dict) -> None:
    noise = result["noise"]
    rate = f"{noise['rate']:g}" if "rate" in noise else ""  # there is none of no noise
    name = (
        f"{result['dataset']}-if{result['imbalance_factor']:g}-{noise['name']}{rate}"
        f"-{'-'.join(filter(None, (result['method'], result['variant'])))}-s{result['seed']}.json"
    ).replace(" ", "_")
    result_file.write_json(folder / name, result)
    print(name, json.dumps({k: v for k, v in result["accuracy"].items() if k != "by_class"}))


if __name__ == "__main__":
    main()
