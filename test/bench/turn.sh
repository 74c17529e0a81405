#!/bin/sh
# sh test/bench/turn.sh [RELAY LOAD]: what it costs to pass a packet on, of the relay and of coturn (Debian's package), one after the
# other in pairs, each on core 1, and the load on core 0. 50 allocations, ChannelData of 172 and 1,200 bytes, on loopback. Prints
# medians and ranges of both, and of the pairs' ratios. RELAY: lumamesh-relay, or lumamesh-turn-server for its TURN server alone;
# LOAD: lumamesh-turn-load; without them the release build of the relay and the load are built first.
#
# Two cases: "peer", clients and plain UDP sockets (TURN=open), and "pair", clients with allocations at both ends (TURN=closed).
# Three loads:
#   w16     saturated: 16 packets of each client are always under way, 800 in all. Whoever gets one sends it back at once, so as many
#           packets a second pass as the server and the load can take, and none is lost to a full buffer. coturn comes to its highest
#           rate with these; with twice as many it has lost packets of 1,200 bytes.
#   w4      the same with 4 packets of each client
#   r20000  20,000 packets a second, evenly, one of each sender in turn: no two of a flow can be merged
# A server that gets no CPU for more than half a second loses packets of r20000 in its socket's buffer: the machine must not be as
# busy as that.
#
# The CPU is what all threads of the server's process took, by /proc/PID/task/*/schedstat, for each packet that it passed on.
#
# coturn has one relay thread, as fast here as none beside its main one, no TLS and no TCP, and logs to a file; the relay is as it
# is by default, but for its addresses and for the limit of allocations of one user.
#
# Settings: PAIRS (5), SECONDS_EACH (2), LOADS ("w16 w4 r20000"), CASES ("peer pair"), SIZES ("172 1200"), LOAD_OPTIONS (--gso: the
# clients hand their packets to the kernel as one message). TURN_MEMORY: 1 prints resident memory too.
set -eu
pairs=${PAIRS:-5}
seconds=${SECONDS_EACH:-2}
secret=0123456789abcdef-bench
command -v turnserver >/dev/null || { echo "coturn is not installed (Debian: apt install coturn)" >&2; exit 1; }
[ "$(nproc)" -ge 2 ] || { echo "two cores are needed" >&2; exit 1; }

build() { # build PRESET TARGET
    cmake --preset "$1" >/dev/null
    cmake --build --preset "$1" -j2 --target "$2" >/dev/null
}
if [ $# -eq 0 ]; then
    cd "$(dirname "$0")/../.."
    build release lumamesh-relay
    build dev lumamesh-turn-load
    set -- build/release/lumamesh-relay build/dev/test/bench/lumamesh-turn-load
fi
[ $# -eq 2 ] || { echo "usage: sh test/bench/turn.sh [RELAY LOAD]" >&2; exit 2; }
relay=$1
load=$2

dir=$(mktemp -d)
pid=
stop() {
    [ -z "$pid" ] || { kill "$pid" 2>/dev/null; wait "$pid" 2>/dev/null || :; }
    pid=
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
ulimit -n 4096 2>/dev/null || :

start() { # start coturn|relay CASE: sets pid and port
    port=$((20000 + ($$ + runs) % 5000))
    runs=$((runs + 1))
    if [ "$1" = coturn ]; then
        taskset -c 1 turnserver -n --listening-ip=127.0.0.1 --relay-ip=127.0.0.1 --listening-port=$port --relay-threads=1 \
            --use-auth-secret --static-auth-secret=$secret --realm=bench --allow-loopback-peers --no-tls --no-dtls --no-tcp \
            --no-tcp-relay --no-cli --min-port=25000 --max-port=32000 --pidfile="$dir/pid" --db="$dir/db" --log-file="$dir/log" \
            --simple-log --no-stdout-log >"$dir/out" 2>&1 &
    else
        mode=closed
        [ "$2" = pair ] || mode=open
        env STATE_DIR="$dir" PUBLIC_IP=127.0.0.1 UDP_PORT=$port TURN=$mode TURN_PORTS=25000-32000 TURN_SECRET=$secret \
            TURN_REALM=bench TURN_ALLOW_PEERS=127.0.0.0/8 MAX_ALLOCATIONS_PER_USER=0 \
            LOG_LEVEL=warn taskset -c 1 "$relay" >"$dir/out" 2>&1 &
    fi
    pid=$!
    for _ in $(seq 100); do # until it has the port: the local address of a line of /proc/net/udp
        grep -qi ":$(printf %04X $port) " /proc/net/udp && return
        kill -0 $pid 2>/dev/null || break
        sleep 0.05
    done
    echo "$1 does not start:" >&2
    cat "$dir/out" >&2
    exit 1
}

measure() { # measure coturn|relay CASE SIZE LOAD: a line of results
    start "$1" "$2"
    sleep 0.3
    case $4 in
    w*) flow="--window ${4#w}" ;;
    r*) flow="--rate ${4#r}" ;;
    *) echo "no such load: $4" >&2; exit 2 ;;
    esac
    # shellcheck disable=SC2086
    taskset -c 0 "$load" --server 127.0.0.1:$port --secret $secret --pid "$pid" --case "$2" --size "$3" $flow \
        --seconds "$seconds" ${LOAD_OPTIONS:-} >"$dir/line" || { cat "$dir/line" "$dir/out" >&2; exit 1; }
    [ "${TURN_MEMORY:-0}" = 0 ] || echo "  $1: $(grep VmRSS "/proc/$pid/status")"
    stop
    echo "$2 $3 $4 $1 $(sed 's/[a-z0-9_]*=//g' "$dir/line")" >>"$dir/results"
}

