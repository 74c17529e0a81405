#!/bin/sh
# sh test/memory.sh RELAY CROWD [CLIENTS]: opens and closes CLIENTS (300) sessions three times against a relay of its own on
# loopback, after a warm-up in which it touches its static memory and grows its tables. Resident memory has to return to within
# 5 % of what it was, each time; a session may hold 50 kB of private dirty memory. Then the relay has to end on SIGTERM.
set -eu
relay=$1
crowd=$2
clients=${3:-300}
. "$(dirname "$0")/support/script.sh"

export STATE_DIR="$dir" PUBLIC_IP=127.0.0.1 SESSION_RATE=0 MAX_SESSIONS=$((clients * 2)) MAX_ROOM_SIZE=$((clients * 2)) LOG_LEVEL=info
start_relay "$relay" || { explain; echo "the relay does not start"; exit 1; }
blob=$("$relay" --print-blob)

# Without bounds, as under a sanitizer whose own memory would count, there is nothing to measure and to wait for.
bounds=${LM_MEMORY_BOUNDS:-1}
if "$crowd" "$blob" --clients "$clients" --rounds 3 --warm-up $((clients + clients / 5)) --join \
    $([ "$bounds" = 1 ] && echo --pid "$pid") >"$dir/crowd"; then ok=0; else ok=1; fi
cat "$dir/crowd"
check "all $clients sessions open and are welcomed, three times" test "$ok" = 0

# kb STAGE ROUND FIELD
kb() { sed -n "s/.*\"stage\":\"$1\",\"round\":$2,.*\"$3\":\([0-9]*\),.*/\1/p" "$dir/crowd"; }
idle=$(kb closed 0 private_dirty_kb)
warm=$(kb closed 0 rss_kb)
for round in $([ "$bounds" = 1 ] && echo 1 2 3); do
    open=$(kb open $round private_dirty_kb)
    closed=$(kb closed $round rss_kb)
    per=$(((${open:-0} - ${idle:-0}) * 1024 / clients))
    echo "round $round: $per bytes a session; resident $warm kB before, $closed kB after"
    [ -n "$open" ] && [ "$per" -le 51200 ] && ok=0 || ok=1
    check "round $round: a session holds at most 50 kB" test $ok = 0
    [ -n "$closed" ] && [ $((closed * 100)) -le $((warm * 105)) ] && ok=0 || ok=1
    check "round $round: memory returns to within 5 % of what it was" test $ok = 0
done

check "the relay ends with status 0 on SIGTERM" stop_relay
finish
