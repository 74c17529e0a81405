#!/bin/sh
# Installs what the tests need, builds, and runs them.
#
#   sh test/run.sh              everything
#   sh test/run.sh PART...      some parts: unit fuzz soak asan client daemon memory floods e2e turn reach mesh
#                               sim install variants debian13 packages arm64 static container
#   sh test/run.sh fuzz SECONDS fuzzes each target with libFuzzer for so long, instead of replaying its seeds
#   sh test/run.sh soak SECONDS soaks a real relay for about so long, instead of 110 s; so does LM_SOAK_SECONDS=SECONDS
#
# Everything: parts in which no time is measured run beside the others, on what CPU those leave.
#
# LM_OFFLINE=1 leaves out the installing. LM_SOAK_SEED=N repeats what a soak drew from that seed, which it prints.
# LM_SCREENSHOTS=DIR keeps screenshots of the demo page.
set -eu
cd "$(dirname "$0")/.."

parts_timed="unit fuzz soak asan client daemon memory floods e2e turn reach mesh"
parts_beside="sim install variants debian13 packages arm64 static container"
parts_all="$parts_timed $parts_beside"
jobs=$(nproc 2>/dev/null || echo 2)

say() { printf '\n== %s\n' "$*"; }

# --- what has to be there ---

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# need PACKAGE...: installs the Debian packages that are missing.
need() {
    [ "${LM_OFFLINE:-0}" = 1 ] && return 0
    missing=
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    say "installing$missing"
    mkdir -p build
    if [ -z "${apt_updated:-}" ]; then
        as_root flock build/apt.lock apt-get update -q >/dev/null
        apt_updated=1
    fi
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive flock build/apt.lock apt-get install -q -y --no-install-recommends \
        $missing >/dev/null
}

need_build() {
    need build-essential cmake pkg-config libuv1-dev libmbedtls-dev libusrsctp-dev libsodium-dev libcjson-dev \
        uthash-dev libcmocka-dev
}

need_clang() {
    need clang llvm libclang-rt-14-dev
}

# Node.js as the tests need it: 20.15 or newer, which is the one with zlib.crc32. Debian 12 has 18, so there the npm package of
# a newer one is installed into build/node.
node_is_new() { node -e 'process.exit(require("zlib").crc32 ? 0 : 1)' 2>/dev/null; }
need_node() {
    [ -d build/node/bin ] && PATH=$PWD/build/node/bin:$PATH
    if ! node_is_new; then
        need nodejs npm
        if ! node_is_new; then
            case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac
            say "installing Node.js 22 into build/node"
            mkdir -p build/node/bin
            npm install --silent --no-progress --no-save --prefix build/node "node-linux-$arch@22"
            ln -sf "../node_modules/node-linux-$arch/bin/node" build/node/bin/node
            PATH=$PWD/build/node/bin:$PATH
        fi
    fi
    export PATH
    mkdir -p build
    # shellcheck disable=SC2016
    flock build/npm.lock sh -euc '
        cd test
        [ -z "$(find node_modules -maxdepth 0 -newer package-lock.json 2>/dev/null)" ] || exit 0
        echo "installing the npm packages of test/package-lock.json"
        PUPPETEER_SKIP_DOWNLOAD=1 PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --silent --no-progress'
}

# One at a time of each preset: parts that run beside each other may want the same.
build() {
    say "building preset $1"
    mkdir -p build
    # shellcheck disable=SC2016
    flock "build/$1.lock" sh -c '
        cmake --preset "$1" >"build/$1.log" 2>&1 || { cat "build/$1.log"; exit 1; }
        cmake --build --preset "$1" -j "$2" -- --no-print-directory -s' sh "$1" "$jobs"
}

# --- counting: every runner's own closing line, added up ---

passed=0
failed=0
failed_parts=

