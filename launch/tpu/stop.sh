#!/usr/bin/env bash
# Stops the run on all workers after it has saved; run.sh continues it. The pod stays, and costs.
#
#   stop.sh --name=NAME --project=PROJECT --zone=ZONE [--dry-run]

set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/pod.sh"

parse "" "$@"
stop_run
