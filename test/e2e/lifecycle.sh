#!/bin/sh
# What signals do to a daemon that has sessions, and what its service manager hears.
#
#     lifecycle.sh PATH/TO/lumamesh-relay PATH/TO/lumamesh-crowd PATH/TO/lumamesh-manager PATH/TO/lumamesh-pair
#
# Prints TAP; exits 1 if a test failed.
set -u

relay=$1
crowd=$2
manager=$3
pair=$4
guests=   # a crowd that stays
talkers=  # two TURN clients that stay
. "$(dirname "$0")/../support/script.sh"

# Without the settings of whoever runs this; it becomes the relay, which is signalled.
run_relay() {
    exec env -i PATH="$PATH" ${LSAN_OPTIONS:+LSAN_OPTIONS="$LSAN_OPTIONS"} STATE_DIR="$dir" LOG_LEVEL=debug \
        UDP_PORT="$UDP_PORT" "$@" "$relay"
}

# Starts a relay with further VARIABLE=VALUEs.
start() {
    start_relay run_relay "$@" || return 1
    blob=$(env -i STATE_DIR="$dir" UDP_PORT="$UDP_PORT" "$@" "$relay" --print-blob 2>/dev/null)
}

# Five clients that stay for a minute.
invite() {
    "$crowd" "$blob" --clients 5 --rounds 1 --join --seconds 60 >"$dir/crowd" 2>&1 &
    guests=$!
    within 10 eval '[ "$(grep -c "connected -> open" "$dir/log")" -ge 5 ]'
}

send_home() {
    kill -9 "$guests"
    wait "$guests" 2>/dev/null
    guests=
}

# Status 0, and within how many seconds.
ends_well() {
    within "$1" gone "$pid" || return 1
    wait "$pid"
    status=$?
    pid=
    return $status
}

# ---- draining

check 'it starts' start DRAIN_SECONDS=2
check 'five clients come' invite
began=$(date +%s)
kill -TERM "$pid"
check 'SIGTERM ends it with status 0 though they stay' ends_well 5
check '... after DRAIN_SECONDS' test $(($(date +%s) - began)) -ge 1
check '... and says whom it has closed' logged 'closing 5 sessions that are still there'
check '... having told each once' logged 'error_shutting_down: 5'
send_home

check 'it starts with a long drain' start DRAIN_SECONDS=60
check 'five clients come again' invite
kill -TERM "$pid"
within 5 logged 'stopping on SIGTERM'
kill -TERM "$pid"
check 'a second SIGTERM ends it at once' ends_well 2
send_home

check 'it starts once more' start DRAIN_SECONDS=60
check 'five clients come once more' invite
kill -USR1 "$pid"
check 'SIGUSR1 drains' within 5 logged 'draining on SIGUSR1'
newcomers() {
    timeout 4 "$crowd" "$blob" --clients 1 --rounds 1 >/dev/null 2>&1
}
check '... newcomers are refused' eval '! newcomers'
check '... and it stays' kill -0 "$pid"
kill -INT "$pid"
within 5 logged 'stopping on SIGINT' # two signals that wait for a busy process are one
send_home
kill -INT "$pid" 2>/dev/null
check 'SIGINT ends it' ends_well 2

# ---- changing while it runs

pwd_a=abcdefghijklmnopqrstuvwxyz
pwd_b=zyxwvutsrqponmlkjihgfedcba
echo "LOG_LEVEL=debug
ICE_PWD=$pwd_a" >"$dir/relay.env"
check 'it starts with a file' start CONFIG="$dir/relay.env" DRAIN_SECONDS=0 LOG_LEVEL=
old_blob=$blob
check 'five clients come' invite
before=$(cksum <"$dir/server.crt")

