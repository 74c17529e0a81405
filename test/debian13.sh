#!/bin/sh
# Builds the project in a Debian 13 tree, where mbedTLS is 3.6 and gcc 14, with warnings as errors, and runs the unit tests
# and fuzz replays there. Needs root and debootstrap. The tree is kept in LM_DEBIAN13 (default: build/debian13) for the next
# run, and is made anew when it is incomplete. With the argument `tree` it is made, and nothing more.
set -eu
cd "$(dirname "$0")/.."
root=${LM_DEBIAN13:-$PWD/build/debian13}
packages=build-essential,cmake,pkg-config,libuv1-dev,libmbedtls-dev,libusrsctp-dev,libsodium-dev,libcjson-dev,uthash-dev,libcmocka-dev

if [ "$(id -u)" != 0 ]; then
    echo "debian13: debootstrap needs root" >&2
    exit 1
fi
# The mirror that this machine installs its own packages from.
mirror=$(apt-cache policy libuv1-dev | sed -n 's/.* \(https\{0,1\}:[^ ]*\).*/\1/p' | head -n 1)
if [ ! -e "$root/complete" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    debootstrap --variant=minbase --include="$packages" trixie "$root/tree" "$mirror" >"$root/debootstrap.log" 2>&1 || {
        tail -n 20 "$root/debootstrap.log"
        exit 1
    }
    touch "$root/complete"
fi
[ "${1:-}" = tree ] && exit 0
tree=$root/tree
echo '127.0.0.1 localhost' >"$tree/etc/hosts" # debootstrap makes none
rm -rf "$tree/src"
mkdir -p "$tree/src"
git ls-files -z --cached --others --exclude-standard | xargs -0 tar -cf - | tar -xf - -C "$tree/src"
# With a /proc of its own, which goes with the mount namespace.
PATH=$PATH:/usr/sbin:/sbin unshare -m sh -euc 'mount -t proc proc "$1/proc" && exec chroot "$1" sh -euc "$2"' sh "$tree" '
    cd /src
    cmake -S . -B /build -DLM_WERROR=ON -DLM_BUILD_TESTS=ON -DLM_BUILD_FUZZERS=ON >/tmp/cmake.log || { cat /tmp/cmake.log; exit 1; }
    cmake --build /build -j '"$(nproc)"' -- --no-print-directory -s
    grep -h -m 1 "define MBEDTLS_VERSION_STRING " /usr/include/mbedtls/build_info.h
    ctest --test-dir /build -L "^(unit|fuzz)$" -j '"$(nproc)"' --output-on-failure
'