runs=0
echo "coturn $(turnserver --version 2>&1 | tail -1), $(uname -sr), $(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg)"
for case in ${CASES:-peer pair}; do
    for size in ${SIZES:-172 1200}; do
        for how in ${LOADS:-w16 w4 r20000}; do
            for _ in $(seq "$pairs"); do
                measure coturn "$case" "$size" "$how"
                measure relay "$case" "$size" "$how"
            done
        done
    done
done

# Columns: 1 case, 2 size, 3 load, 4 who, 5 packets, 6 pps, 7 lost, 8 corrupt, 9 reordered, 10 p50, 11 p99, 12 CPU.
awk '
function sorted(list, n,    i, j, t) {
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && list[j - 1] > list[j]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
}
function summary(key, who, column, format,    i, list, n) {
    n = count[key, who]
    for (i = 1; i <= n; i++) list[i] = value[key, who, i, column] + 0
    sorted(list, n)
    return sprintf(format " (" format " to " format ")", list[int((n + 1) / 2)], list[1], list[n])
}
function ratio(key, column,    i, list, n, base) {
    n = count[key, "relay"]
    for (i = 1; i <= n; i++) {
        base = value[key, "coturn", i, column]
        list[i] = base > 0 ? value[key, "relay", i, column] / base : 0
    }
    sorted(list, n)
    return sprintf("%.2f (%.2f to %.2f)", list[int((n + 1) / 2)], list[1], list[n])
}
{
    key = $1 " " $2 " " $3
    if (!(key in seen)) { seen[key] = 1; order[++keys] = key }
    n = ++count[key, $4]
    for (i = 5; i <= 12; i++) value[key, $4, n, i] = $i
    lost[key, $4] += $7; corrupt[key, $4] += $8; reordered[key, $4] += $9
}
END {
    for (k = 1; k <= keys; k++) {
        key = order[k]
        print key ":"
        for (w = 1; w <= 2; w++) {
            who = w == 1 ? "coturn" : "relay"
            printf "  %-7s CPU us a packet %s, packets/s %s, p50 us %s, p99 us %s, lost %d, corrupt %d, reordered %d\n", who,
                summary(key, who, 12, "%.2f"), summary(key, who, 6, "%.0f"), summary(key, who, 10, "%.0f"),
                summary(key, who, 11, "%.0f"), lost[key, who], corrupt[key, who], reordered[key, who]
        }
        printf "  ratio   CPU %s, packets/s %s, p99 %s\n", ratio(key, 12), ratio(key, 6), ratio(key, 11)
    }
}' "$dir/results"
echo "load $(cut -d' ' -f1-3 /proc/loadavg)"
