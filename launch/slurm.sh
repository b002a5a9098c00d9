#!/usr/bin/env bash
# A run on a GPU cluster under Slurm, one task a GPU; jax.distributed finds the other tasks by itself.
#
#   sbatch --nodes=2 --ntasks-per-node=8 --gpus-per-node=8 launch/slurm.sh \
#     --config=configs/NAME.py --workdir=/shared/runs/NAME
#
# From the folder of the checkout, with the Python environment active; the workdir on a file system
# that all nodes see. Partition, account and time are options of sbatch like any other. Two minutes
# before the time is up the tasks get SIGTERM, save and leave with 75: the job is queued again and
# goes on where it was. The log is one file for all of these starts.
# DULL_JAX_MAIN is what runs instead of "python -m dull_jax.main".
#
#SBATCH --job-name=dull_jax
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%j.log

set -euo pipefail

read -ra MAIN <<<"${DULL_JAX_MAIN:-python -m dull_jax.main}"

die() {
  echo "slurm.sh: $*" >&2
  exit 2
}

[[ -n ${SLURM_JOB_ID:-} ]] || die "start it with sbatch; see the head of the file"
(($#)) || die "the arguments of dull_jax.main are missing: --config=... --workdir=..."
[[ ${SLURM_NTASKS_PER_NODE:-1} == "${SLURM_GPUS_ON_NODE:-1}" ]] ||
  die "--ntasks-per-node=${SLURM_NTASKS_PER_NODE:-1} and --gpus-per-node=${SLURM_GPUS_ON_NODE:-1} must be equal"

# JAX gives task i of a node the node's GPU i, so each task must see all of them. A task that fails
# does not kill the others: they may be saving.
code=0
srun --gpu-bind=none --kill-on-bad-exit=0 --label "${MAIN[@]}" "$@" || code=$?

# A job that somebody cancelled also ends with 75, and is not to come back.
if ((code == 75)) && [[ $(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%T) == RUNNING ]]; then
  echo "slurm.sh: stopped after saving; queued again"
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
