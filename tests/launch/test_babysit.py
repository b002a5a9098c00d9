"""babysit.sh in every state of the pod and of the run."""

import pytest
from cloud import BABYSIT, MISSING, UP

LOOK = ["describe", "node-describe", "state"]
BEGIN = ["stop", "node-scp", "install", "start"]


def test_from_nothing_to_done(cloud):
    cloud.answers(
        request=[MISSING, "0 WAITING_FOR_RESOURCES", "0 PROVISIONING", "0 ACTIVE"],
        node=["0 CREATING", "0 READY"],
        state=[
            cloud.workers("new", "new"),
            cloud.workers("running", "running"),
            cloud.workers("exit 0", "running"),
            cloud.workers("exit 0", "exit 0"),
        ],
    )
    done = cloud("tpu/babysit.sh", *BABYSIT)
    assert done.returncode == 0, done.stderr
    waiting = ["describe", "create", "describe", "describe", "describe", "node-describe"]
    assert cloud.calls() == [*waiting, *LOOK, *BEGIN, *LOOK * 3]
    assert "pod is still there and costs" in done.stderr


@pytest.mark.parametrize(
    ("request_states", "node_states"),
    [
        (["ACTIVE", "ACTIVE", "ACTIVE"], ["READY", "PREEMPTED", "READY"]),
        (["ACTIVE", "ACTIVE", "ACTIVE"], ["READY", "TERMINATED", "READY"]),
        (["ACTIVE", "SUSPENDED", "ACTIVE"], ["READY", "READY"]),
        (["ACTIVE", "SUSPENDING", "SUSPENDED", "ACTIVE"], ["READY", "READY"]),
        (["ACTIVE", "FAILED", "ACTIVE"], ["READY", "READY"]),
    ],
)
def test_a_pod_that_is_taken_away_is_made_anew(cloud, request_states, node_states):
    cloud.answers(
        request=[f"0 {state}" for state in request_states],
        node=[f"0 {state}" for state in node_states],
        state=[cloud.workers("running"), cloud.workers("new"), cloud.workers("exit 0")],
    )
    done = cloud("tpu/babysit.sh", *BABYSIT)
    assert done.returncode == 0, done.stderr
    calls = [call for call in cloud.calls() if "describe" not in call]
    assert calls == ["state", "delete", "create", "state", *BEGIN, "state"]
    created = [c for c in (cloud.fake / "calls").read_text().splitlines() if "'create'" in c]
    assert "--spot" in created[0] and "--accelerator-type=v5litepod-16" in created[0]


def test_the_same_command_in_the_same_workdir(cloud):
    cloud.answers(
        request=["0 ACTIVE"],
        node=["0 READY", "0 PREEMPTED", "0 READY"],
        state=[cloud.workers("new"), cloud.workers("new"), cloud.workers("exit 0")],
    )
    assert cloud("tpu/babysit.sh", *BABYSIT).returncode == 0
    lines = (cloud.fake / "calls").read_text().splitlines()
    starts = [line for line in lines if "worker.sh start" in line]
    ships = [line for line in lines if "'scp'" in line]
    assert len(starts) == 2 and len({*starts}) == len({*ships}) == 1


def test_an_error_of_gcloud_is_no_sign_that_the_pod_is_gone(cloud):
    cloud.answers(
        request=["1 ERROR: no network", "0 ACTIVE"],
        node=["1 ERROR: no network", "0 READY"],
        state=["255 ssh: timed out", "0 ", cloud.workers("running"), cloud.workers("exit 0")],
    )
    done = cloud("tpu/babysit.sh", *BABYSIT)
    assert done.returncode == 0 and "no network" in done.stderr and "timed out" in done.stderr
    assert {"delete", "create", "start"}.isdisjoint(cloud.calls())
    assert cloud.calls() == ["describe", "describe", "node-describe", *LOOK * 4]


