#!/bin/sh
# real.sh RELAY SOAK: 200 sessions that come, signal, move, fall silent and go for about LM_SOAK_SECONDS (110), over UDP sockets
# that lose, double and reorder, against a relay of its own on loopback. Every signal between two who are there has to come once
# and in order; memory has to be flat (not looked at with LM_MEMORY_BOUNDS=0, as under a sanitizer); at the end nobody may be
# left, and the relay has to end on SIGTERM. LM_SOAK_SEED repeats what a seed draws, LM_SOAK_CLIENTS is another number of clients.
set -eu
relay=$1
soak=$2
seconds=${LM_SOAK_SECONDS:-110}
clients=${LM_SOAK_CLIENTS:-200}
dir=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

# Who falls silent is given up after 30 s, and keeps its places for as long as this says.
export STATE_DIR="$dir" PUBLIC_IP=127.0.0.1 RESUME_SECONDS=2 LOG_LEVEL=debug
export MAX_SESSIONS=$((clients * 3))
pass=0
fail=0
check() { # check CONDITION-STATUS NAME
    if [ "$1" = 0 ]; then pass=$((pass + 1)); echo "ok $2"; else fail=$((fail + 1)); echo "not ok $2"; fi
}

# Two free ports: the relay says so if they are not.
for try in 1 2 3 4 5; do
    UDP_PORT=$((20000 + ($$ * 13 + try * 139) % 20000))
    HEALTH_LISTEN=127.0.0.1:$((UDP_PORT + 1))
    export UDP_PORT HEALTH_LISTEN
    blob=$("$relay" --print-blob)
    : >"$dir/log"
    "$relay" >"$dir/out" 2>"$dir/log" &
    pid=$!
    for _ in $(seq 200); do
        grep -q 'relay is up' "$dir/log" && break 2
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    wait "$pid" || true
    pid=
done
[ -n "$pid" ] || { cat "$dir/log"; echo "the relay does not start"; exit 1; }

# Warming up takes some 45 s, and a round 20 s more than its churn, which is 90 s or what there is time for; in its
# last 32 s nobody falls silent.
churn=90
rounds=$(((seconds - 45) / (churn + 20)))
if [ "$rounds" -lt 1 ]; then
    rounds=1
    churn=$((seconds > 75 ? seconds - 65 : 10))
fi
[ "${LM_MEMORY_BOUNDS:-1}" = 1 ] && bound= || bound=--no-bound
# shellcheck disable=SC2086
"$soak" "$blob" --pid "$pid" --clients "$clients" --warm-up $((clients + clients / 5)) --rounds "$rounds" --seconds "$churn" \
    ${LM_SOAK_SEED:+--seed "$LM_SOAK_SEED"} $bound && ok=0 || ok=1
if [ "$ok" != 0 ]; then # by the addresses they are told from the soak's own lines
    echo "what the relay has counted, and its last sessions:"
    "$relay" status --json || true
    grep -E 'opened from|closed:' "$dir/log" | tail -n 300
fi
check "$ok" "every signal of $clients members comes once and in order, and memory is flat"

# gauge NAME: of the running relay
gauge() { "$relay" status --json | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
left=unknown
for _ in $(seq 400); do
    left="$(gauge sessions) sessions, $(gauge members) members, $(gauge rooms) rooms"
    [ "$left" = "0 sessions, 0 members, 0 rooms" ] && break
    sleep 0.1
done
if [ "$left" = "0 sessions, 0 members, 0 rooms" ]; then ok=0; else ok=1; echo "left: $left"; fi
check "$ok" "nobody is left in the relay"
grep -E 'Z (error|warn) ' "$dir/log" && ok=1 || ok=0
check "$ok" "the relay has logged no error and no warning"

kill -TERM "$pid"
status=0
wait "$pid" || status=$?
pid=
[ "$status" = 0 ] || tail -n 40 "$dir/log"
check "$status" "the relay ends with status 0 on SIGTERM"
echo "# pass $pass"
echo "# fail $fail"
[ "$fail" = 0 ]
