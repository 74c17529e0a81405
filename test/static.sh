#!/bin/sh
# The static daemon: it needs nothing but itself, and finds others by names, from a hosts file and by DNS.
#
#     static.sh PATH/TO/lumamesh-relay PATH/TO/lumamesh-crowd
#
# Needs root, iproute2 and node. Prints TAP; exits 1 if a test failed.
set -u
relay=$1
crowd=$2
here=$(cd "$(dirname "$0")" && pwd)

# Two namespaces with a cable between them: this one, whose name server answers for the mesh, and that of the process `other`.
if [ -z "${LM_OWN_NETWORK:-}" ]; then
    LM_OWN_NETWORK=1 exec unshare -n sh "$0" "$@"
fi
PATH=$PATH:/usr/sbin:/sbin
. "$here/support/script.sh"
explain() { grep -h -e ' [a-z]*  [a-z]*' -e '^not ok' "$dir"/*.log "$dir/smoke" 2>/dev/null | cut -c 1-300 | tail -n 30; }

ip link set lo up
unshare -n sleep 600 &
other=$!
in_other() { nsenter -t $other -n "$@"; }
there_is_a_cable() { [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
within 5 there_is_a_cable
ip link add cable0 type veth peer name cable1 netns $other
ip address add 10.9.0.1/24 dev cable0 && ip link set cable0 up
in_other ip address add 10.9.0.2/24 dev cable1 && in_other ip link set cable1 up && in_other ip link set lo up

sh "$here/e2e/smoke.sh" -c -m 6144 "$relay" "$crowd" >"$dir/smoke" 2>&1
smoked=$?
grep '^# ' "$dir/smoke" | grep -v -e '# pass' -e '# fail'
check 'alone in a chroot, it serves a crowd' test $smoked = 0
strip -o "$dir/stripped" "$relay"
echo "# stripped: $(stat -c %s "$dir/stripped") bytes"
check 'it asks for no library' eval '! readelf -d "$relay" | grep -q NEEDED'
check 'its place in memory is drawn at each start' eval 'readelf -h "$relay" | grep -q "Type:.*DYN"'

# start_node I NAMESPACE-COMMAND...: in a chroot of its own, told of the mesh by one name for both nodes.
salt=0123456789abcdef0123456789abcdef
start_node() {
    node=$1
    shift
    mkdir -p "$dir/$node/state" "$dir/$node/etc"
    cp "$relay" "$dir/$node/lumamesh-relay"
    printf '%s\n' "$resolver" >"$dir/$node/etc/resolv.conf"
    printf '%b' "$hosts" >"$dir/$node/etc/hosts"
    "$@" env -i PUBLIC_IP="10.9.0.$node" HEALTH_LISTEN="127.0.0.1:7401" MESH_LISTEN=0.0.0.0:7402 MESH_PEERS=nodes.mesh.test:7402 \
        MESH_SALT=$salt MESH_ADVERTISE="10.9.0.$node:7402" DRAIN_SECONDS=0 STATE_DIR=/state \
        "$(command -v chroot)" "$dir/$node" /lumamesh-relay >"$dir/$node.log" 2>&1 &
}
linked() { "$relay" status --json --health 127.0.0.1:7401 | grep -q '"links":1[,}]'; }
# They see each other, and both end well.
meet() {
    start_node 1
    one=$!
    start_node 2 nsenter -t $other -n
    two=$!
    within 15 linked
    met=$?
    kill -TERM $one $two
    wait $one && wait $two && return $met
}

chmod 755 "$dir"
resolver= hosts='10.9.0.1 nodes.mesh.test\n10.9.0.2 nodes.mesh.test\n'
check 'two that one name in /etc/hosts stands for find each other' meet
node "$here/support/name_server.mjs" 10.9.0.1 nodes.mesh.test 10.9.0.1 10.9.0.2 >"$dir/names" &
within 10 grep -q ready "$dir/names"
resolver='nameserver 10.9.0.1' hosts=
check '... and two that it stands for by DNS' meet
check '... which was asked' grep -q 'asked' "$dir/names"
finish
