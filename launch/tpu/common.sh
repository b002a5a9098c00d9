# Sourced by the scripts beside it: their flags, and the one place that calls gcloud.
# shellcheck shell=bash disable=SC2034

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  echo "bash 4.4 or newer is needed, this is $BASH_VERSION (macOS: brew install bash)" >&2
  exit 2
fi

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
NAME="" PROJECT="" ZONE="" TYPE="" VERSION="" WORKDIR="" DATA="" WORKER=0
SPOT="" FOLLOW="" DELETE="" DRY_RUN=""
MAIN=() # what follows --: the arguments of dull_jax.main

say() { echo "${0##*/}: $*" >&2; }

die() {
  say "$@"
  exit 2
}

# The comment at the head of the script.
usage() { sed -n '2,/^[^#]/s/^#$//p; 2,/^[^#]/s/^# //p' "$0"; }

# parse "the flags that this script takes besides the common ones" "$@"
parse() {
  local takes=" --name --project --zone --dry-run $1 "
  shift
  while (($#)); do
    [[ $1 != --help ]] || { usage && exit 0; }
    [[ $takes == *" ${1%%=*} "* ]] || die "unknown argument $1; see --help"
    if [[ $1 == -- ]]; then
      MAIN=("${@:2}")
      break
    fi
    assign "$1"
    shift
  done
  require --name "$NAME" --project "$PROJECT" --zone "$ZONE"
  [[ $NAME =~ ^[a-z]([a-z0-9-]*[a-z0-9])?$ ]] ||
    die "--name=$NAME: small letters, digits and inner hyphens only, a letter first"
}

assign() {
  case "$1" in
    --name=*) NAME="${1#*=}" ;;
    --project=*) PROJECT="${1#*=}" ;;
    --zone=*) ZONE="${1#*=}" ;;
    --type=*) TYPE="${1#*=}" ;;
    --version=*) VERSION="${1#*=}" ;;
    --workdir=*) WORKDIR="${1#*=}" ;;
    --data=*) DATA="${1#*=}" ;;
    --worker=*) WORKER="${1#*=}" ;;
    --spot) SPOT=yes ;;
    --follow) FOLLOW=yes ;;
    --delete) DELETE=yes ;;
    --dry-run) DRY_RUN=yes ;;
    *=*) die "${1%%=*} takes no value" ;;
    *) die "$1 needs a value: $1=VALUE" ;;
  esac
}

# require --flag value --flag value ...
require() {
  while (($#)); do
    [[ -n $2 ]] || die "$1=VALUE is needed; there is no default"
    shift 2
  done
}

# What create.sh and babysit.sh ask for; the software of a TPU follows from its type
# (https://cloud.google.com/tpu/docs/runtimes).
check_type() {
  require --type "$TYPE"
  [[ -z $VERSION ]] || return 0
  case "$TYPE" in
    v6e-*) VERSION=v2-alpha-tpuv6e ;;
    v5litepod-*) VERSION=v2-alpha-tpuv5-lite ;;
    v5p-*) VERSION=v2-alpha-tpuv5 ;;
    v[234]-*) VERSION=tpu-ubuntu2204-base ;;
    *) die "no software is known for --type=$TYPE; name it: --version=VERSION" ;;
  esac
}

# What run.sh and babysit.sh ask for.
check_run() {
  require --workdir "$WORKDIR"
  [[ $WORKDIR =~ ^gs://[^/]+/[^/] ]] ||
    die "--workdir=$WORKDIR: a folder in a bucket is needed (gs://BUCKET/FOLDER); a TPU's disk is lost with it"
  [[ -z $DATA || $DATA == gs://?* ]] ||
    die "--data=$DATA: must be gs://BUCKET/FOLDER; a new TPU's disk is empty"
  ((${#MAIN[@]})) || die "the arguments of dull_jax.main are missing: -- --config=configs/NAME.py"
  local argument
  for argument in "${MAIN[@]}"; do
    [[ ! $argument =~ ^--?workdir(=|$) ]] || die "--workdir belongs before the --"
  done
}

# quote ARGUMENT...: one line that a shell reads back as exactly these arguments.
quote() {
  local argument line=""
  for argument in "$@"; do
    [[ $argument =~ ^[A-Za-z0-9_./:=@,+-]+$ ]] || argument="${argument@Q}"
    line+=" $argument"
  done
  echo "${line# }"
}

# call ARGUMENT...: gcloud in this project and zone; under --dry-run the line is printed instead.
call() {
  local line=(gcloud "$@" "--project=$PROJECT" "--zone=$ZONE" --quiet)
  if [[ -n $DRY_RUN ]]; then quote "${line[@]}"; else "${line[@]}"; fi
}
