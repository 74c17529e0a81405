#!/bin/sh
# The container image: built twice it is the same, and under podman, read-only, without capabilities and network, it serves a
# crowd, tells how it is, and keeps its identity.
#
#     container.sh PATH/TO/static/lumamesh-relay PATH/TO/lumamesh-crowd
#
# Needs root, buildah, podman and crun. Images and containers live in a folder of the test's own. Prints TAP; exits 1 if a test
# failed.
set -u

# crun takes no hybrid of both versions of control groups. No container gets one here, so the second is taken away.
if [ -d /sys/fs/cgroup/unified ] && [ -z "${LM_OWN_MOUNTS:-}" ]; then
    LM_OWN_MOUNTS=1 exec unshare -m sh "$0" "$@"
fi
[ -n "${LM_OWN_MOUNTS:-}" ] && umount /sys/fs/cgroup/unified

relay=$1
crowd=$2
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/test/support/script.sh"
explain() { cat "$dir/log" "$dir/crowd" 2>/dev/null | cut -c 1-300 | tail -n 20; }

podman() {
    command podman --root "$dir/root" --runroot "$dir/run" --tmpdir "$dir/tmp" --storage-driver vfs --cgroup-manager cgroupfs \
        --events-backend none "$@" 2>>"$dir/log"
}
export BUILDAH="buildah --root $dir/root --runroot $dir/run --storage-driver vfs"
end_containers() {
    podman rm -a -f -t 0 >/dev/null 2>&1
    podman volume rm -a -f >/dev/null 2>&1
    clean_up
}
trap end_containers EXIT

build() { LM_RELAY=$1 sh "$here/packaging/container/build.sh" "$2" 2>>"$dir/log"; }
of_image() { podman image inspect --format "$1" localhost/first; }
files() { (cd "$(podman image mount localhost/first)" && find . ! -type d); }
of_relay() { podman inspect --format "$1" relay; }

# Where the relay has a loopback of its own, and nothing else.
start_container() {
    podman run -d --name relay --network=none --cgroups=disabled --runtime crun --ulimit nofile=1024:2048 \
        --ulimit nproc=4096:4096 --read-only --cap-drop=all --security-opt no-new-privileges --log-driver k8s-file \
        -v identity:/var/lib/lumamesh "$@" localhost/first >/dev/null && process=$(of_relay '{{.State.Pid}}')
}
healthy() { podman healthcheck run relay >/dev/null; }
blob() { podman exec relay /lumamesh-relay --print-blob; }
of_process() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$process/status" | tr '\t' ' '; }
root_is_read_only() { awk '$5 == "/" { split($6, o, ","); ro = o[1] == "ro" } END { exit !ro }' "/proc/$process/mountinfo"; }
stopped_well() { podman stop -t 10 relay >/dev/null && test "$(of_relay '{{.State.ExitCode}}')" = 0; }

first=$(build "$relay" localhost/first)
again=$(build "$relay" localhost/again)
check 'it is built' test -n "$first"
[ -n "$first" ] || { finish; exit 1; }
check 'built again it is the same, to the byte' test "$first" = "$again"
echo "# image: sha256:$first, $(of_image '{{.Size}}') bytes"
check 'its user is a number, not root' test "$(of_image '{{.Config.User}}')" = 65532:65532
check 'it has the daemon alone' test "$(files)" = ./lumamesh-relay
check 'its health check is the binary' test "$(of_image '{{.HealthCheck.Test}}')" = '[CMD /lumamesh-relay status]'

check 'it starts' start_container
check '... and is healthy' within 10 healthy
check 'it runs as its user' test "$(of_process Uid)" = '65532 65532 65532 65532'
check '... without a capability' test "$(of_process CapEff)$(of_process CapPrm)$(of_process CapBnd)" = \
    000000000000000000000000000000000000000000000000
check '... on a root that it cannot write' root_is_read_only
config=$(blob)
nsenter -t "$process" -n "$crowd" "$config" --clients 5 --rounds 1 --join --seconds 2 --signal 100 >"$dir/crowd" 2>&1
came=$?
check 'a crowd comes, and all are welcomed' test $came = 0
check '... and stays' grep -q '"stage":"held".*"closed":0' "$dir/crowd"
kill -STOP "$process"
check 'one that hangs is unhealthy' eval '! healthy'
kill -CONT "$process"
check 'SIGTERM ends it with status 0' stopped_well
podman rm relay >/dev/null
check 'another with its volume starts' start_container
check '... and is healthy' within 10 healthy
check '... and is the same relay' test "$(blob)" = "$config"
check '... which ends, too' stopped_well
podman rm relay >/dev/null
check 'a wrong setting ends it with status 2' eval 'start_container -e UDP_PORT=x; test "$(podman wait relay)" = 2'
finish
