#!/bin/sh
# A server of this folder, a moment of load from the blocking client, a stop: the bytes must come
# back right, SIGTERM must end the server with status 0 and one line of counters.
#
#   smoke.sh CLIENT SERVER [OPTION...]
set -eu
client=$1
server=$2
shift 2
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || :; rm -rf "$work"' EXIT
trap 'exit 2' INT TERM

wrong() {
    echo "$server: $*" >&2
    cat "$work/out" >&2
    exit 1
}

"$server" "unix:$work/socket" "$@" >"$work/out" 2>&1 &
pid=$!
until grep -q '^listening on ' "$work/out"; do # how long, the test's own limit says
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
done
grep -q '^listening on ' "$work/out" || wrong "does not listen"
"$client" "unix:$work/socket" 16 200 64 30
"$client" "unix:$work/socket" 100 3 3000 30
"$client" "unix:$work/socket" 3 3 1000000 30
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
pid=
[ "$status" = 0 ] || wrong "exit status $status"
tail -n 1 "$work/out"
# 16 * 200 * 64 + 100 * 3 * 3000 + 3 * 3 * 1000000 bytes on 119 connections
tail -n 1 "$work/out" | grep -q '"bytes": 10104800, .*"connections": 119, "errors": 0,' ||
    wrong "other counts than were sent"
