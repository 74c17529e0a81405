#!/bin/sh
# Prints README.md's table of what each part adds to the daemon: its size, stripped, of a Release build without that part.
#
#     sizes.sh [BUILD_DIRECTORY]     (default: build/sizes)
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build/sizes}

# size FLAG…: bytes of the stripped daemon, with all parts but those.
size() {
    flags="-DLM_WITH_TURN=ON -DLM_WITH_TLS=ON -DLM_WITH_MESH=ON -DLM_WITH_HEALTH=ON -DLM_WITH_DEMO=ON"
    for flag in "$@"; do
        flags="$flags -D$flag=OFF"
    done
    # shellcheck disable=SC2086
    cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF $flags >"$build.log"
    cmake --build "$build" -j "$(nproc)" --target lumamesh-relay >>"$build.log"
    strip -o "$build/stripped" "$build/lumamesh-relay"
    wc -c <"$build/stripped"
}

mkdir -p "$(dirname "$build")"
all=$(size)
row() {
    without=$1
    shift
    bytes=$(size "$@")
    printf '| %s | %d kB | %d kB |\n' "$without" $(((bytes + 500) / 1000)) $(((all - bytes + 500) / 1000))
}
printf '| without | daemon, stripped | less |\n|---|---|---|\n'
row nothing
row '`LM_WITH_TURN`' LM_WITH_TURN
row '`LM_WITH_TLS`' LM_WITH_TLS
row '`LM_WITH_MESH`' LM_WITH_MESH
row '`LM_WITH_HEALTH`' LM_WITH_HEALTH
row '`LM_WITH_DEMO`' LM_WITH_DEMO
row 'any of them' LM_WITH_TURN LM_WITH_MESH LM_WITH_HEALTH