hup() {
    : >"$dir/log"
    kill -HUP "$pid"
    within 5 logged "$1"
}
echo 'MAX_SESSIONS=many' >"$dir/relay.env"
check 'SIGHUP with a broken file changes nothing' hup "nothing is changed: $dir/relay.env:1: MAX_SESSIONS"
check '... and newcomers come in as before' newcomers
mv "$dir/node.key" "$dir/node.key.away"
echo "ICE_PWD=$pwd_b" >"$dir/relay.env"
check 'SIGHUP with a part of the identity missing changes nothing' hup "nothing is changed: $dir/node.key is missing"
mv "$dir/node.key.away" "$dir/node.key"
check '... and newcomers still come in as before' newcomers

echo "ICE_PWD=$pwd_b
STATE_DIR=/nowhere
LOG_FORMAT=json" >"$dir/relay.env"
check 'SIGHUP reads the file again' hup '"msg":"SIGHUP: settings, certificate and secrets are read again"'
check '... what the environment says goes before it' eval '! logged STATE_DIR'
check '... who knows the old password alone stays outside' eval '! newcomers'
blob=$(env -i STATE_DIR="$dir" UDP_PORT=$UDP_PORT CONFIG="$dir/relay.env" "$relay" --print-blob)
check '... who knows the new one comes in' newcomers

mkdir "$dir/other"
env -i STATE_DIR="$dir/other" "$relay" --print-blob >/dev/null
cp "$dir/other/server.crt" "$dir/other/server.key" "$dir"
printf 'ICE_PWD=%s\nDEMO=0\nHEALTH_LISTEN=127.0.0.1:1\nLOG_LEVEL=warn\n' $pwd_b >"$dir/relay.env"
check 'SIGHUP names what needs a restart' hup 'HEALTH_LISTEN: a change of this needs a restart'
sleep 0.2
check '... and LOG_LEVEL is in force' eval '! logged "read again"'
check 'there is another certificate' test "$(cksum <"$dir/server.crt")" != "$before"
check '... which who knows the old one does not accept' eval '! newcomers'
blob=$(env -i STATE_DIR="$dir" UDP_PORT=$UDP_PORT CONFIG="$dir/relay.env" "$relay" --print-blob)
check '... and who knows the new one does' newcomers
check '... while the five are there still' kill -0 "$guests"
send_home
kill -TERM "$pid"
check 'it ends with status 0' ends_well 3

# ---- TURN

turn_old=the-old-secret-of-turn
turn_new=the-new-secret-of-turn

# allocates SECRET ERROR [OPTION...]: two clients ask for an allocation each; ERROR is the number that they get, 0: none.
allocates() {
    secret=$1
    expected=$2
    shift 2
    "$pair" "$blob" "$secret" "$@" >"$dir/pair" 2>&1
    grep -q "\"error\":$expected," "$dir/pair"
}

talked() { tail -n 1 "$dir/talk" | sed -n 's/.*"sent":\([0-9]*\),"lost":0,.*/\1/p'; }

# The talkers go on, and nothing of it is lost.
they_talk() {
    said=$(talked)
    [ -n "$said" ] && within 5 eval '[ "$(talked)" -ge $((said + 20)) ]'
}

# turn_settings LINE...: reads a file of these anew.
turn_settings() {
    printf '%s\n' LOG_LEVEL=debug "$@" >"$dir/relay.env"
    hup 'settings, certificate and secrets are read again'
}

