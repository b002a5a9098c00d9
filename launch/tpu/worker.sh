#!/usr/bin/env bash
# On a worker of the pod: installs, starts, stops and reports the one run of this machine.
#
#   worker.sh install                       Python and the packages, jax[tpu] first
#   worker.sh start WORKDIR ARGUMENT...     dull_jax.main in the background; survives the ssh session
#   worker.sh state [WORKDIR]               prints "worker HOST: new | running | lost | exit N",
#                                           or busy, when a run in another workdir is on
#   worker.sh stop                          SIGTERM, and waits until the run has saved
#   worker.sh log [-F]                      the end of the log
#
# Logs lie in ~/dull_jax_run and, copied each minute and at the end, in WORKDIR/logs.

set -euo pipefail

VENV="$HOME/dull_jax_venv"
HERE="$HOME/dull_jax_run"
SAVING_SECONDS="${DULL_JAX_SAVING_SECONDS:-300}"
mkdir -p "$HERE"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

install() {
  export PATH="$HOME/.local/bin:$PATH"
  command -v uv >/dev/null || curl -LsSf https://astral.sh/uv/install.sh | sh
  uv venv --quiet --allow-existing --python 3.12 "$VENV"
  local pip=(uv pip install --quiet --python "$VENV/bin/python")
  "${pip[@]}" --constraint requirements.txt "jax[tpu]"
  "${pip[@]}" --constraint requirements.txt --requirement requirements.txt "etils[epath-gcs]"
  echo "worker $(hostname): installed"
}

# The lock is held by the run and by nothing else, so it goes with the run however that ends.
start() {
  exec 9>"$HERE/lock"
  flock --timeout 2 9 || { echo "worker $(hostname): a run is on; stop it first" >&2 && exit 2; }
  rm -f "$HERE/exit" "$HERE/pid"
  echo "$1" >"$HERE/workdir"
  ln -sfn "$(date -u +%Y%m%dT%H%M%S.%N).log" "$HERE/log"
  nohup setsid launch/tpu/worker.sh guard "$@" </dev/null >>"$HERE/log" 2>&1 &
  echo "worker $(hostname): started"
}

# guard WORKDIR ARGUMENT...: the parent of the run; notes how it ended.
guard() {
  local code=0
  "$VENV/bin/python" -m dull_jax.main "--workdir=$1" "${@:2}" &
  echo $! >"$HERE/pid"
  while sleep 60; do keep_log "$1"; done 9>&- &
  wait "$(<"$HERE/pid")" || code=$?
  kill $! || true
  echo "exit code $code"
  keep_log "$1" # before the end is told: the pod may be deleted at once
  echo "$code" >"$HERE/exit.part" && mv "$HERE/exit.part" "$HERE/exit"
}

keep_log() {
  local log
  log="$(readlink "$HERE/log")"
  timeout 120 gcloud storage cp --quiet "$HERE/$log" "$1/logs/$(hostname)-$log" >/dev/null 2>&1 || true
}

running() { [[ -e $HERE/lock ]] && ! flock --nonblock "$HERE/lock" true; }

state() {
  local what=new
  if [[ -e $HERE/exit ]]; then # written before the lock is let go
    what="exit $(<"$HERE/exit")"
  elif running; then
    what=running
    [[ ${1:-$(<"$HERE/workdir")} == "$(<"$HERE/workdir")" ]] || what=busy
  elif [[ -e $HERE/workdir ]]; then
    what=lost # the machine was started anew, or the guard was killed
  fi
  echo "worker $(hostname): $what"
}

stop() {
  running || return 0
  kill -TERM "$(<"$HERE/pid")" 2>/dev/null || true
  flock --timeout "$SAVING_SECONDS" "$HERE/lock" true ||
    kill -KILL "$(<"$HERE/pid")" 2>/dev/null || true
  flock --timeout 130 "$HERE/lock" true
}

log() { tail -n 100 ${1:+"$1"} "$HERE/log"; }

case "${1:-}" in
  install | start | guard | state | stop | log) "$@" ;;
  *) sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2 && exit 2 ;;
esac
