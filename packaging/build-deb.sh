#!/bin/sh
# Builds the Debian packages from the tree, with what is in it and not ignored by git:
#
#     sh packaging/build-deb.sh [DIRECTORY [OPTION OF dpkg-buildpackage]...]
#
# They and their .changes are put into DIRECTORY (default: build/deb-packages), where they are built in a copy of the tree.
# DEB_BUILD_OPTIONS=nocheck leaves out the unit tests, as ever.
set -eu
cd "$(dirname "$0")/.."
out=${1:-build/deb-packages}
[ $# -gt 0 ] && shift
mkdir -p "$out"
out=$(cd "$out" && pwd)
source=$out/lumamesh
rm -rf "$source" "$out"/*.deb "$out"/*.changes "$out"/*.buildinfo
mkdir "$source"
if [ -e .git ]; then
    git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C "$source"
else
    tar -cf - --exclude=./build --exclude=node_modules . | tar -xf - -C "$source"
fi
mv "$source/packaging/debian" "$source/debian"
cd "$source"
dpkg-buildpackage -b -us -uc "$@"
