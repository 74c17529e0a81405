#!/bin/sh
# The Debian packages, in the Debian 13 tree of test/debian13.sh: built from the tree, looked at by lintian, installed,
# started, upgraded, removed and purged, and the tests of debian/tests. Needs root, debootstrap and overlayfs: what happens in
# the tree happens in a layer above it, which goes afterwards.
#
# Prints TAP; exits 1 if a test failed. The packages stay in build/deb-packages.
set -u
cd "$(dirname "$0")/.." || exit 1
PATH=$PATH:/usr/sbin:/sbin

if [ "${1:-}" != inside ]; then
    root=${LM_DEBIAN13:-$PWD/build/debian13}
    sh test/debian13.sh tree || exit 1
    # What the packages are built and looked at with; it stays in the tree for the next run.
    if [ ! -x "$root/tree/usr/bin/lintian" ]; then
        cp /etc/resolv.conf "$root/tree/etc/resolv.conf"
        unshare -m sh -euc 'mount -t proc proc "$1/proc" && exec chroot "$1" sh -euc "
            apt-get update -q
            DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends debhelper lintian systemd"' \
            sh "$root/tree" >"$root/packages.log" 2>&1 || { tail -n 20 "$root/packages.log"; exit 1; }
    fi
    mkdir -p build/deb-packages
    layer=$(mktemp -d "$root/layer-XXXXXX") || exit 1
    trap 'rm -rf "$layer"' EXIT
    trap 'exit 1' INT TERM HUP
    mkdir "$layer/upper" "$layer/work" "$layer/merged"
    # In namespaces of its own: mounts and processes that are left go with it.
    unshare -m -p -f --kill-child sh -euc '
        mount -t overlay overlay -o "lowerdir=$1/tree,upperdir=$2/upper,workdir=$2/work" "$2/merged"
        merged=$2/merged
        mount -t proc proc "$merged/proc"
        mount -t tmpfs tmpfs "$merged/run"
        rm -rf "$merged/src"
        mkdir "$merged/src"
        git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C "$merged/src"
        status=0
        chroot "$merged" sh /src/test/packages.sh inside || status=$?
        cp "$merged"/src/build/deb-packages/*.deb build/deb-packages/ || status=1
        exit $status' sh "$root" "$layer"
    exit
fi

# ---- in the tree

export LC_ALL=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive
tests=0
failed=0
started=
log=/tmp/packages.log
debs=/src/build/deb-packages

check() {
    description=$1
    shift
    tests=$((tests + 1))
    if "$@" >$log 2>&1; then
        echo "ok $tests - $description"
    else
        failed=$((failed + 1))
        echo "not ok $tests - $description"
        tail -n 40 $log | sed 's/^/# /'
    fi
}

finish() {
    [ -n "$started" ] && kill "$started" 2>/dev/null
    echo "1..$tests"
    echo "# pass $((tests - failed))"
    echo "# fail $failed"
    [ $failed -eq 0 ] && [ $tests -gt 20 ]
    exit
}

# build: unit tests have been run in this tree by test/debian13.sh.
build() { env DEB_BUILD_OPTIONS="nocheck parallel=$(nproc)" DEB_BUILD_PROFILES=nocheck sh packaging/build-deb.sh; }
check 'the packages are built from the tree' build
[ $failed -eq 0 ] || finish
deb() { ls $debs/"$1"_*.deb; }
lint() {
    lintian -I --fail-on error,warning --tag-display-limit 0 --allow-root $debs/*.changes >$log.lint 2>&1
    status=$?
    cat $log.lint
    return $status
}
check 'lintian finds neither errors nor warnings' lint
sed 's/^/# /' $log.lint

has() { dpkg-deb -c "$(deb "$1")" | grep -qE " \./$2( |\$)"; }
check 'the relay has its unit' has lumamesh-relay 'usr/lib/systemd/system/lumamesh-relay.service'
check '... its man pages' has lumamesh-relay 'usr/share/man/man5/relay.conf.5.gz'
check '... its completion' has lumamesh-relay 'usr/share/bash-completion/completions/lumamesh-relay'
check '... its ufw profile' has lumamesh-relay 'etc/ufw/applications.d/lumamesh-relay'
check 'the library for pages is there' has libjs-lumamesh 'usr/share/javascript/lumamesh/lumamesh.js'

# ---- install, start
echo '#!/bin/sh
exit 101' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
check 'it is installed' dpkg -i "$(deb lumamesh-relay)"
check '... with a user of its own' id lumamesh
unit=/usr/lib/systemd/system/lumamesh-relay.service
exposure() { systemd-analyze security --offline=true --threshold=15 "$unit"; }
check 'the unit is no more exposed than 1.5' exposure
check '... and is one' systemd-analyze verify "$unit"
check '... which reloads by notify' grep -q '^Type=notify-reload' "$unit"
config=/etc/lumamesh/relay.conf
check 'a file of settings is a conffile' grep -q "$config" /var/lib/dpkg/info/lumamesh-relay.conffiles
check 'no secret is in it' sh -c "! grep -qE '^(ICE_PWD|TURN_SECRET|MESH_SALT)=.' $config"

# As systemd does it.
start() {
    install -d -o lumamesh -g lumamesh -m 700 /var/lib/lumamesh
    # shellcheck disable=SC2046
    setpriv --reuid=lumamesh --regid=lumamesh --clear-groups $(sed -n 's/^ExecStart=//p' $unit) >$log.relay 2>&1 &
    started=$!
    i=0
    until lumamesh-relay status --config=$config >$log.status 2>&1; do
        i=$((i + 1))
        if [ $i -ge 600 ] || ! kill -0 $started; then
            cat $log.relay $log.status
            return 1
        fi
        sleep 0.1
    done
}
stop() {
    kill -TERM "$started"
    wait "$started"
    status=$?
    started=
    return $status
}
blob() { lumamesh-relay --print-blob --config=$config; }
check 'it starts as the unit starts it' start
check '... and makes an identity' blob
check 'the config file as it comes is good' lumamesh-relay --check-config --config=$config
before=$(blob)
check '... that nobody else reads' test "$(stat -c %U:%a /var/lib/lumamesh/node.key)" = lumamesh:600
check '... and stops' stop

# ---- upgrade: the same package with another version
sed -i 's/^#MAX_SESSIONS=.*/MAX_SESSIONS=77/' $config
repack() {
    dpkg-deb -R "$(deb lumamesh-relay)" /tmp/newer &&
        sed -i 's/^Version: .*/Version: 0.1.1/' /tmp/newer/DEBIAN/control &&
        echo '# a line that is new' >>/tmp/newer$config &&
        (cd /tmp/newer && find usr etc -type f -not -path 'etc/*' -exec md5sum {} + >DEBIAN/md5sums) &&
        dpkg-deb -b /tmp/newer /tmp/newer.deb
}
check 'a newer version' repack
check '... is installed over it' dpkg -i --force-confold /tmp/newer.deb
check '... with the settings kept' grep -q '^MAX_SESSIONS=77' $config
check '... and starts' start
check '... with them' sh -c "lumamesh-relay --check-config --config=$config | grep -q '^MAX_SESSIONS=77 '"
check '... and the identity' test "$(blob)" = "$before"
check '... and stops' stop

# ---- the tests that come with the packages
check 'the library is installed' dpkg -i "$(deb liblumamesh0)" "$(deb liblumamesh-dev)" "$(deb libjs-lumamesh)"
autopkgtest() { (cd /src && sh packaging/debian/tests/"$1"); }
check 'debian/tests/relay' autopkgtest relay
check 'debian/tests/consumer' autopkgtest consumer

# ---- remove, purge
check 'it is removed' dpkg -r lumamesh-relay
check '... and leaves settings and identity' test -e $config -a -e /var/lib/lumamesh/node.key
check 'it is purged' dpkg -P lumamesh-relay
check '... and leaves nothing' sh -c '! ls -d /etc/lumamesh /var/lib/lumamesh /etc/ufw/applications.d/lumamesh-relay 2>/dev/null'
check 'the library is purged' dpkg -P liblumamesh-dev liblumamesh0 libjs-lumamesh
finish
