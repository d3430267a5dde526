#!/bin/sh
# Does run.sh notice? Programs that fail, crash and hang must be reported as what they are, must not
# keep the others from running, and a guest that never ends must be ended.
#
#   selftest.sh RUN_SH CACHE_DIR INIT TROUBLE
set -eu
run=$1
cache=$2
init=$3
trouble=$4
mkdir -p "$cache"
work=$(mktemp -d "$cache/self.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 2' INT TERM

wrong() {
    cat "$work/said"
    echo "kernel61 self-test: $*" >&2
    exit 1
}

try() { # STATUS PROGRAM...
    expected=$1
    shift
    status=0
    "$run" "$cache" "$init" "$@" >"$work/said" 2>&1 || status=$?
    [ "$status" = "$expected" ] || wrong "exit status $status, not $expected, for $*"
}

said() {
    grep -q "$1" "$work/said" || wrong "it did not say: $1"
}

for name in fails crashes hangs good; do
    cp "$trouble" "$work/$name"
done

export GUEST_LIMIT=5
try 1 "$work/fails" "$work/crashes" "$work/hangs" "$work/good"
said '^guest: uname Linux 6[.]1[.]'
said '^FAILED  100-fails: exit status 3$'
said '^FAILED  101-crashes: signal 11$'
said '^FAILED  102-hangs: not done in 5 s$'
said '^passed  103-good '
said '^guest: done 4 3$'

export GUEST_LIMIT=600 GUEST_TOTAL=20
try 1 "$work/good" "$work/hangs" "$work/good"
said '^passed  100-good '
said '^FAILED  101-hangs: the guest did not say how it ended$'
said '^FAILED  the guest was not done after '

try 2 /bin/sh
said 'is not static'
echo "kernel61 self-test: all noticed"
