#!/bin/sh
# A relay, however it was built and wherever it runs: it starts, serves a crowd, tells its status, and ends.
#
#     smoke.sh [-c] [-e EMULATOR] [-m KB] [-s BYTES] PATH/TO/lumamesh-relay PATH/TO/lumamesh-crowd
#
# -c: the relay runs in a chroot that has nothing else, as nobody (needs root). -e: relay and crowd run in that program, which is
# qemu-aarch64. -m: as much resident memory as the idle relay may have, of an emulated one what the emulator holds for it. -s:
# as many bytes as the stripped relay may have; it is then the one that runs. Prints TAP; exits 1 if a test failed.
set -u

alone= emulator= memory= size=
while getopts ce:m:s: option; do
    case $option in
    c) alone=1 ;;
    e) emulator=$OPTARG ;;
    m) memory=$OPTARG ;;
    s) size=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
relay=$1
crowd=$2
. "$(dirname "$0")/../support/script.sh"

explain() { cat "$dir/log" "$dir/crowd" "$dir/status" 2>/dev/null | cut -c 1-400 | tail -n 20; }

# Where an emulated process has its memory: 4 GB from 1 TB on, so that it can be told from the emulator's.
guest_from=10000000000
guest_bytes=0x100000000

# resident PID: kB, of an emulated process what lies in its 4 GB.
resident() {
    if [ -z "$emulator" ]; then
        sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status"
    else
        awk '/^[0-9a-f]+-[0-9a-f]+ / { guest = length($1) == 23 && $1 ~ /^10[0-9a-f]{9}-/ } /^Rss:/ && guest { kb += $2 }
            END { print kb + 0 }' "/proc/$1/smaps"
    fi
}

# run_relay WORD...: becomes the relay, without the settings of whoever runs this.
run_relay() {
    if [ -n "$alone" ]; then
        set -- chroot --userspec=65534:65534 "$dir/root" /lumamesh-relay "$@"
    elif [ -n "$emulator" ]; then
        set -- "$emulator" -B "0x$guest_from" -R "$guest_bytes" "$relay" "$@"
    else
        set -- "$relay" "$@"
    fi
    exec env -i PATH="$PATH" STATE_DIR="$state" UDP_PORT="$UDP_PORT" HEALTH_LISTEN="$HEALTH_LISTEN" DRAIN_SECONDS=5 "$@"
}
with_port() { HEALTH_LISTEN=127.0.0.1:$((UDP_PORT + 1)); }

within_memory() { test "${idle:-0}" -gt 0 && test "$idle" -le "$memory"; }
status() { (run_relay status "$@") >"$dir/status" 2>&1; }
says() { grep -q -e "$1" "$dir/status"; }
# number KEY STAGE: of what the crowd printed.
number() { sed -n "/\"stage\":\"$2\"/s/.*\"$1\":\([0-9]*\).*/\1/p" "$dir/crowd" | head -n 1; }
in_room() { status --json && says '"members":5[,}]'; }
# all_came STAGE: of 5 clients every 100 ms for 3 s.
all_came() {
    sent=$(number sent "$1")
    test "${sent:-0}" -gt 20 && test "$sent" = "$(number answered "$1")"
}

state=$dir
if [ -n "$size" ]; then
    "${LM_STRIP:-strip}" -o "$dir/relay" "$relay" || exit 1
    relay=$dir/relay
    bytes=$(stat -c %s "$relay")
    echo "# stripped: $bytes bytes"
    check "stripped, it has at most $size bytes" test "$bytes" -le "$size"
fi
if [ -n "$alone" ]; then
    mkdir -p "$dir/root/state"
    cp "$relay" "$dir/root/lumamesh-relay"
    chmod 755 "$dir" "$dir/root"
    chown 65534:65534 "$dir/root/state"
    state=/state
fi

check 'it starts' start_relay run_relay
[ -n "$pid" ] || { finish; exit 1; }
check 'status tells of it' status
idle=$(resident "$pid")
echo "# resident, idle: $idle kB"
[ -z "$memory" ] || check "idle, it has at most $memory kB resident" within_memory
blob=$( (run_relay --print-blob) 2>"$dir/status")
$emulator "$crowd" "$blob" --clients 5 --rounds 1 --join --seconds 3 --ping 100 --signal 100 >"$dir/crowd" 2>&1 &
guests=$!
check 'five clients come and enter a room' within 20 in_room
wait "$guests"
came=$?
check '... and stay to the end' test "$came" = 0
check '... none of their signals was lost' all_came signals
check '... nor of their pings' all_came pings
check 'SIGTERM ends it with status 0' stop_relay
check 'status says that it is gone, and fails' eval '! status && says "no relay can be reached"'
finish
