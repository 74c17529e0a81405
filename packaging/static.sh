#!/bin/sh
# Builds a daemon on Debian that needs no library at all: for a container from scratch, an initramfs, a router.
#
#     sh packaging/static.sh          build/static/lumamesh-relay, for this machine
#     sh packaging/static.sh arm64    build/arm64-static/lumamesh-relay, cross-compiled
#
# With glibc, as Debian has no musl builds of the libraries. It looks names up in /etc/hosts and by DNS, as glibc has these two
# in its archive; what else /etc/nsswitch.conf may name is not asked. That is what the linker's warnings are about.
#
# Debian's libcjson-dev has no archive, so cJSON is compiled from the source package of the same release, which apt-get brings;
# or from LM_CJSON_SOURCE, a folder with cJSON.c. What was compiled once is kept in build/cjson.
set -eu
cd "$(dirname "$0")/.."
case ${1:-} in
'') preset=static compiler=${CC:-cc} archiver=ar ;;
arm64) preset=arm64-static compiler=aarch64-linux-gnu-gcc archiver=aarch64-linux-gnu-ar ;;
*) echo "usage: sh packaging/static.sh [arm64]" >&2; exit 2 ;;
esac

say() { printf '%s\n' "static: $*"; }

# Leaves cJSON's source in build/cjson/source. The lists are apt's own, checked by its keys, but apart from the machine's, which
# need not have sources.
fetch_cjson() {
    [ -e build/cjson/source/cJSON.c ] && return
    say "fetching the source of cJSON"
    rm -rf build/cjson/source build/cjson/apt
    mkdir -p build/cjson/apt/lists/partial
    (
        cd build/cjson/apt
        mirror=$(apt-cache policy libcjson-dev | sed -n 's/.* \(https\{0,1\}:[^ ]*\) .*/\1/p' | head -n 1)
        release=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
        printf 'deb-src %s %s main\n' "$mirror" "$release" >sources.list
        get() {
            apt-get -q -o "Dir::Etc::sourcelist=$PWD/sources.list" -o Dir::Etc::sourceparts=/dev/null \
                -o "Dir::State::lists=$PWD/lists" -o APT::Sandbox::User= "$@" >>log 2>&1
        }
        get update && get source --download-only cjson && dpkg-source -x cjson_*.dsc ../source >>log 2>&1 || {
            cat log >&2
            exit 1
        }
    )
    rm -rf build/cjson/apt
}

library=build/cjson/$preset/lib/libcjson.a
if [ ! -e "$library" ]; then
    source=${LM_CJSON_SOURCE:-}
    if [ -z "$source" ]; then
        fetch_cjson
        source=build/cjson/source
    fi
    mkdir -p "${library%/*}"
    "$compiler" -Os -fPIC -fstack-protector-strong -ffunction-sections -fdata-sections -c "$source/cJSON.c" \
        -o "build/cjson/$preset/cJSON.o"
    "$archiver" rcsD "$library" "build/cjson/$preset/cJSON.o"
fi
cmake --preset "$preset" -DCMAKE_PREFIX_PATH="$PWD/build/cjson/$preset" >build/cjson/log || { cat build/cjson/log; exit 1; }
cmake --build --preset "$preset" -j "$(nproc)" -- --no-print-directory -s
say "build/$preset/lumamesh-relay is there"
