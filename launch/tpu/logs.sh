#!/usr/bin/env bash
# The end of the log of one worker, or of all; older ones lie in the workdir's folder logs/.
#
#   logs.sh --name=NAME --project=PROJECT --zone=ZONE [--worker=0|1|...|all] [--follow] [--dry-run]

set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/pod.sh"

parse "--worker --follow" "$@"
on_workers "$WORKER" "$AGENT log${FOLLOW:+ -F}"
