"""A stand-in for Google's cloud: what gcloud answers, and what it was asked."""

import os
import pathlib
import shlex
import subprocess

from outside import LONG

ROOT = pathlib.Path(__file__).parents[2]
POD = ["--name=pod", "--project=my-project", "--zone=us-west4-a"]
WHERE = " --project=my-project --zone=us-west4-a --quiet"
REQUEST = "gcloud compute tpus queued-resources"
NODE = "gcloud compute tpus tpu-vm"
WORKDIR = "gs://bucket/runs/x"
MAIN = ["--config=configs/digits_t2h.py", """--config.data.name=it's a "b" $HOME *"""]
BABYSIT = [*POD, "--type=v5litepod-16", "--spot", f"--workdir={WORKDIR}", "--", *MAIN]
UP = {"request": ["0 ACTIVE"], "node": ["0 READY"]}
MISSING = r"1 ERROR: (gcloud) NOT_FOUND: no such thing"


class Cloud:
    """What gcloud will answer, and what it was asked."""

    def __init__(self, checkout, folder):
        self.checkout, self.fake, self.bin = checkout, folder / "fake", folder / "bin"
        self.fake.mkdir()
        self.program("gcloud", (ROOT / "tests/launch/fake_gcloud").read_text())
        self.environment = {
            **os.environ,
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "FAKE": str(self.fake),
            "DULL_JAX_POLL_SECONDS": "0",
        }

    def program(self, name, text):
        self.bin.mkdir(exist_ok=True)
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def answers(self, **kinds):
        for kind, lines in kinds.items():
            (self.fake / kind).write_text("\n".join(lines) + "\n")

    def workers(self, *states):
        """An answer of the workers, one state each."""
        return "0 " + r"\n".join(f"worker w-{i}: {state}" for i, state in enumerate(states))

    def __call__(self, script, *arguments):
        command = [str(self.checkout / "launch" / script), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, env=self.environment, timeout=LONG
        )

    def calls(self):
        """The calls of gcloud in order, each as a word: describe, create, node, ssh verbs."""
        lines = (self.fake / "calls").read_text().splitlines()
        return [word(shlex.split(line)) for line in lines]


def word(call):
    command = next((a for a in call if a.startswith("--command=")), "")
    verbs = ("install", "start", "state", "stop", "log")
    told = [verb for verb in verbs if f"worker.sh {verb}" in command]
    kind = {"queued-resources": "", "tpu-vm": "node-"}.get(call[2], "")
    return told[0] if told else kind + call[3] if call[0] == "compute" else "sealed"