@pytest.mark.parametrize("failing", ["ssh", "scp", "create", "delete"])
def test_an_action_that_fails_is_done_again(cloud, failing):
    cloud.answers(
        request=[MISSING, MISSING, "0 FAILED", "0 FAILED", "0 ACTIVE"],
        node=["0 READY"],
        state=[cloud.workers("new"), cloud.workers("new"), cloud.workers("exit 0")],
        **{failing: ["255 failed", "0"]},
    )
    done = cloud("tpu/babysit.sh", *BABYSIT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "states", [("exit 75", "exit 75"), ("exit 75", "running"), ("exit 2", "exit 75")]
)
def test_a_stopped_run_is_continued_on_the_same_pod(cloud, states):
    cloud.answers(
        request=["0 ACTIVE"],
        node=["0 READY"],
        state=[cloud.workers("running"), cloud.workers(*states), cloud.workers("exit 0")],
    )
    done = cloud("tpu/babysit.sh", *BABYSIT)
    assert done.returncode == 0, done.stderr
    assert cloud.calls() == [*LOOK, *LOOK, "stop", "start", *LOOK]


def test_what_the_user_must_mend_ends_it(cloud):
    cloud.answers(
        request=["0 ACTIVE"],
        node=["0 READY"],
        state=[cloud.workers("running"), cloud.workers("exit 2", "running")],
    )
    done = cloud("tpu/babysit.sh", "--delete", *BABYSIT)
    assert done.returncode == 2 and "needs your hand" in done.stderr
    assert cloud.calls() == [*LOOK, *LOOK, "delete"] and "pod is deleted" in done.stderr


def test_how_an_earlier_run_ended_is_no_concern(cloud):
    cloud.answers(
        request=["0 ACTIVE"],
        node=["0 READY"],
        state=[cloud.workers("exit 2"), cloud.workers("running"), cloud.workers("exit 0")],
    )
    assert cloud("tpu/babysit.sh", *BABYSIT).returncode == 0
    assert cloud.calls() == [*LOOK, *BEGIN, *LOOK, *LOOK]


def test_another_run_is_left_alone(cloud):
    cloud.answers(request=["0 ACTIVE"], node=["0 READY"], state=[cloud.workers("busy")])
    done = cloud("tpu/babysit.sh", "--delete", *BABYSIT)
    assert done.returncode == 2 and "another run is on" in done.stderr
    assert cloud.calls() == LOOK


def test_crashes_without_a_checkpoint_between_end_it(cloud):
    cloud.answers(
        request=["0 ACTIVE"],
        node=["0 READY"],
        state=[cloud.workers("running"), cloud.workers("exit 1", "running")],
        sealed=["0 1.json", "0 ", "0 1.json", "0 ", "0 2.json"],
    )
    done = cloud("tpu/babysit.sh", *BABYSIT)
    assert done.returncode == 1 and "crashed 3 times" in done.stderr
    assert cloud.calls().count("start") == 4  # two with step 1 on disk, two with step 2


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"request": ["1 ERROR: PERMISSION_DENIED"]}, "nothing was reached in 12 attempts"),
        ({"request": [MISSING, "0 FAILED"]}, "20 requests in a row did not become a pod"),
        ({"request": ["0 A_NEW_STATE"]}, "unknown state of the request: A_NEW_STATE"),
        ({**UP, "state": ["0 worker w: new"]}, "nothing was reached in 12 attempts"),
        ({**UP, "state": ["0 worker w: running", "0 worker w: lost"]}, "crashed 3 times"),
    ],
)
def test_it_does_not_try_for_ever(cloud, answers, message):
    cloud.answers(**answers)
    done = cloud("tpu/babysit.sh", *BABYSIT)
    assert done.returncode == 1 and message in done.stderr


def test_a_pod_that_cannot_be_deleted_is_shouted_about(cloud):
    cloud.answers(
        request=["0 ACTIVE"],
        node=["0 READY"],
        state=[cloud.workers("running"), cloud.workers("exit 0")],
        delete=["1 ERROR: no"],
    )
    done = cloud("tpu/babysit.sh", "--delete", *BABYSIT)
    assert done.returncode == 1 and "COULD NOT BE DELETED" in done.stderr
    assert cloud.calls().count("delete") == 5


def test_the_pause_doubles_up_to_ten_minutes(cloud):
    cloud.program("sleep", '#!/bin/sh\necho "$1" >>"$FAKE/pauses"\n')
    cloud.environment["DULL_JAX_POLL_SECONDS"] = "60"
    cloud.answers(request=["1 ERROR: no network"])
    assert cloud("tpu/babysit.sh", *BABYSIT).returncode == 1
    pauses = (cloud.fake / "pauses").read_text().split()
    assert pauses == ["120", "240", "480", *["600"] * 9]