printf '%s\n' LOG_LEVEL=debug TURN_SECRET=$turn_old >"$dir/relay.env"
check 'it starts with a TURN secret' start CONFIG="$dir/relay.env" DRAIN_SECONDS=3 LOG_LEVEL=
"$pair" "$blob" $turn_old --tcp --user talkers --seconds 60 >"$dir/talk" 2>&1 &
talkers=$!
check 'two clients talk through it' within 5 they_talk
check 'its credentials are good' allocates $turn_old 0
check '... those of another are not' allocates $turn_new 401
turn_settings TURN_SECRET=$turn_new,$turn_old
check 'SIGHUP with a second secret: the new one is good' allocates $turn_new 0
check '... and the old one still is' allocates $turn_old 0 --tcp
printf '%s\n' TURN_SECRET=$turn_new 'TURN_REALM="a\\b"' >"$dir/relay.env"
check 'SIGHUP with a broken realm changes nothing' hup 'nothing is changed: TURN_REALM'
check '... the old secret is good as before' allocates $turn_old 0
turn_settings TURN_SECRET=$turn_new
check 'SIGHUP without the old secret: it is refused' allocates $turn_old 401
check '... the new one is good' allocates $turn_new 0
check '... and those who talk, by the old one, go on' they_talk
turn_settings TURN_SECRET=$turn_new MAX_ALLOCATIONS=2
check 'SIGHUP with fewer allocations: newcomers are refused' allocates $turn_new 508
check '... and those who talk go on' they_talk
turn_settings TURN_SECRET=$turn_new MAX_ALLOCATIONS=3
check 'SIGHUP with one more: the first comes in, the second does not' allocates $turn_new 508
turn_settings TURN_SECRET=$turn_new MAX_ALLOCATIONS=10 MAX_ALLOCATIONS_PER_USER=1
check 'SIGHUP with a quota of one: the second is over it' allocates $turn_new 486 --user another
turn_settings TURN_SECRET=$turn_new
check 'SIGHUP with the defaults: both come in' allocates $turn_new 0 --user a-third
turn_settings TURN_SECRET=$turn_new TURN=off TCP_PORT=off TLS_PORT=0 TURN_PORTS=50000-50001
check 'what needs a restart is named' logged 'TCP_PORT, TURN, TURN_PORTS: a change of this needs a restart'
check '... and those who talk go on' they_talk

kill -USR1 "$pid"
check 'SIGUSR1 drains TURN, too' within 5 logged 'draining on SIGUSR1'
check '... new allocations are refused' allocates $turn_new 508
check '... also over TCP' allocates $turn_new 508 --tcp
turn_settings TURN_SECRET=$turn_new MAX_ALLOCATIONS=100
check '... also after a SIGHUP' allocates $turn_new 508
check '... and those who talk go on' they_talk
kill -TERM "$pid"
check 'it ends, although they talk' ends_well 5
check '... and they notice' within 5 gone "$talkers"
wait "$talkers" 2>/dev/null
talkers=
# The end may cost them what was on its way in each direction.
check '... having lost no more than that' test "$(tail -n 1 "$dir/talk" | sed 's/.*"lost":\([0-9]*\).*/\1/')" -le 2

check 'it starts with sessions to wait for' start DRAIN_SECONDS=3 TURN_SECRET=$turn_new
check 'five clients come' invite
"$pair" "$blob" $turn_new --tcp --seconds 60 >"$dir/talk" 2>&1 &
talkers=$!
check 'two clients talk through it' within 5 they_talk
kill -TERM "$pid"
within 5 logged 'stopping on SIGTERM'
check 'SIGTERM: those who talk go on while it waits' they_talk
check '... and new allocations are refused' allocates $turn_new 508
check '... until it ends' ends_well 5
send_home
wait "$talkers" 2>/dev/null
talkers=

check 'it starts with a rate for each allocation' start DRAIN_SECONDS=0 TURN_SECRET=$turn_new TURN_RATE=1000
"$pair" "$blob" $turn_new --seconds 60 >"$dir/talk" 2>&1 &
talkers=$!
check 'two clients talk through it' within 5 they_talk
kill -USR1 "$pid"
check 'SIGUSR1: the rate goes on holding for them' within 20 grep -q '"lost":[1-9]' "$dir/talk"
kill -TERM "$pid"
check 'it ends' ends_well 5
wait "$talkers" 2>/dev/null
talkers=

# ---- the mesh

