#!/usr/bin/env bash
# Brings a run to its end: asks for the pod, sets it up, starts the run, and watches. A pod that is
# taken away is deleted and made anew, and the same command goes on in the same workdir.
#
#   babysit.sh --name=NAME --project=PROJECT --zone=ZONE --type=v5litepod-16 [--spot] [--version=V] \
#     --workdir=gs://BUCKET/FOLDER [--data=gs://BUCKET/FOLDER] \
#     -- --config=configs/NAME.py [--config.field=value ...]
#
#   --delete   deletes the pod when the run has ended, well or not
#   --dry-run  prints the gcloud lines, runs none
#
# Leaves with the run's exit code: 0 done, 2 something that you can mend; or with 1 when it gave up.
# It can be stopped and started at any time: it begins with what it finds.

set -euo pipefail

. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/pod.sh"

POLL="${DULL_JAX_POLL_SECONDS:-60}"
LONGEST=600  # seconds between two attempts, at most
PATIENCE=12  # attempts in a row that reach nothing
REFUSALS=20  # requests in a row that never became a pod
CRASHES=3    # ends of the run with no checkpoint between them

trouble=0 refused=0 crashed=0 marks=none started=""

# Prints absent, waiting, ready, gone or deaf.
pod_state() {
  local state
  state="$(describe_request 2>"$ERRORS")" || { missing absent && return; }
  case "$state" in
    ACTIVE) node_state ;;
    CREATING | ACCEPTED | WAITING_FOR_RESOURCES | PROVISIONING | SUSPENDING | DELETING) echo waiting ;;
    SUSPENDED | FAILED) echo gone ;;
    *) say "unknown state of the request: $state" && echo deaf ;;
  esac
}

node_state() {
  local state
  state="$(describe_node 2>"$ERRORS")" || { missing gone && return; }
  case "$state" in
    READY) echo ready ;;
    CREATING | STARTING | RESTARTING | REIMAGING | REPAIRING | DELETING | UNHIDING) echo waiting ;;
    *) echo gone ;; # PREEMPTED, TERMINATED, STOPPED, STOPPING, HIDING, HIDDEN, UNKNOWN
  esac
}

# missing MEANING: prints MEANING if the thing does not exist, and deaf for any other error.
missing() {
  if grep -q NOT_FOUND "$ERRORS"; then
    echo "$1"
  else
    cat "$ERRORS" >&2
    echo deaf
  fi
}

# Prints new, running, busy, done, mend, stopped, crashed or deaf, from what the workers say.
run_state() {
  local answer states
  answer="$(run_states 2>"$ERRORS")" || { missing deaf && return; }
  states="$(sed -En 's/^worker [^:]*: (new|running|busy|lost|exit [0-9]+)\r?$/\1/p' <<<"$answer" | sort -u)"
  if [[ -z $states ]]; then
    echo deaf
  elif grep -qx busy <<<"$states"; then
    echo busy
  elif grep -qx new <<<"$states"; then
    echo new
  elif [[ $states == "exit 0" ]]; then
    echo "done"
  elif [[ $states == "exit 2" || $states == "exit 2"$'\n'running ]]; then
    echo mend
  elif grep -qx "exit 75" <<<"$states"; then
    echo stopped # the others too, or they waited in vain for a worker that did not start
  elif grep -Eqvx "running|exit 0" <<<"$states"; then
    echo crashed
  else
    echo running
  fi
}

watch() {
  case "$(pod_state)" in
    absent) create ;;
    gone) make_anew ;;
    waiting) trouble=0 ;;
    ready) attend ;;
    deaf) stumble ;;
  esac
}

make_anew() {
  say "$NAME is gone; making it anew"
  if delete_pod; then create; else stumble; fi
}

create() {
  ((++refused <= REFUSALS)) || finish 1 "$REFUSALS requests in a row did not become a pod; see status.sh"
  create_pod || stumble
}

attend() {
  local state
  refused=0
  state="$(run_state)"
  if [[ -z $started && ! $state =~ ^(running|busy|deaf)$ ]]; then
    state=new # what ended before this script began is no concern of it
  fi
  case "$state" in
    new) begin ;;
    running) trouble=0 started=yes ;;
    busy) die "another run is on; end it with stop.sh, or take another pod" ;;
    stopped) say "the run was stopped; continuing it" && restart ;;
    crashed) count_crash && restart ;;
    mend) finish 2 "the run needs your hand (exit code 2); see logs.sh or $WORKDIR/logs" ;;
    done) finish 0 "done: $WORKDIR" ;;
    deaf) stumble ;;
  esac
}

# A start counts as a stumble until the run is seen running.
begin() {
  stumble
  say "setting up and starting"
  if stop_run && set_up && start_run; then started=yes; fi
}

# Two calls: no worker may start before all have stopped.
restart() {
  stumble
  if ! { stop_run && start_run; }; then say "could not be started; trying again"; fi
}

count_crash() {
  local now
  now="$(sealed)"
  if [[ $now == "$marks" ]]; then crashed=$((crashed + 1)); else crashed=1; fi
  marks="$now"
  ((crashed < CRASHES)) ||
    finish 1 "the run crashed $CRASHES times with no checkpoint between; see $WORKDIR/logs"
  say "the run crashed, or its machine did; continuing it from its last checkpoint"
}

stumble() {
  ((++trouble <= PATIENCE)) || finish 1 "nothing was reached in $PATIENCE attempts"
}

pause() {
  local seconds=$((POLL * 2 ** (trouble < 10 ? trouble : 10)))
  sleep $((seconds < LONGEST ? seconds : LONGEST))
}

# finish CODE TEXT
finish() {
  local attempt
  say "$2"
  if [[ -z $DELETE ]]; then
    say "$NAME is still there and costs; delete.sh ends that"
    exit "$1"
  fi
  for attempt in 1 2 3 4 5; do
    if delete_pod; then
      say "$NAME is deleted"
      exit "$1"
    fi
    sleep $((POLL * attempt))
  done
  say "$NAME COULD NOT BE DELETED and costs; try delete.sh"
  exit 1
}

parse "--type --version --spot --workdir --data --delete --" "$@"
check_type
check_run
pack
if [[ -n $DRY_RUN ]]; then
  describe_request
  create_pod
  describe_node
  run_states
  stop_run
  set_up
  start_run
  delete_pod
  exit 0
fi
ERRORS="$(mktemp)"
trap 'rm -f "$ERRORS"' EXIT
trap 'say "no longer watching; $NAME is left as it is and costs until delete.sh"; exit 130' INT TERM
while true; do
  watch
  pause
done
