#!/usr/bin/env bash
# What the request, the node and the run on each worker are doing.
#
#   status.sh --name=NAME --project=PROJECT --zone=ZONE [--dry-run]

set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/pod.sh"

parse "" "$@"
describe_request
describe_node
run_states
