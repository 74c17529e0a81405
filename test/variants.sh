#!/bin/sh
# Builds the daemon without each of its parts, and sees each start, refuse what it is built without, and stop.
#
#     variants.sh [BUILD_DIRECTORY]     (default: build/variants)
#
# One directory serves all: what a part leaves untouched is compiled once. Prints TAP; exits 1 if a test failed.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build/variants}
. test/support/script.sh
run() { "$@" >"$dir/out" 2>&1; }
explain() {
    tail -n 30 "$dir/out"
    [ ! -f "$dir/err" ] || cat "$dir/err"
}

# make PART=ON|OFF…: all others are on.
make() {
    flags="-DLM_WITH_TURN=ON -DLM_WITH_TLS=ON -DLM_WITH_MESH=ON -DLM_WITH_HEALTH=ON -DLM_WITH_DEMO=ON -DBUILD_SHARED_LIBS=OFF"
    for part in "$@"; do
        flags="$flags -D$part"
    done
    # shellcheck disable=SC2086
    cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG=-O0 -DLM_WERROR=ON $flags &&
        cmake --build "$build" -j "$(nproc)" --target lumamesh-relay
}

relay() {
    env -i PATH="$PATH" STATE_DIR="$dir/state" UDP_PORT="$port" TCP_PORT=0 "$@"
}

# works: starts, says so, and ends with status 0.
works() {
    [ -n "$pid" ] && kill -9 "$pid" # of a variant that failed
    port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
    rm -rf "$dir/state" "$dir/err"
    mkdir "$dir/state"
    env -i PATH="$PATH" STATE_DIR="$dir/state" UDP_PORT="$port" TCP_PORT=0 "$build/lumamesh-relay" >"$dir/said" 2>"$dir/err" &
    pid=$!
    i=0
    until grep -qs 'relay is up' "$dir/err"; do
        i=$((i + 1))
        [ $i -lt 600 ] && kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.1
    done
    grep -q '^lm1\.' "$dir/said" || return 1
    kill -TERM "$pid"
    wait "$pid"
    status=$?
    pid=
    return $status
}

# is_without PART NAME VALUE: it cannot be set in a file, in the environment or by a flag, and no text has it.
is_without() {
    without="cannot be set: this relay is built without $1"
    flag=--$(echo "$2" | tr 'A-Z_' 'a-z-')
    echo "$2=$3" >"$dir/relay.conf"
    ! relay "$2=$3" "$build/lumamesh-relay" --check-config >"$dir/said" 2>&1 && grep -qF "$2 $without" "$dir/said" &&
        ! relay "$build/lumamesh-relay" --check-config --config="$dir/relay.conf" >"$dir/said" 2>&1 &&
        grep -qF "$dir/relay.conf:1: $2 $without" "$dir/said" &&
        ! relay "$build/lumamesh-relay" --check-config "$flag=$3" >"$dir/said" 2>&1 &&
        grep -qF -e "$flag $without" "$dir/said" &&
        ! relay "$build/lumamesh-relay" --help | grep -q -e "^  $flag=" &&
        ! relay "$build/lumamesh-relay" --check-config | grep -q "^$2="
}

# has NAME: the setting is there.
has() { relay "$build/lumamesh-relay" --check-config | grep -q "^$1="; }

# refuses WORD PART COMMAND…: the command says that it is not there.
refuses() {
    word=$1 part=$2
    shift 2
    ! relay "$build/lumamesh-relay" "$@" 2>"$dir/said" && grep -qF "$word: this relay is built without $part" "$dir/said"
}

variant() {
    name=$1
    shift
    check "it builds $name" make "$@"
    check '... and runs' works
}

variant 'without TURN' LM_WITH_TURN=OFF
check '... which cannot be asked for' is_without TURN TURN closed
check '... nor its limits' is_without TURN MAX_ALLOCATIONS 5
check '... nor TLS, which is for it' is_without TLS TLS_PORT 5349
check '... nor a credential' refuses turn-credential TURN turn-credential ada
check '... but its secret can, for the other nodes of a mesh' has TURN_SECRET

variant 'without TLS' LM_WITH_TLS=OFF
check '... which cannot be asked for' is_without TLS TLS_CERT /nowhere
check '... but TURN is there' has TURN

variant 'without the mesh' LM_WITH_MESH=OFF
check '... which cannot be asked for' is_without MESH MESH_LISTEN 127.0.0.1:7402
check '... and no file of a secret is read' is_without MESH MESH_SALT_FILE /nowhere

variant 'without the demo page' LM_WITH_DEMO=OFF
check '... which cannot be asked for' is_without DEMO DEMO 1
check '... but health is there' has HEALTH_LISTEN

variant 'without HTTP' LM_WITH_HEALTH=OFF
check '... which cannot be asked for' is_without HEALTH HEALTH_LISTEN 127.0.0.1:7401
check '... nor the demo page' is_without DEMO DEMO 1
check '... nor the status' refuses status HEALTH status

variant 'without any of them' LM_WITH_TURN=OFF LM_WITH_MESH=OFF LM_WITH_HEALTH=OFF
check '... nor a secret of TURN' is_without TURN TURN_SECRET a-secret-of-the-tests

finish
