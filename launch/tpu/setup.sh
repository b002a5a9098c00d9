#!/usr/bin/env bash
# Sends the last commit to all workers and installs what it needs, jax[tpu] first.
# Not while a run is on.
#
#   setup.sh --name=NAME --project=PROJECT --zone=ZONE [--dry-run]

set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/pod.sh"

parse "" "$@"
pack
set_up
