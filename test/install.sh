#!/bin/sh
# What `cmake --install` leaves behind, as a program outside meets it: headers, libraries, CMake package, pkg-config file.
#
#     install.sh BUILD_DIRECTORY VERSION
#
# Prints TAP; exits 1 if a test failed.
set -u

build=$1
version=$2
here=$(cd "$(dirname "$0")" && pwd)
. "$here/support/script.sh"
run() { "$@" >"$dir/out" 2>&1; }
explain() { cat "$dir/out"; }

check 'it is installed' env DESTDIR= cmake --install "$build" --prefix "$dir/first"
# Nothing in it says where it was installed first.
mv "$dir/first" "$dir/prefix"
prefix=$dir/prefix
pc=$(find "$prefix" -name lumamesh.pc)
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_PATH="$lib/pkgconfig"
flags() { pkg-config --define-prefix "$@" lumamesh; }
only() { ! grep -vE "$1" "$2"; }

# ---- the shared library
readelf -d "$lib/liblumamesh.so" >"$dir/dynamic"
check 'its soname is liblumamesh.so.0' grep -q 'SONAME.*\[liblumamesh.so.0\]' "$dir/dynamic"
nm -D --defined-only "$lib/liblumamesh.so" | sed 's/.* //' | sort >"$dir/exported"
check 'it exports functions named lm_ alone' only '^lm_' "$dir/exported"
# A call in each header that is a function of ours: no more is exported, and no less.
cat "$prefix"/include/lumamesh/*/*.h | sed -n '/^LM_API/s/.*[ *]\(lm_[a-z0-9_]*\)(.*/\1/p' | sort -u >"$dir/declared"
check 'it exports what the public headers declare' diff "$dir/declared" "$dir/exported"

# ---- the headers, each alone
for header in $(cd "$prefix/include" && find lumamesh -name '*.h' | sort); do
    printf '#include <%s>\nint use;\n' "$header" >"$dir/alone.c"
    case $header in *_uv.h) posix=-D_GNU_SOURCE ;; *) posix= ;; esac # libuv's header needs more than C11 has
    # shellcheck disable=SC2046,SC2086
    check "$header compiles alone as C11" cc -std=c11 $posix -pedantic -Wall -Wextra -Werror $(flags --cflags) -c -o /dev/null "$dir/alone.c"
    # shellcheck disable=SC2046
    check '... and as C++' c++ -std=c++11 -Wall -Wextra -Werror $(flags --cflags) -x c++ -c -o /dev/null "$dir/alone.c"
done
check 'none includes a header that is not installed' sh -c "! grep -rn '#include \"' '$prefix/include'"

# ---- programs
port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
# works CONSUMER STACK: both run; the first one says a blob and a report.
works() {
    mkdir -p "$dir/state"
    "$1" --state-dir="$dir/state" --udp-port="$port" --tcp-port=0 >"$dir/said" || return 1
    grep -q '^lm1\.' "$dir/said" && grep -q "\"version\":\"$version\"" "$dir/said" || return 1
    [ "$("$2")" = "lumamesh $version" ]
}
# by_cmake TARGET DIRECTORY: configures and builds the project of test/install.
by_cmake() {
    cmake -S "$here/install" -B "$dir/$2" -DCMAKE_PREFIX_PATH="$prefix" -DLM_LINK="lumamesh::$1" &&
        cmake --build "$dir/$2" -j "$(nproc)"
}
needs_library() { readelf -d "$1" | grep -q 'NEEDED.*liblumamesh'; }

check 'find_package finds the shared library' by_cmake lumamesh shared
check '... and the programs run' works "$dir/shared/consumer" "$dir/shared/stack"
check '... with it' needs_library "$dir/shared/consumer"
check 'find_package finds the static library' by_cmake lumamesh_static static
check '... and the programs run' works "$dir/static/consumer" "$dir/static/stack"
check '... without the shared one' sh -c "! readelf -d '$dir/static/consumer' | grep -q 'NEEDED.*liblumamesh'"
sed 's/lumamesh 0.1/lumamesh 0.2/' "$here/install/CMakeLists.txt" >"$dir/CMakeLists.txt"
check '... but not as version 0.2' sh -c "cmake -S '$dir' -B '$dir/newer' -DCMAKE_PREFIX_PATH='$prefix' 2>&1 |
    tr -s ' \n' ' ' | grep -qF 'compatible with requested version \"0.2\"'"

check "pkg-config knows version $version" test "$(flags --modversion)" = "$version"
# by_pkg_config SUFFIX FLAG…: compiles both programs.
by_pkg_config() {
    suffix=$1
    shift
    # shellcheck disable=SC2046
    cc -o "$dir/consumer-$suffix" "$here/install/consumer.c" $(flags --cflags) "$@" &&
        c++ -o "$dir/stack-$suffix" "$here/install/stack.cc" $(flags --cflags) "$@"
}
# shellcheck disable=SC2046
check 'a program is built by pkg-config' by_pkg_config shared $(flags --libs) -Wl,-rpath,"$lib"
check '... and runs' works "$dir/consumer-shared" "$dir/stack-shared"
check '... with the shared library' needs_library "$dir/consumer-shared"
# The linker takes the archive where there is nothing else.
mkdir "$dir/archive"
mv "$lib"/liblumamesh.so* "$dir/archive"
# shellcheck disable=SC2046
check 'and by pkg-config --static' by_pkg_config static $(flags --static --libs)
check '... and runs' works "$dir/consumer-static" "$dir/stack-static"

finish
