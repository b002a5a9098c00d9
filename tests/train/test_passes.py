"""What a pass over the train set has seen is asked for once, until a network learns again."""

from dull_jax.data import sources
from dull_jax.train import passes, trainer
from methods.test_every_method import SHORT, quiet, recipe, source_of


def test_without_averaged_weights_a_split_and_its_evaluation_share_a_pass(monkeypatch, tmp_path):
    """Two networks, evaluated after the warm-up and at the end, split in between."""
    source, seen = source_of("images"), []
    run = passes.Passes._run

    def counted(self, program, *rest):
        seen.append(program is self._forward_program)
        return run(self, program, *rest)

    monkeypatch.setattr(sources, "load", lambda *args, **options: source)
    monkeypatch.setattr(passes.Passes, "_run", counted)
    config = recipe("dividemix", **SHORT, **{"optim.ema": 0.0, "train.eval_every": 1})
    trainer.train(config, tmp_path, quiet)
    assert sum(seen) == 4  # 6 with averaged ones
