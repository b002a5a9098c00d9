"""slurm.sh, with stand-ins for the commands of Slurm."""

import pytest


@pytest.mark.parametrize(
    ("code", "job_state", "requeued"),
    [
        (0, "RUNNING", False),
        (1, "RUNNING", False),
        (2, "RUNNING", False),
        (75, "RUNNING", True),
        (75, "COMPLETING", False),  # scancel
    ],
)
def test_slurm_queues_a_stopped_job_again(cloud, code, job_state, requeued):
    cloud.program("srun", f'#!/bin/sh\nprintf "%s|" "$@" >>"$FAKE/srun"\nexit {code}\n')
    cloud.program("squeue", f"#!/bin/sh\necho {job_state}\n")
    cloud.program("scontrol", '#!/bin/sh\necho "$*" >>"$FAKE/scontrol"\n')
    cloud.environment |= {"SLURM_JOB_ID": "12", "SLURM_NTASKS_PER_NODE": "2"}
    cloud.environment |= {"SLURM_GPUS_ON_NODE": "2"}
    done = cloud("slurm.sh", "--workdir=a b")
    assert done.returncode == code, done.stderr
    assert (cloud.fake / "srun").read_text().endswith("|python|-m|dull_jax.main|--workdir=a b|")
    queue = cloud.fake / "scontrol"
    assert (queue.read_text() == "requeue 12\n") if requeued else not queue.exists()


def test_slurm_wants_one_task_a_gpu(cloud):
    cloud.environment |= {"SLURM_JOB_ID": "12", "SLURM_GPUS_ON_NODE": "8"}
    done = cloud("slurm.sh", "--workdir=x")
    assert done.returncode == 2 and "must be equal" in done.stderr
