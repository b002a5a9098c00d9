"""metrics.jsonl: what is damaged is passed over, and no other line with it."""

import json

from dull_jax.train import writer


def test_damaged_lines_are_passed_over(tmp_path):
    bad = [b"\xff\xfe{", b"[" * 100_000, b"[1]", b"7", b'{"loss": 1}', b'{"epoch": "2"}', b""]
    good = [json.dumps({"epoch": n, "loss": n / 2}).encode() for n in range(1, 9)]
    lines = [line for pair in zip(good, bad, strict=False) for line in pair]
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join([*lines, good[-1], good[0][:9]]))
    assert [row["epoch"] for row in writer.read(tmp_path)] == list(range(1, 9))


def test_a_run_that_goes_on_has_each_line_once(tmp_path):
    for done in (0, 2):
        rows = [{"epoch": n, "loss": n} for n in range(1, done + 1)]
        log = writer.Writer(tmp_path, rows, done)
        for epoch in range(done + 1, 5):
            log.write(epoch, {"loss": epoch, "undefined": float("nan")})
        log.close()
    assert writer.read(tmp_path) == [{"epoch": n, "loss": n} for n in range(1, 5)]
