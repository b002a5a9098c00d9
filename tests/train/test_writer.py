"""metrics.jsonl has a line for each epoch, however often the run was started."""

from dull_jax.run_dir.read import read_metrics
from dull_jax.train import writer


def test_a_run_that_goes_on_has_each_line_once(tmp_path):
    for done in (0, 2):
        rows = [{"epoch": n, "loss": n} for n in range(1, done + 1)]
        log = writer.Writer(tmp_path, rows, done)
        for epoch in range(done + 1, 5):
            log.write(epoch, {"loss": epoch, "undefined": float("nan")})
        log.close()
    assert read_metrics(tmp_path)[0] == [{"epoch": n, "loss": n} for n in range(1, 5)]
