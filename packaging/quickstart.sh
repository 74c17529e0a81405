#!/bin/sh
# Builds the relay on Debian and runs it in the foreground with its demo page:
#
#     sh packaging/quickstart.sh
#
# Every setting of the relay can be given in the environment, for example PUBLIC_IP or UDP_PORT. The identity stays in
# build/quickstart, so the relay is the same one the next time.
set -eu

packages="build-essential cmake pkg-config libuv1-dev libmbedtls-dev libusrsctp-dev libsodium-dev libcjson-dev uthash-dev"

cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin:/sbin # where `ip` may be

say() {
    printf '%s\n' "quickstart: $*"
}

# Prints those of the packages that are not installed. pkgconf is the newer name of pkg-config.
missing_packages() {
    for package in $packages; do
        [ "$package" = pkg-config ] && command -v pkg-config >/dev/null 2>&1 && continue
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q ' installed$' || printf '%s ' "$package"
    done
}

install_packages() {
    if ! command -v apt-get >/dev/null 2>&1; then
        say "there is no apt-get here: install these, or what your system calls them, yourself: $packages"
        return
    fi
    missing=$(missing_packages)
    if [ -z "$missing" ]; then
        say "all build dependencies are installed"
        return
    fi
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            say "there is no sudo here: run this as root, then try again: apt-get install $missing" >&2
            exit 1
        fi
        as_root=sudo
    fi
    say "installing with apt-get: $missing"
    $as_root apt-get update || say "apt-get update failed; trying with the lists that are here"
    # shellcheck disable=SC2086 # one word for each package
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
}

# Prints the address that this machine's packages leave from: of the default route, else the first that is not loopback.
# Nothing is sent to 192.0.2.1, which is nobody's (RFC 5737).
primary_ip() {
    if command -v ip >/dev/null 2>&1; then
        {
            ip -4 route get 192.0.2.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p'
            ip -4 -o address show scope global 2>/dev/null | sed -n 's/.* inet \([0-9.]*\).*/\1/p'
        } | grep -v '^127\.' | head -n 1
    else
        hostname -I 2>/dev/null | tr ' ' '\n' | grep '^[0-9.]*$' | grep -v -e '^127\.' -e '^$' | head -n 1
    fi
}

install_packages

say "building"
cmake --preset release
cmake --build --preset release --parallel "$(nproc 2>/dev/null || echo 1)"

if [ -z "${PUBLIC_IP:-}" ]; then
    PUBLIC_IP=$(primary_ip || true)
    if [ -z "$PUBLIC_IP" ]; then
        PUBLIC_IP=127.0.0.1
        say "this machine has no address but loopback: Chromium may reach 127.0.0.1, Firefox never does"
    fi
fi
export PUBLIC_IP
export STATE_DIR="${STATE_DIR:-$PWD/build/quickstart}"
export HEALTH_LISTEN="${HEALTH_LISTEN:-127.0.0.1:7401}"
export DEMO="${DEMO:-1}"
(umask 077 && mkdir -p "$STATE_DIR")

say "running the relay at $PUBLIC_IP, UDP port ${UDP_PORT:-3478}; Ctrl-C ends it"
exec ./build/release/lumamesh-relay
