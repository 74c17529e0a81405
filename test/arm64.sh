#!/bin/sh
# Cross-compiles for arm64 in a Debian 13 tree, with warnings as errors, and runs under qemu-aarch64: the unit tests, and a relay
# that serves a crowd, with shared libraries and as one static program. Prints TAP; exits 1 if a test failed.
#
# Needs root and debootstrap. A tree of its own, as an arm64 -dev package may take the place of one of the machine's. It is kept
# in LM_ARM64_TREE (default: build/debian-arm64), with what was built there, for the next run, and is made anew when it is
# incomplete.
set -eu
cd "$(dirname "$0")/.."
root=${LM_ARM64_TREE:-$PWD/build/debian-arm64}
debian13=${LM_DEBIAN13:-$PWD/build/debian13} # begins with the same packages
tree=$root/tree
jobs=$(nproc)
native=build-essential,cmake,pkg-config,libuv1-dev,libmbedtls-dev,libusrsctp-dev,libsodium-dev,libcjson-dev,uthash-dev,libcmocka-dev
foreign='libuv1-dev:arm64 libmbedtls-dev:arm64 libusrsctp-dev:arm64 libsodium-dev:arm64 libcjson-dev:arm64 libcmocka-dev:arm64'
# What takes an emulator too long: much cryptography, and bounds on time, with no word of the processor in it.
left_out='relay|relay_churn|mesh_churn|room_keys|stack|stack_memory|stream_uv|ice_tcp_uv'
most_bytes=500000 # stripped, with shared libraries
most_memory=6144  # kB, idle

if [ "$(id -u)" != 0 ]; then
    echo "arm64: debootstrap needs root" >&2
    exit 1
fi

# inside COMMANDS: by a shell in the tree, with a /proc of its own, which goes with the mount namespace.
inside() {
    PATH=$PATH:/usr/sbin:/sbin unshare -m sh -euc 'mount -t proc proc "$1/proc" && exec chroot "$1" sh -euc "$2"' sh "$tree" "$1"
}

make_tree() {
    rm -rf "$root"
    mkdir -p "$root"
    if [ -e "$debian13/complete" ]; then
        mkdir "$tree" # without what is being built there
        tar -C "$debian13/tree" --exclude=./build --exclude=./src --exclude=./tmp/* -cf - . | tar -C "$tree" -xpf -
    else
        # The mirror that this machine installs its own packages from.
        mirror=$(apt-cache policy libuv1-dev | sed -n 's/.* \(https\{0,1\}:[^ ]*\).*/\1/p' | head -n 1)
        debootstrap --variant=minbase --include="$native" trixie "$tree" "$mirror"
    fi
    cp /etc/resolv.conf "$tree/etc/resolv.conf"
    echo '127.0.0.1 localhost' >"$tree/etc/hosts" # debootstrap makes none
    inside "
        export DEBIAN_FRONTEND=noninteractive
        dpkg --add-architecture arm64
        apt-get -q update
        apt-get -q install -y --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user $foreign"
}

if [ ! -e "$root/complete" ]; then
    make_tree >"$root.log" 2>&1 || { tail -n 20 "$root.log"; exit 1; }
    mv "$root.log" "$root/log"
    touch "$root/complete"
fi
# All but what was built there. Files keep their times, so only what has changed is built again.
mkdir -p "$tree/src"
find "$tree/src" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - --ignore-failed-read | tar -xf - -C "$tree/src"

. test/support/script.sh
set +e
explain() { tail -n 20 "$dir/log"; }

builds() { inside "cd /src && { $1; } && cmake --build --preset $2 -j $jobs -- --no-print-directory -s" >"$dir/log" 2>&1; }
# smoke SUBJECT OPTION...: its tests are tests of this one.
smoke() {
    subject=$1
    shift
    inside "LM_STRIP=aarch64-linux-gnu-strip sh /src/test/e2e/smoke.sh -e qemu-aarch64 $*" >"$dir/smoke" 2>&1
    result=$?
    count "$dir/smoke"
    check 'all of it was tested' test $result = 0 -a "$counted" -gt 8
    subject=
}
# count FILE: TAP of another, with numbers of this one.
count() {
    counted=0
    while read -r line; do
        case $line in
        'ok '*) counted=$((counted + 1)) && check "${line#ok * - }" true ;;
        'not ok '*) counted=$((counted + 1)) && check "${line#not ok * - }" false ;;
        1..* | '# pass '* | '# fail '*) ;;
        *) printf '%s\n' "# ${subject:+$subject: }${line#\# }" ;;
        esac
    done <"$1"
}

check 'it is cross-compiled, without a warning' builds 'cmake --preset arm64 -DLM_BUILD_TESTS=ON -DLM_WERROR=ON' arm64
check 'so is the static one' builds 'sh packaging/static.sh arm64' arm64-static
# "12/84 Test #17: unit.identity ....   Passed    1.35 sec" as TAP.
line='^ *[0-9]*\/[0-9]* Test *#[0-9]*: \([a-z0-9_.]*\) [ .]*'
units() { inside "cd /src && ctest --preset arm64 $*" >"$dir/log" 2>&1; }
units -L '^unit\$' -E "'^unit\\.($left_out)\$'" -j "$jobs"
ran=$?
sed -n "s/${line}Passed.*/ok 0 - \\1/p" "$dir/log" >"$dir/tap"
if [ "$ran" != 0 ]; then # those that wait for real sockets, on a busy machine; so once more, each by itself
    echo "# again, by itself: $(sed -n "s/${line}\*\*\*.*/\\1/p" "$dir/log" | tr '\n' ' ')"
    units --rerun-failed
    ran=$?
    sed -n -e "s/${line}Passed.*/ok 0 - \\1/p" -e "s/${line}\*\*\*.*/not ok 0 - \\1/p" "$dir/log" >>"$dir/tap"
    grep -e ERROR -e LINE "$dir/log" | sed 's/^/# /'
fi
count "$dir/tap"
check 'the unit tests pass, all of them' test "$ran" = 0 -a "$counted" -gt 70
smoke 'shared' -s $most_bytes -m $most_memory /src/build/arm64/lumamesh-relay /src/build/arm64/test/tools/lumamesh-crowd
smoke 'static' -m $most_memory /src/build/arm64-static/lumamesh-relay /src/build/arm64/test/tools/lumamesh-crowd
finish
