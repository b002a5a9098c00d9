#!/usr/bin/env bash
# One run on N processes of this machine: what happens on N hosts, tried without them.
#
#   launch/local_multiprocess.sh N -- --config=configs/NAME.py --workdir=DIR ...
#
# Each line is printed after [i], the process it is from. The first process that fails gives the
# exit code, and the others are stopped: with SIGTERM, and a minute later with SIGKILL. SIGTERM and
# SIGINT are passed on to all, SIGHUP (a closed terminal) as SIGTERM, and their end is awaited.
# DULL_JAX_MAIN is what runs instead of "python -m dull_jax.main".

set -euo pipefail
set -m # each process in its own group: Ctrl-C reaches this script only, which passes it on once

GRACE_SECONDS="${DULL_JAX_GRACE_SECONDS:-60}"
read -ra MAIN <<<"${DULL_JAX_MAIN:-python -m dull_jax.main}"

if [[ ! ${1:-} =~ ^[1-9][0-9]*$ || ${2:-} != -- ]]; then
  sed -n '2,/^$/s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
count="$1"
shift 2

pids=() printers=() # pids[i] is empty when process i has ended
code=0 deadline="" told=""

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# start I ARGUMENT...: its output goes through a pipe of its own, so that lines stay whole.
start() {
  mkfifo "$pipes/$1"
  sed -u "s/^/[$1] /" <"$pipes/$1" &
  printers+=($!)
  "${MAIN[@]}" "--distributed=127.0.0.1:$port,$count,$1" "${@:2}" </dev/null >"$pipes/$1" 2>&1 &
  pids+=($!)
}

# signal NAME: to all that are still there.
signal() {
  local pid
  for pid in "${pids[@]}"; do
    [[ -z $pid ]] || kill "-$1" -- "-$pid" 2>/dev/null || true
  done
}

alive() {
  local all="${pids[*]}"
  [[ -n ${all// /} ]]
}

# Notes who has ended; the first failure stops the others.
collect() {
  local i ended
  for i in "${!pids[@]}"; do
    if [[ -n ${pids[i]} ]] && ! kill -0 "${pids[i]}" 2>/dev/null; then
      ended=0
      wait "${pids[i]}" || ended=$?
      pids[i]=""
      ((ended == 0 || code != 0)) || fail "$i" "$ended"
    fi
  done
}

fail() {
  code="$2"
  echo "local_multiprocess.sh: process $1 ended with exit code $2" >&2
  signal TERM
  [[ -n $told ]] || deadline=$((SECONDS + GRACE_SECONDS))
}

pipes="$(mktemp -d)"
mkfifo "$pipes/nothing"
exec 3<>"$pipes/nothing"
trap 'signal KILL; rm -rf "$pipes"' EXIT
trap 'told=yes; signal TERM' TERM HUP # saving may take its time
trap 'told=yes; signal INT' INT
port="$(free_port)"
for ((i = 0; i < count; i++)); do start "$i" "$@"; done
while alive; do
  read -rt 0.2 -u 3 || true # a pause that a signal ends
  collect
  [[ -z $deadline ]] || ((SECONDS < deadline)) || signal KILL
done
wait "${printers[@]}" || true
exit "$code"
