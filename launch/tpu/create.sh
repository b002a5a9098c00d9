#!/usr/bin/env bash
# Asks for a pod: a queued resource, which becomes ACTIVE when there is room for it.
#
#   create.sh --name=NAME --project=PROJECT --zone=ZONE --type=v5litepod-16
#
#   --spot             cheaper, and can be taken away at any time (babysit.sh makes it anew)
#   --version=VERSION  the TPU's software, where it does not follow from the type
#   --dry-run          prints the gcloud lines, runs none

set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/pod.sh"

parse "--type --version --spot" "$@"
check_type
create_pod
[[ -n $DRY_RUN ]] || say "asked for; status.sh tells when it is ACTIVE. It costs from then on until delete.sh"
