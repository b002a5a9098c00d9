"""Measures the FLOPs of each method's compiled step, against the passes that its definition counts.

    python -m benchmarks.speed.cost [--network=resnet_small] [--only=METHOD] [--out=FILE]

Takes about three minutes on two cores, all of it compilation.
Writes benchmarks/results/speed/cost.json, whose ratios docs/speed.md gives.

A pass is one image through the network: forward, or forward and backward. Their FLOPs are XLA's
count for the same network alone; a step that needs more than 1.1 of what its passes need does
something twice.
"""

from benchmarks import result_file
from benchmarks.speed import flops, synthetic
from dull_jax import methods, models

BATCH = 64


def measure(method: str, network: str) -> dict[str, object]:
    """FLOPs that the passes of a step should need, and the share of them that it does need."""
    config = synthetic.recipe(method, network, BATCH)
    trainer = synthetic.SyntheticTrainer(config, size=8 * BATCH)
    alone = models.build(config.model, 10, head=trainer.learner.method.head_of(config))
    of_forward, of_both = flops.of_image(alone, 32, BATCH)
    forward, both = methods.module(method).COST
    counted = BATCH * (forward * of_forward + both * of_both)
    ratio = trainer.flops(trainer.phase()) / counted
    return {"method": method, "flops_counted": counted, "ratio": ratio}


def main() -> None:
    parser = result_file.parser(__doc__)
    parser.add_argument("--network", default="resnet_small")
    parser.add_argument("--only", choices=methods.names(), help="one method")
    args = parser.parse_args()
    rows = []
    for method in [args.only] if args.only else methods.names():
        row = measure(method, args.network)
        rows.append(row)
        gigaflops = row["flops_counted"] / 1e9
        print(
            f"{method:16} {gigaflops:7.2f} GFLOP counted, {row['ratio']:.2f} of it used", flush=True
        )
    result_file.save(args.out, {"network": args.network, "methods": rows})


if __name__ == "__main__":
    main()