# tally PART COMMAND...: runs a test command, shows its output, and counts by the runner's summary.
tally() {
    part=$1 # as the loop below has it
    shift
    out=$(mktemp)
    code=$(mktemp)
    { "$@" 2>&1 && echo 0 >"$code" || echo $? >"$code"; } | tee "$out"
    status=$(cat "$code")
    # ctest: "100% tests passed, 0 tests failed out of 12"; node: "# pass 12", "# fail 0"
    f=$(sed -n 's/.* tests passed, \([0-9]*\) tests failed out of [0-9]*$/\1/p; s/^\(#\|ℹ\) fail \([0-9]*\)$/\2/p' "$out" | tail -n 1)
    n=$(sed -n 's/.* tests failed out of \([0-9]*\)$/\1/p' "$out" | tail -n 1)
    p=$(sed -n 's/^\(#\|ℹ\) pass \([0-9]*\)$/\2/p' "$out" | tail -n 1)
    [ -n "$n" ] && p=$((n - ${f:-0}))
    passed=$((passed + ${p:-0}))
    failed=$((failed + ${f:-0}))
    if [ "$status" != 0 ]; then
        failed_parts="$failed_parts $part"
        [ "${f:-0}" = 0 ] && failed=$((failed + 1))
    elif [ "${p:-0}" = 0 ]; then
        echo "$part: no test was run"
        failed=$((failed + 1))
        failed_parts="$failed_parts $part"
    fi
    rm -f "$out" "$code"
}

# --- the parts ---

part_unit() {
    need_build
    build dev
    say "unit"
    tally unit ctest --preset dev -L '^unit$' -j "$jobs"
}

part_fuzz() {
    need_build
    if [ -n "${seconds:-}" ]; then
        need_clang
        need xxd
        build fuzz
        say "fuzzing each target for $seconds s"
        tally fuzz sh test/fuzz/run.sh build/fuzz "$seconds"
        return
    fi
    build dev
    say "fuzz: replaying the seeds"
    tally fuzz ctest --preset dev -L '^fuzz$' -j "$jobs"
}

part_install() {
    need_build
    build dev
    say "install: programs that use the library"
    tally install ctest --preset dev -L '^install$'
}

part_variants() {
    need_build
    say "variants: the daemon without each of its parts"
    tally variants sh test/variants.sh build/variants
}

part_soak() {
    need_build
    build dev
    say "soak: 200 clients against a relay on virtual time"
    tally soak ctest --preset dev -L '^soak$'
    build release
    say "soak: 200 clients against a real relay for some ${seconds:-${LM_SOAK_SECONDS:-110}} s"
    tally soak env LM_SOAK_SECONDS="${seconds:-${LM_SOAK_SECONDS:-110}}" \
        sh test/soak/real.sh build/release/lumamesh-relay build/dev/test/soak/lumamesh-soak
}

part_sim() {
    need_build
    build sim
    say "sim: 200 meshes from seeds, and one of 500 nodes, on virtual time"
    tally sim ctest --preset sim -L '^(sim|sim-large)$' -V # each takes all cores, and says what it measured
}

part_asan() {
    need_build
    need_clang
    need_node
    build asan
    say "unit, fuzz replay, soak, simulator and daemon under ASan, LSan and UBSan"
    tally asan ctest --preset asan -L '^(unit|fuzz|soak|sim|daemon|churn)$' -j "$jobs"
}

