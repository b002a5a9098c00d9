"""The command as a user meets it: killed, started again, ended, and given what is wrong."""

import re
import signal
import subprocess
import sys

import pytest

from dull_jax.audit import decisions
from dull_jax.errors import UserError
from dull_jax.review.server import listening
from review_client import Client


def start(*arguments):
    command = [sys.executable, "-m", "dull_jax.review", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = process.stdout.readline()
    match = re.fullmatch(r"review: (http://127\.0\.0\.1:\d+/[\w-]{22}/)\n", first)
    return process, match and Client(match[1])


def test_killed_and_started_again(own_audit, tmp_path):
    run = tmp_path / "my run"
    run.mkdir()
    own_audit = own_audit.rename(run / "audit")
    path = own_audit / "decisions.csv"
    process, client = start(f"--run={run}")
    for row in range(5):
        assert client.decide(row, row).status == 200
    process.kill()
    process.communicate()
    assert [row.id for row in decisions.read(path)] == [f"id00{row}" for row in range(5)]

    process, client = start(f"--run={run}")
    assert client.get("api/item?row=4").json["item"]["decision"] == {"kind": "class", "class": 4}
    assert client.post("api/undo", {}).json["row"] == 4
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert f"4 decisions in {path}" in said
    assert f"python -m dull_jax.audit --run='{run}' --decisions='{path}'" in said


def test_a_port_that_is_taken(page):
    port = int(page.address.split(":")[2].split("/")[0])
    with pytest.raises(UserError, match=f"--port={port}: cannot listen there"):
        listening(page.session, "x", port=port)
    with pytest.raises(UserError, match=r"--host=nowhere\.invalid"):
        listening(page.session, "x", host="nowhere.invalid")


def test_before_an_audit(tmp_path):
    for folder in (tmp_path, tmp_path / "nothing"):
        command = [sys.executable, "-m", "dull_jax.review", f"--run={folder}"]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (found.returncode, found.stdout) == (2, "") and found.stderr.count("\n") == 1
        assert "decisions" not in found.stderr and "audit" in found.stderr


def test_what_is_wrong_is_said(own_audit):
    (own_audit / "decisions.csv").write_text("id,decision\nid004,banana\n")
    command = [sys.executable, "-m", "dull_jax.review", f"--audit={own_audit}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (2, "") and found.stderr.count("\n") == 1
    assert "'banana' for 'id004' is no class" in found.stderr
