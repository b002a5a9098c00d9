"""Runs a recipe for several seeds and methods, and keeps the result files as evidence.

    python -m benchmarks.accuracy digits configs/digits_t2h.py --methods ce la dull

writes benchmarks/results/digits/<dataset>-if<IF>-<noise><rate>-<method>-s<seed>.json; tables are
made from these by `python -m dull_jax.report.table benchmarks/results/digits`. Runs continue where
they stopped, as ever; the methods of one seed train on the same labels. `two_stage:self_supervised`
among the methods trains the second from the first one's backbone.
"""

import argparse
import importlib.util
import json
import pathlib

from dull_jax.train import parallel, trainer

RESULTS = pathlib.Path(__file__).parent / "results"


def recipe(path: str, arg: str):
    spec = importlib.util.spec_from_file_location("recipe", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config(arg)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("grid", help="digits, mini, full, ablation, stress")
    parser.add_argument("config")
    parser.add_argument("--methods", nargs="+", default=["dull"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--arg", default="", help="further recipe arguments, key=value,…")
    parser.add_argument("--runs", type=pathlib.Path, default=pathlib.Path("runs"))
    parser.add_argument("--devices", type=int, default=0, help="see config.train.devices")
    args = parser.parse_args()
    parallel.cpu_devices(args.devices)
    for seed in args.seeds:
        for method in args.methods:
            _keep(args.grid, _trained(args, method, seed, args.arg))


def _trained(args: argparse.Namespace, name: str, seed: int, arg: str) -> dict:
    """The result of one run. A name "two_stage:self_supervised" starts from a run of the latter."""
    method, _, first = name.partition(":")
    config = recipe(args.config, ",".join(filter(None, (f"method={method},seed={seed}", arg))))
    config.compare = ()
    config.train.devices = args.devices
    if first:  # it has looked at images only: one run of it serves every noise
        images = [a for a in arg.split(",") if a and a.partition("=")[0] not in ("noise", "rate")]
        _trained(args, first, seed, ",".join(images))
        config.init = str(_folder(args, first, seed, ",".join(images)))
        config.variant = config[first].variant
    return trainer.train(config, _folder(args, name, seed, arg), say=said)


def _folder(args: argparse.Namespace, name: str, seed: int, arg: str) -> pathlib.Path:
    stem = "-".join(filter(None, [pathlib.Path(args.config).stem, arg, name.replace(":", "-")]))
    return args.runs / args.grid / f"{stem}-s{seed}"


def said(line: str) -> None:
    print(line, flush=True)


def _keep(grid: str, found: dict) -> None:
    noise = found["noise"]
    name = (
        f"{found['dataset']}-if{found['imbalance_factor']:g}-{noise['name']}{noise['rate']:g}"
        f"-{'-'.join(filter(None, (found['method'], found['variant'])))}-s{found['seed']}.json"
    )
    (RESULTS / grid).mkdir(parents=True, exist_ok=True)
    (RESULTS / grid / name).write_text(json.dumps(found, indent=1))
    print(name, json.dumps({k: v for k, v in found["accuracy"].items() if k != "by_class"}))


if __name__ == "__main__":
    main()
