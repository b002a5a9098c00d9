# Sourced by the scripts beside it: what can be done with a pod, each action in one place.
# A pod is a queued resource and its one node, both called $NAME.
# shellcheck shell=bash

AGENT=dull_jax/launch/tpu/worker.sh # on the workers, from their home
SHIPMENT=""

create_pod() {
  call compute tpus queued-resources create "$NAME" "--node-id=$NAME" \
    "--accelerator-type=$TYPE" "--runtime-version=$VERSION" ${SPOT:+--spot}
}

# --force deletes the node as well, in whatever state it is.
delete_pod() { call compute tpus queued-resources delete "$NAME" --force; }

describe_request() {
  call compute tpus queued-resources describe "$NAME" "--format=value(state.state)"
}

describe_node() { call compute tpus tpu-vm describe "$NAME" "--format=value(state)"; }

# on_workers WHICH COMMAND: gcloud passes a command's exit code on, and 255 when ssh fails; 0 means
# that every worker answered and none failed.
on_workers() { call compute tpus tpu-vm ssh "$NAME" "--worker=$1" "--command=$2"; }

# The last commit as an archive; a pod that is made anew gets the same code.
pack() {
  local commit
  commit="$(git -C "$ROOT" rev-parse --short HEAD)" || die "$ROOT is no git checkout with a commit"
  SHIPMENT="$ROOT/build/launch/dull_jax-$commit.tar.gz"
  [[ -z $(git -C "$ROOT" status --porcelain --untracked-files=no) ]] ||
    say "commit $commit is sent; changes that are not committed stay here"
  [[ -z $DRY_RUN ]] || return 0
  mkdir -p "${SHIPMENT%/*}"
  git -C "$ROOT" archive --format=tar.gz --output="$SHIPMENT" HEAD
}

set_up() {
  local unpack="rm -rf dull_jax && mkdir dull_jax && tar -xzf dull_jax.tar.gz -C dull_jax"
  call compute tpus tpu-vm scp "$SHIPMENT" "$NAME:dull_jax.tar.gz" --worker=all &&
    on_workers all "$unpack && $AGENT install"
}

start_run() {
  local environment=()
  [[ -z $DATA ]] || environment=(env "TFDS_DATA_DIR=$DATA")
  on_workers all "$(quote "${environment[@]}" "$AGENT" start "$WORKDIR" "${MAIN[@]}")"
}

stop_run() { on_workers all "if [ -x $AGENT ]; then $AGENT stop; fi"; }

# A line from each worker, as worker.sh writes it.
run_states() {
  local state
  state="$(quote "$AGENT" state ${WORKDIR:+"$WORKDIR"})"
  on_workers all "if [ -x $AGENT ]; then $state; else echo \"worker \$(hostname): new\"; fi"
}

# Sealed checkpoints, of the run and of those it is compared with.
sealed() {
  local place
  for place in "$WORKDIR/digests/" "$WORKDIR/compare/*/digests/"; do
    gcloud storage ls "$place" "--project=$PROJECT" 2>/dev/null || true
  done
}