base=$((40000 + $$ % 10000 / 4 * 4)) # three ports
salt='a salt of the tests'
mkdir "$dir/neighbour"
env -i STATE_DIR="$dir/neighbour" UDP_PORT=$base TCP_PORT=0 MESH_LISTEN=127.0.0.1:$base MESH_SALT="$salt" \
    "$relay" >/dev/null 2>"$dir/neighbour/log" &
neighbour=$!
within 10 grep -qF "relay is up" "$dir/neighbour/log"
mesh_settings() {
    printf '%s\n' "HEALTH_LISTEN=127.0.0.1:$((base + 1))" LOG_LEVEL=debug DRAIN_SECONDS=0 "$@" >"$dir/relay.env"
}
# linked NUMBER: as many links are up.
linked() {
    env -i "$relay" status --json --health 127.0.0.1:$((base + 1)) | grep -q "\"mesh\":{[^}]*\"links\":$1[,}]"
}
mesh_settings MESH_SALT="$salt" MESH_PEERS=127.0.0.1:$((base + 2))
check 'it starts with a neighbour that is not there' start CONFIG="$dir/relay.env" LOG_LEVEL=
check '... and has no link' linked 0
mesh_settings MESH_SALT="$salt" MESH_PEERS=127.0.0.1:$base,127.0.0.1
check 'SIGHUP with broken MESH_PEERS changes nothing' hup "nothing is changed: MESH_PEERS: '127.0.0.1' is no host:port"
mesh_settings MESH_SALT="$salt"
check '... nor does one with half a mesh' hup 'nothing is changed: MESH_SALT needs MESH_LISTEN'
mesh_settings MESH_PEERS=127.0.0.1:$base
check '... whichever half' hup 'nothing is changed: MESH_PEERS needs MESH_SALT'
mesh_settings MESH_SALT="$salt" MESH_PEERS=127.0.0.1:$base
check 'SIGHUP with another of MESH_PEERS' hup 'read again'
check '... which is dialled' within 5 linked 1
mesh_settings MESH_SALT='another one of the tests' MESH_LISTEN=127.0.0.1:$((base + 2)) MESH_PEERS=127.0.0.1:9
check 'SIGHUP says that a salt and a listener need a restart' hup 'MESH_SALT, MESH_LISTEN: a change of this needs a restart'
check '... and the link stays' linked 1
kill -TERM "$pid"
check 'it ends' ends_well 5
kill -9 "$neighbour"
wait "$neighbour" 2>/dev/null

# ---- the service manager

"$manager" "$dir/notify" >"$dir/heard" &
listener=$!
within 5 test -S "$dir/notify"
heard() {
    grep -qE "$1" "$dir/heard"
}
echo >"$dir/relay.env" MAX_SESSIONS=9
check 'it starts under a manager' start CONFIG="$dir/relay.env" NOTIFY_SOCKET="$dir/notify" WATCHDOG_USEC=400000
check '... tells it that it is ready' within 2 heard '^READY=1$'
check '... and of its port' heard "^STATUS=on UDP port $UDP_PORT; up$"
check '... and feeds the watchdog' within 2 heard '^WATCHDOG=1$'
kill -HUP "$pid"
check 'a reload begins' within 2 heard '^RELOADING=1$'
check '... with its time' within 2 heard '^MONOTONIC_USEC=[0-9]+$'
check '... and ends' within 2 heard "^STATUS=on UDP port $UDP_PORT; read again$"
echo >"$dir/relay.env" MAX_SESSIONS=many
kill -HUP "$pid"
check 'a reload that fails ends, too' within 2 heard "^STATUS=on UDP port $UDP_PORT; $dir/relay.env:1: MAX_SESSIONS: 'many'"
check 'READY came each time' test "$(grep -c '^READY=1$' "$dir/heard")" -eq 3
kill -USR1 "$pid"
check 'draining is a status' within 2 heard '^STATUS=draining'
kill -TERM "$pid"
check 'it ends' ends_well 2
check '... and has said so before' heard '^STOPPING=1$'

finish
