#!/bin/sh
# hostile.sh RELAY HOSTILE CROWD: what is not ours leaves no trace but a counter. The relay gets everything that
# lumamesh-hostile has, then has to welcome honest clients; it must not have logged a line above debug, nor leak, nor crash.
set -u
relay=$1
hostile=$2
crowd=$3
tests=0
failed=0
pid=
dir=$(mktemp -d "${TMPDIR:-/tmp}/lumamesh-hostile-XXXXXX")
trap '[ -n "$pid" ] && kill -9 "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM HUP

check() { # check DESCRIPTION COMMAND...
    tests=$((tests + 1))
    description=$1
    shift
    if "$@"; then echo "ok $tests - $description"; else
        failed=$((failed + 1))
        echo "not ok $tests - $description"
        tail -n 20 "$dir/log" | sed 's/^/# /'
    fi
}

export STATE_DIR="$dir" PUBLIC_IP=127.0.0.1 LOG_LEVEL=debug
for try in 1 2 3 4 5; do
    UDP_PORT=$((20000 + ($$ * 11 + try * 137) % 20000))
    export UDP_PORT
    blob=$("$relay" --print-blob)
    "$relay" >"$dir/out" 2>"$dir/log" &
    pid=$!
    for _ in $(seq 200); do
        grep -q 'relay is up' "$dir/log" && break 2
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    pid=
done
check 'the relay starts' test -n "$pid"
lines() { grep -cE 'Z (error|warn|info) ' "$dir/log"; }
before=$(lines)
for seed in 1 2 3; do
    check "it withstands everything with seed $seed" "$hostile" "$blob" $seed
done
check 'it welcomes honest clients after that' "$crowd" "$blob" --clients 10 --rounds 1
check 'it has logged nothing above debug' test "$(lines)" = "$before"
kill -TERM "$pid"
ended_well() {
    wait "$pid"
}
check 'it ends with status 0, and without a leak under a sanitizer' ended_well
pid=
# The relay reports its counters at debug when it ends.
for counter in drop_not_ours drop_stun_malformed drop_stun_integrity drop_stun_attribute drop_srtp drop_no_allocation drop_dtls_no_path \
    drop_dtls_malformed drop_zombie drop_sctp_malformed drop_dcep drop_channel drop_message error_bad_json; do
    check "it has counted $counter" grep -qE " $counter: [1-9]" "$dir/log"
done
echo "1..$tests"
[ "$failed" = 0 ]
