#!/usr/bin/env bash
# Starts dull_jax.main on all workers, in the background; in a workdir that holds a run, continues it.
#
#   run.sh --name=NAME --project=PROJECT --zone=ZONE --workdir=gs://BUCKET/FOLDER \
#     -- --config=configs/NAME.py [--config.field=value ...]
#
#   --data=gs://BUCKET/FOLDER  where prepared data lie (TFDS_DATA_DIR)
#   --dry-run                  prints the gcloud lines, runs none

set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/pod.sh"

parse "--workdir --data --" "$@"
check_run
start_run
