#!/bin/sh
# Builds the container image, from scratch and offline, with buildah:
#
#     sh packaging/container/build.sh [NAME]     NAME: localhost/lumamesh-relay:latest
#
# The daemon is build/static/lumamesh-relay, or LM_RELAY, and is built if it is not there (packaging/static.sh). The same daemon
# gives the same image, to the byte. BUILDAH is the command, with options of its own where needed.
#
# As a file for another machine: buildah push NAME docker-archive:lumamesh-relay.tar, and there podman load or docker load.
set -eu
cd "$(dirname "$0")/../.."
name=${1:-localhost/lumamesh-relay:latest}
relay=${LM_RELAY:-build/static/lumamesh-relay}
buildah=${BUILDAH:-buildah --storage-driver vfs}

[ -e "$relay" ] || sh packaging/static.sh
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
trap 'exit 1' INT TERM HUP
strip -o "$context/lumamesh-relay" "$relay"
chmod 755 "$context/lumamesh-relay"
mkdir -m 700 "$context/state"
# Of the format docker, as OCI's has no HEALTHCHECK. There is no RUN, so nothing is isolated and nothing fetched.
# shellcheck disable=SC2086 # options are words
drawn=$($buildah bud --format docker --isolation chroot --pull-never --layers=false --timestamp 0 --identity-label=false --quiet \
    --file packaging/container/Containerfile "$context")

# That format's config also has the id and name of the container that it was made in, which are drawn. Zeros take their place, and
# the manifest gets the digest that the config now has.
dir=$context/image
# shellcheck disable=SC2086
$buildah push --quiet "$drawn" "dir:$dir"
sed -e 's/"container":"[0-9a-f]*"/"container":"0"/' -e 's/"Hostname":"[0-9a-f]*"/"Hostname":""/g' "$dir/$drawn" >"$dir/config"
config=$(sha256sum "$dir/config" | cut -d ' ' -f 1)
sed -i -e "s/\"size\":[0-9]*,\"digest\":\"sha256:$drawn\"/\"size\":$(stat -c %s "$dir/config"),\"digest\":\"sha256:$config\"/" \
    "$dir/manifest.json"
grep -q "sha256:$config" "$dir/manifest.json"
rm "$dir/$drawn"
mv "$dir/config" "$dir/$config"
# shellcheck disable=SC2086
$buildah pull --quiet "dir:$dir" >/dev/null
# shellcheck disable=SC2086
$buildah tag "$config" "$name"
# shellcheck disable=SC2086
[ "$drawn" = "$config" ] || $buildah rmi "$drawn" >/dev/null
echo "$config"
