#!/bin/sh
# hostile.sh RELAY HOSTILE CROWD: what is not ours leaves no trace but a counter. The relay gets everything that
# lumamesh-hostile has, then has to welcome honest clients; it must not have logged a line above debug, nor leak, nor crash.
set -u
relay=$1
hostile=$2
crowd=$3
. "$(dirname "$0")/../support/script.sh"

export STATE_DIR="$dir" PUBLIC_IP=127.0.0.1 LOG_LEVEL=debug
check 'the relay starts' start_relay "$relay"
blob=$("$relay" --print-blob)
lines() { grep -cE 'Z (error|warn|info) ' "$dir/log"; }
before=$(lines)
for seed in 1 2 3; do
    check "it withstands everything with seed $seed" "$hostile" "$blob" $seed
done
check 'it welcomes honest clients after that' "$crowd" "$blob" --clients 10 --rounds 1
check 'it has logged nothing above debug' test "$(lines)" = "$before"
check 'it ends with status 0, and without a leak under a sanitizer' stop_relay
# The relay reports its counters at debug when it ends.
for counter in drop_not_ours drop_stun_malformed drop_stun_integrity drop_stun_attribute drop_srtp drop_no_allocation drop_dtls_no_path \
    drop_dtls_malformed drop_zombie drop_sctp_malformed drop_dcep drop_channel drop_message error_bad_json; do
    check "it has counted $counter" grep -qE " $counter: [1-9]" "$dir/log"
done
finish