part_client() {
    need_node
    say "client library in Node.js"
    tally client node --test --test-reporter=tap test/client/*.test.mjs
}

part_daemon() {
    need_build
    need_node
    build dev
    say "daemon"
    tally daemon ctest --preset dev -L '^daemon$'
}

part_memory() {
    need_build
    build release
    build dev
    say "memory of 300 sessions"
    tally memory sh test/memory.sh build/release/lumamesh-relay build/dev/test/tools/lumamesh-crowd
}

part_floods() {
    need_build
    build release
    build dev
    say "floods, with a crowd beside them"
    tally floods sh test/e2e/floods.sh build/release/lumamesh-relay build/dev/test/tools/lumamesh-flood \
        build/dev/test/tools/lumamesh-crowd build/dev/test/tools/lumamesh-pair
}

part_e2e() {
    need_build
    need_node
    need chromium firefox-esr iproute2
    build release
    say "browsers"
    # shellcheck disable=SC2046
    tally e2e env LM_RELAY="$PWD/build/release/lumamesh-relay" \
        node --test --test-reporter=tap --test-concurrency=1 $(ls test/e2e/*.test.mjs | grep -v -e /turn_ -e /reach -e /mesh)
}

part_turn() {
    need_build
    need_node
    need chromium firefox-esr iproute2 coturn python3-aioice libnss3-tools openssl
    build release
    say "TURN: others' clients and browsers in network namespaces"
    tally turn env LM_RELAY="$PWD/build/release/lumamesh-relay" \
        node --test --test-reporter=tap --test-concurrency=1 test/e2e/turn_*.test.mjs
}

part_mesh() {
    need_build
    need_node
    need chromium firefox-esr iproute2 nftables
    build release
    say "mesh: relays in network namespaces"
    tally mesh env LM_RELAY="$PWD/build/release/lumamesh-relay" \
        node --test --test-reporter=tap --test-concurrency=1 test/e2e/mesh*.test.mjs
}

part_reach() {
    need_build
    need_node
    need chromium firefox-esr iproute2 nftables
    build release
    build dev
    say "who reaches whom: browsers behind NATs of every kind, in network namespaces"
    tally reach env LM_RELAY="$PWD/build/release/lumamesh-relay" LM_WIRE="$PWD/build/dev/test/tools/lumamesh-wire" \
        node --test --test-reporter=tap test/e2e/reach.test.mjs
}

part_debian13() {
    say "building and testing on Debian 13 with mbedTLS 3.6"
    need debootstrap
    tally debian13 sh test/debian13.sh
}

part_packages() {
    say "Debian packages in the Debian 13 tree"
    need debootstrap
    tally packages sh test/packages.sh
}

part_arm64() {
    say "cross-compiling for arm64, and testing under qemu"
    need debootstrap
    tally arm64 sh test/arm64.sh
}

# What builds the static daemon, and who talks to it.
build_static() {
    need_build
    need dpkg-dev
    say "building the static daemon"
    sh packaging/static.sh
    build dev
}

part_static() {
    build_static
    need_node
    need iproute2
    say "the static daemon, in an empty chroot"
    tally static sh test/static.sh build/static/lumamesh-relay build/dev/test/tools/lumamesh-crowd
}

part_container() {
    build_static
    need_node
    need buildah podman crun
    say "the manifests"
    tally container env LM_RELAY="$PWD/build/static/lumamesh-relay" node --test --test-reporter=tap test/packaging/*.test.mjs
    say "the container image"
    tally container sh test/container.sh build/static/lumamesh-relay build/dev/test/tools/lumamesh-crowd
}

parts=
seconds=
for arg in "$@"; do
    case " $parts_all " in *" $arg "*) parts="$parts $arg" && continue ;; esac
    case $arg in
    *[!0-9]* | '') echo "usage: sh test/run.sh [$parts_all] (fuzz and soak may be followed by seconds)" >&2; exit 2 ;;
    *) seconds=$arg ;;
    esac
done

# run_parts PART...
times=
run_parts() {
    for part in "$@"; do
        began=$(date +%s)
        "part_$part"
        times="$times$(printf '\n  %-9s %4d s' "$part" $(($(date +%s) - began)))"
    done
}

# Everything, in two processes: what runs beside has what CPU the other leaves, so that the times measured there are good.
run_all() {
    need_build
    build dev
    build release
    # shellcheck disable=SC2086
    setsid chrt --idle 0 sh test/run.sh $parts_beside >build/beside.log 2>&1 &
    beside=$!
    trap 'kill -- "-$beside" 2>/dev/null' EXIT
    trap 'exit 1' INT TERM HUP
    # shellcheck disable=SC2086
    run_parts $parts_timed
    say "what ran beside: $parts_beside"
    wait "$beside" || failed_parts="$failed_parts beside"
    trap - EXIT
    cat build/beside.log
    p=$(sed -n 's/^\([0-9]*\) passed, [0-9]* failed$/\1/p' build/beside.log)
    f=$(sed -n 's/^[0-9]* passed, \([0-9]*\) failed$/\1/p' build/beside.log)
    passed=$((passed + ${p:-0}))
    failed=$((failed + ${f:-1})) # no last line: it did not come to its end
}

# shellcheck disable=SC2086 # words
if [ -n "$parts" ]; then run_parts $parts; else run_all; fi

printf '\ntimes:%s\n' "$times"
[ -n "$failed_parts" ] && printf '\nfailed:%s\n' "$failed_parts"
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
