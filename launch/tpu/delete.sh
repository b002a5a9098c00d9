#!/usr/bin/env bash
# Deletes the pod, and with it the workers' disks; what lies in gs:// stays.
#
#   delete.sh --name=NAME --project=PROJECT --zone=ZONE [--dry-run]

set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/pod.sh"

parse "" "$@"
delete_pod
[[ -n $DRY_RUN ]] || say "$NAME is deleted"
