"""FLOPs of each method's compiled step, against the passes that its definition counts.

    python -m benchmarks.cost [--out=benchmarks/results/speed/cost.json] [--network=resnet_small]

A pass is one image through the network: forward, or forward and backward. Their FLOPs are XLA's
count for the same network alone; a step that needs more than 1.1 of what its passes need does
something twice.
"""

import argparse
import json
import pathlib

import jax
import jax.numpy as jnp

from benchmarks import timed
from dull_jax import models
from dull_jax.machine import environment

BATCH = 64
# Of a step of the main phase with a batch of B: images forward, images forward and backward.
COUNTED = {
    "ce": (0, 1),
    "la": (0, 1),
    "ldam_drw": (0, 1),
    "elr": (0, 1),
    "rolt": (0, 1),
    "co_teaching": (1, 1),
    "dull": (0, 1.5),
    "two_stage": (0, 1),
    "self_supervised": (0, 2),
    "dividemix": (3, 2),  # streams of B / 2: 6 and 4 of them
    "sfa": (3, 2),
    "tabasco": (3, 2),
    "dasc": (2, 4),
}


def flops_of(function, *arguments) -> float:
    return float(jax.jit(function).lower(*arguments).compile().cost_analysis()["flops"])


def units(config, head: str) -> tuple[float, float]:
    """FLOPs of an image forward, and forward and backward."""
    network = models.build(config.model, 10, head=head)
    images = jnp.zeros((BATCH, 32, 32, 3))
    variables = network.init(jax.random.key(0), images, train=False)

    def loss(params):
        seen, _ = network.apply(
            variables | {"params": params}, images, train=True, mutable=["batch_stats"]
        )
        return jax.nn.logsumexp(seen["logits"], axis=1).mean() + seen["features"].mean()

    forward = flops_of(loss, variables["params"])
    both = flops_of(jax.grad(loss), variables["params"])
    return forward / BATCH, both / BATCH


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", default="resnet_small")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    rows = []
    for method, (forward, both) in COUNTED.items():
        config = timed.recipe(method, args.network, BATCH)
        bench = timed.Bench(config, size=8 * BATCH)
        of_forward, of_both = units(config, bench.executor.method.head)
        counted = BATCH * (forward * of_forward + both * of_both)
        ratio = bench.flops(bench.phase()) / counted
        rows.append({"method": method, "flops_counted": counted, "ratio": ratio})
        print(f"{method:16} {counted / 1e9:7.2f} GFLOP counted, {ratio:.2f} of it used", flush=True)
    if args.out:
        found = {"environment": environment(), "network": args.network, "methods": rows}
        args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
