#!/bin/sh
# sh test/memory.sh RELAY CROWD [CLIENTS]: opens and closes CLIENTS (300) sessions three times against a relay of its own on
# loopback. Private dirty memory (what the relay holds for itself) has to return to within 5 % of where it was before the
# first session, each time, and a session may hold 50 kB. Then the relay has to end cleanly on SIGTERM.
set -eu
relay=$1
crowd=$2
clients=${3:-300}
dir=$(mktemp -d)
pid=
trap '[ -n "$pid" ] && kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM

export STATE_DIR="$dir" PUBLIC_IP=127.0.0.1 SESSION_RATE=0 MAX_SESSIONS=$((clients * 2)) LOG_LEVEL=info
pass=0
fail=0
check() { # check CONDITION-STATUS NAME
    if [ "$1" = 0 ]; then pass=$((pass + 1)); echo "ok $2"; else fail=$((fail + 1)); echo "not ok $2"; fi
}

# A free port: the relay says so if it is not.
for try in 1 2 3 4 5; do
    UDP_PORT=$((20000 + ($$ * 7 + try * 131) % 20000))
    export UDP_PORT
    blob=$("$relay" --print-blob)
    "$relay" >"$dir/out" 2>"$dir/log" &
    pid=$!
    for _ in $(seq 100); do
        grep -q 'relay is up' "$dir/log" && break
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    kill -0 "$pid" 2>/dev/null && break
    pid=
done
[ -n "$pid" ] || { cat "$dir/log"; echo "the relay does not start"; exit 1; }

if "$crowd" "$blob" --clients "$clients" --rounds 3 --warm-up $((clients + clients / 5)) --pid "$pid" >"$dir/crowd"; then ok=0; else ok=1; fi
cat "$dir/crowd"
check "$ok" "all $clients sessions open and are welcomed, three times"

# kB at a stage of a round
kb() { sed -n "s/.*\"stage\":\"$1\",\"round\":$2,.*\"private_dirty_kb\":\([0-9]*\),.*/\1/p" "$dir/crowd"; }
idle=$(kb idle 0)
for round in 1 2 3; do
    open=$(kb open $round)
    closed=$(kb closed $round)
    per=$(((${open:-0} - ${idle:-0}) * 1024 / clients))
    echo "round $round: idle $idle kB, open $open kB ($per bytes a session), closed $closed kB"
    [ -n "$open" ] && [ "$per" -le 51200 ] && ok=0 || ok=1
    check $ok "round $round: a session holds at most 50 kB"
    if [ "${LM_MEMORY_RETURNS:-1}" = 1 ]; then
        [ -n "$closed" ] && [ $((closed * 100)) -le $((idle * 105)) ] && ok=0 || ok=1
        check $ok "round $round: memory returns to within 5 % of the idle relay's"
    fi
done

kill -TERM "$pid"
status=0
wait "$pid" || status=$?
pid=
[ "$status" = 0 ] || cat "$dir/log"
check "$status" "the relay ends with status 0 on SIGTERM"
echo "# pass $pass"
echo "# fail $fail"
[ "$fail" = 0 ]
