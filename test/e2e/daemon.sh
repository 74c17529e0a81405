#!/bin/sh
# The daemon as an operator meets it: options, identity files, config, health, signals.
#
#     daemon.sh PATH/TO/lumamesh-relay
#
# Prints TAP; exits 1 if a test failed.
set -u

relay=$1
tests=0
failed=0
started= # the process that a test has running
second=  # another
second_status=
tls_data=$(cd "$(dirname "$0")/../data/tls" && pwd) || exit 1
dir=$(mktemp -d "${TMPDIR:-/tmp}/lumamesh-daemon-XXXXXX")

clean_up() {
    [ -n "$started" ] && kill -9 "$started" 2>/dev/null
    [ -n "$second" ] && kill -9 "$second" 2>/dev/null
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

ok() {
    tests=$((tests + 1))
    echo "ok $tests - $1"
}

not_ok() {
    tests=$((tests + 1))
    failed=$((failed + 1))
    echo "not ok $tests - $1"
    sed 's/^/# /' "$dir/out" "$dir/err" 2>/dev/null
}

# check DESCRIPTION COMMAND…: the command's status decides.
check() {
    description=$1
    shift
    if "$@"; then ok "$description"; else not_ok "$description"; fi
}

# An environment without the settings of whoever runs this.
run_relay() {
    env -i PATH="$PATH" ${LSAN_OPTIONS:+LSAN_OPTIONS="$LSAN_OPTIONS"} STATE_DIR="$state" "$@" >"$dir/out" 2>"$dir/err"
}

# expect STATUS TEXT DESCRIPTION [VARIABLE=VALUE…] COMMAND…: the status, and the text in the one line on stderr.
expect() {
    status=$1 text=$2 description=$3
    shift 3
    run_relay "$@"
    got=$?
    if [ "$got" -eq "$status" ] && [ "$(wc -l <"$dir/err")" -eq 1 ] && grep -qF -e "$text" "$dir/err"; then
        ok "$description"
    else
        not_ok "$description (status $got)"
    fi
}

new_state() {
    state=$dir/state
    rm -rf "$state"
    mkdir "$state"
}

# Starts the daemon in the background and waits until it answers or has ended.
start_relay() {
    env -i PATH="$PATH" STATE_DIR="$state" HEALTH_LISTEN="127.0.0.1:$port" UDP_PORT="$udp_port" "$@" "$relay" \
        >"$dir/out" 2>"$dir/err" &
    started=$!
    i=0
    while [ $i -lt 100 ] && kill -0 "$started" 2>/dev/null; do
        fetch /healthz >/dev/null 2>&1 && return 0
        sleep 0.1
        i=$((i + 1))
    done
    return 1
}

# Sends a signal, waits for the end, and returns the daemon's status.
stop_relay() {
    kill "-$1" "$started"
    wait "$started"
    stopped=$?
    started=
    return $stopped
}

if command -v curl >/dev/null 2>&1; then
    fetch() {
        curl -sS -f -m 5 "http://127.0.0.1:$port$1"
    }
else
    fetch() {
        node -e 'fetch(process.argv[1]).then(async (r) => { if (!r.ok) process.exit(1); process.stdout.write(await r.text()); },
                 () => process.exit(1))' "http://127.0.0.1:$port$1"
    }
fi

# free_port: a number of which the ports of UDP and of TCP are free now, and that is not among those that connections come from.
free_port() {
    if command -v node >/dev/null 2>&1; then
        node -e 'const look = () => {
                     const number = 20000 + Math.floor(Math.random() * 12000);
                     const tcp = require("net").createServer(), udp = require("dgram").createSocket("udp4");
                     const again = () => { tcp.close(); look(); };
                     tcp.once("error", look).listen(number, "0.0.0.0", () => udp.once("error", again).bind(number, "0.0.0.0",
                         () => { console.log(number); tcp.close(); udp.close(); }));
                 };
                 look();'
    else
        echo $((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
    fi
}

# ---- options

new_state
expect 2 'PUBLIC_IP' 'a malformed PUBLIC_IP' PUBLIC_IP=203.0.113 "$relay"
expect 2 "'203.0.113'" 'the error repeats the bad value' PUBLIC_IP=203.0.113 "$relay"
expect 2 '--public-ip' 'a malformed --public-ip' "$relay" --public-ip=example.org
expect 2 '--no-such-option' 'an unknown option' "$relay" --no-such-option=1
expect 2 'surplus' 'an argument that is no option' "$relay" surplus
expect 2 '--udp-port needs a value' 'a missing value' "$relay" --udp-port
expect 2 'UDP_PORT' 'a port out of range' UDP_PORT=65536 "$relay"
expect 2 'MAX_SESSIONS' 'a number that is none' MAX_SESSIONS=many "$relay"
expect 2 'ICE_UFRAG' 'a short ICE_UFRAG' ICE_UFRAG=abc "$relay"
expect 2 'LOG_LEVEL' 'an unknown LOG_LEVEL' LOG_LEVEL=loud "$relay"
expect 2 'HEALTH_LISTEN' 'a malformed HEALTH_LISTEN' HEALTH_LISTEN=7401 "$relay"
expect 2 'DEMO needs HEALTH_LISTEN' 'DEMO without HEALTH_LISTEN' DEMO=1 "$relay"
expect 2 'ICE_PWD' 'a short ICE_PWD' ICE_PWD=hunter2 "$relay"
check 'the error does not repeat a secret' sh -c "! grep -q hunter2 '$dir/err'"
expect 1 "$dir/nowhere" 'a STATE_DIR that does not exist' STATE_DIR="$dir/nowhere" "$relay"
check 'errors in options leave no file behind' test -z "$(ls -A "$state")"

printf 'UDP_PORT=4000\n# why not\nUDP_PROT=4001\n' >"$dir/relay.env"
expect 2 "$dir/relay.env:3: unknown setting 'UDP_PROT'" 'an unknown key in a file' "$relay" --config "$dir/relay.env"
expect 2 "$dir/none.env" 'a CONFIG that does not exist' CONFIG="$dir/none.env" "$relay"
expect 2 "ICE_PWD_FILE: $dir/none" 'a secret that cannot be read' ICE_PWD_FILE="$dir/none" "$relay"
expect 2 'both set' 'a secret that is given twice' ICE_PWD_FILE="$dir/none" "$relay" --ice-pwd=0123456789012345678901

# ---- options of TCP, TLS and TURN

good_secret=a-secret-of-the-tests
expect 2 'TCP_PORT' 'a TCP_PORT that is none' TCP_PORT=many "$relay"
expect 2 'TLS_PORT' 'a TLS_PORT out of range' TLS_PORT=65536 "$relay"
expect 2 'TLS_PORT needs TLS_CERT and TLS_KEY: set both' 'TLS_PORT alone' TLS_PORT=5349 "$relay"
expect 2 'set TLS_KEY, too' 'TLS_PORT without a key' TLS_PORT=5349 TLS_CERT="$tls_data/p256.pem" "$relay"
expect 2 'set TLS_CERT, too' 'TLS_PORT without a certificate' TLS_PORT=5349 TLS_KEY="$tls_data/p256.key" "$relay"
expect 2 'TLS_PORT and TCP_PORT are both 3478' 'TLS_PORT at the number of TCP_PORT' \
    TLS_PORT=3478 TLS_CERT="$tls_data/p256.pem" TLS_KEY="$tls_data/p256.key" "$relay"
expect 2 'TCP_PORT and HEALTH_LISTEN both have port 7401' 'TCP_PORT at the number of HEALTH_LISTEN' \
    TCP_PORT=7401 HEALTH_LISTEN=127.0.0.1:7401 "$relay"
expect 2 'closed, open or off' 'an unknown TURN' TURN=on "$relay"
expect 2 'TURN_PORTS' 'TURN_PORTS from below 1024' TURN_PORTS=1000-2000 "$relay"
expect 2 'TURN_PORTS' 'TURN_PORTS backwards' TURN_PORTS=3000-2000 "$relay"
expect 2 'TURN_SECRET: the value is not usable' 'a short TURN_SECRET' TURN_SECRET=hunter2 "$relay"
check 'the error does not repeat it' sh -c "! grep -q hunter2 '$dir/err'"
expect 2 'TURN_SECRET: 1 to 4 secrets of 16 to 256 characters' 'a short one among several' \
    TURN_SECRET=$good_secret,hunter2 "$relay"
check 'the error does not repeat that one, nor the good one' sh -c "! grep -q -e hunter2 -e $good_secret '$dir/err'"
printf '%s,hunter2\n' $good_secret >"$dir/secrets"
expect 2 'TURN_SECRET: 1 to 4 secrets' 'the same in a file' TURN_SECRET_FILE="$dir/secrets" "$relay"
expect 2 'TURN_SECRET_FILE: ' 'a file of secrets that is not there' TURN_SECRET_FILE="$dir/none" "$relay"
expect 2 'both set' 'secrets that are given twice' TURN_SECRET=$good_secret TURN_SECRET_FILE="$dir/secrets" "$relay"
expect 2 'TURN_REALM' 'a TURN_REALM with quotes' TURN_REALM='a"b' "$relay"
expect 2 '"10.0.0.0/33" is no network' 'TURN_ALLOW_PEERS names the item that is wrong' \
    TURN_ALLOW_PEERS=10.1.0.0/16,10.0.0.0/33,fd00::/8 "$relay"
expect 2 'MAX_ALLOCATIONS' 'no allocations at all' MAX_ALLOCATIONS=0 "$relay"
expect 2 'MAX_ALLOCATIONS_PER_USER' 'a quota that is no number' MAX_ALLOCATIONS_PER_USER=few "$relay"
expect 2 'TURN_RATE' 'a rate that is no number' TURN_RATE=1M "$relay"
check 'these leave no file behind, either' test -z "$(ls -A "$state")"

tls_files() { # tls_files CERT KEY STATUS TEXT DESCRIPTION
    expect "$3" "$4" "$5" TLS_PORT=5349 TLS_CERT="$1" TLS_KEY="$2" "$relay" --check-config
}
tls_files "$dir/none.pem" "$tls_data/p256.key" 1 "$dir/none.pem" 'a certificate that is not there'
tls_files "$tls_data/p256.pem" "$dir/none.key" 1 "$dir/none.key" 'a TLS key that is not there'
tls_files "$tls_data/README.md" "$tls_data/p256.key" 1 "$tls_data/README.md" 'a certificate that is none'
tls_files "$tls_data/p256.pem" "$tls_data/README.md" 1 "$tls_data/README.md" 'a TLS key that is none'
tls_files "$tls_data/p256.pem" "$tls_data/p384.key" 1 "$tls_data/p384.key" "another certificate's TLS key"
tls_files "$tls_data" "$tls_data/p256.key" 1 "$tls_data" 'a certificate that is a directory'
expect 1 "$dir/none.pem" 'a start without its certificate' \
    TLS_PORT=5349 TLS_CERT="$dir/none.pem" TLS_KEY="$tls_data/p256.key" "$relay"
check '... which leaves no file behind' test -z "$(ls -A "$state")"

# check_config VARIABLE=VALUE...: with these the check is content.
check_config() { run_relay "$@" "$relay" --check-config && [ ! -s "$dir/err" ]; }
check 'TLS and all of TURN can be set' check_config TCP_PORT=443 TLS_PORT=5349 TLS_CERT="$tls_data/p256.pem" \
    TLS_KEY="$tls_data/p256.key" TURN=open TURN_PORTS=50000-50099 TURN_SECRET=$good_secret,another-$good_secret \
    TURN_REALM=turn.example TURN_ALLOW_PEERS=10.0.0.0/8,fd00::/8,192.0.2.1 MAX_ALLOCATIONS=5 MAX_ALLOCATIONS_PER_USER=0 \
    TURN_RATE=100000
check '... and no secret is printed' sh -c "grep -q '^TURN_SECRET=(hidden)' '$dir/out' && ! grep -q $good_secret '$dir/out'"
check 'TCP can be off' check_config TCP_PORT=off TURN=off
check '... which takes less memory' grep -q ' 0 MB for TURN, 0 MB for streams' "$dir/out"

run_relay PUBLIC_IP=x "$relay" --help
check '--help works whatever the environment is' test $? -eq 0
check '--help names the options' grep -q -e '--max-room-size' "$dir/out"
run_relay "$relay" --version
check '--version works' grep -q '^lumamesh-relay [0-9]' "$dir/out"
check '--help and --version leave no file behind' test -z "$(ls -A "$state")"

expect 1 "$dir/relay.env:3: unknown setting 'UDP_PROT'" '--check-config says what is wrong and where' \
    "$relay" --check-config --config "$dir/relay.env"
expect 1 "$dir/nowhere" '--check-config looks at STATE_DIR' STATE_DIR="$dir/nowhere" "$relay" --check-config
printf 'UDP_PROT=4001\nthree\nMAX_SESSIONS=0\n' >"$dir/wrong.env"
run_relay DEMO=1 LOG_LEVEL=loud "$relay" --check-config --config "$dir/wrong.env" --no-such-option
check '--check-config with several problems ends with status 1' test $? -eq 1
check '... and has a line for each' test "$(wc -l <"$dir/err")" -eq 6
for text in "$dir/wrong.env:1: unknown setting" "$dir/wrong.env:2: there is no '='" "$dir/wrong.env:3: MAX_SESSIONS: '0'" \
    "LOG_LEVEL: 'loud'" "unknown option '--no-such-option'" 'DEMO needs HEALTH_LISTEN'; do
    check "... among them $text" grep -qF -e "$text" "$dir/err"
done
expect 2 '(and 5 more: --check-config lists them)' 'a start says the first, and how many more there are' \
    DEMO=1 LOG_LEVEL=loud "$relay" --config "$dir/wrong.env" --no-such-option
yes 'UDP_PROT=1' | head -n 40 >"$dir/wrong.env"
run_relay "$relay" --check-config --config "$dir/wrong.env"
check '--check-config does not list without end' test "$(wc -l <"$dir/err")" -eq 33
check '... but says how many are left' test "$(tail -n 1 "$dir/err")" = 'lumamesh-relay: and 8 more'
run_relay PUBLIC_IP=203.0.113.1,203.0.113.2 PUBLIC_IP6=2001:db8::1 "$relay" --check-config
check '--check-config says what browsers dial' grep -qx \
    'browsers dial: 203.0.113.1:3478, 203.0.113.2:3478, \[2001:db8::1\]:3478' "$dir/out"
run_relay PUBLIC_IP=- PUBLIC_IP6=2001:db8::1 "$relay" --check-config
check '... and who does not' grep -q '^browsers dial: \[2001:db8::1\]:3478 (no IPv4' "$dir/out"
run_relay ICE_PWD=0123456789012345678901 "$relay" --check-config
check '--check-config is content with the defaults' test $? -eq 0
check '--check-config prints settings and where they come from' grep -qE '^STATE_DIR=.* environment$' "$dir/out"
check '--check-config prints the memory bound' grep -q '^memory: .* at the very most' "$dir/out"
check '--check-config says that there is no identity' grep -q 'the first run makes an identity' "$dir/out"
check '--check-config prints no secret' sh -c "grep -q '^ICE_PWD=(hidden)' '$dir/out' && ! grep -q 01234567 '$dir/out'"
check '--check-config leaves no file behind' test -z "$(ls -A "$state")"

# ---- status of no relay

expect 1 'give --health' 'status without a place to ask' "$relay" status
expect 1 'no relay can be reached at 127.0.0.1:1: ' 'status of no relay' HEALTH_LISTEN=127.0.0.1:1 "$relay" status
expect 2 "--health: '7401' is not usable" 'status at no address' "$relay" status --health=7401
expect 2 '--health needs a value' 'status at nothing' "$relay" status --health
expect 2 "unexpected argument 'status'" 'status behind an option' "$relay" --demo status
expect 2 '--no-such-option' 'status with an unknown option' "$relay" status --no-such-option
check 'status leaves no file behind' test -z "$(ls -A "$state")"

# ---- turn-credential

expect 2 'turn-credential: name the user' 'turn-credential for nobody' "$relay" turn-credential
expect 2 'turn-credential: name the user' 'turn-credential for an option' "$relay" turn-credential --turn=open
expect 2 'at most 107 bytes' 'turn-credential for a long user' "$relay" turn-credential "$(printf '%0108d' 0)"
expect 2 "unexpected argument 'lovelace'" 'turn-credential for two' "$relay" turn-credential ada lovelace
expect 2 '--no-such-option' 'turn-credential with an unknown option' "$relay" turn-credential ada --no-such-option
expect 1 'TURN_SECRET is not set' 'turn-credential without a secret' "$relay" turn-credential ada
expect 1 'TURN is off' 'turn-credential without TURN' TURN=off TURN_SECRET=$good_secret "$relay" turn-credential ada
run_relay TURN_SECRET=$good_secret,the-older-$good_secret PUBLIC_IP=203.0.113.10 "$relay" turn-credential ada
check 'turn-credential needs no identity' test $? -eq 0
check '... and makes none' test -z "$(ls -A "$state")"
check '... prints one line of JSON' test "$(wc -l <"$dir/out")" -eq 1
check '... with URLs, username, credential and ttl' grep -qE "^$(printf '%s' '\{"urls":\["turn:203.0.113.10:3478\?transport=udp",' \
    '"turn:203.0.113.10:3478\?transport=tcp"\],"username":"[0-9]{10}:ada","credential":"[A-Za-z0-9+/]{27}=","ttl":86400\}')\$" \
    "$dir/out"
username=$(sed 's/.*"username":"\([^"]*\)".*/\1/' "$dir/out")
ends=$((${username%%:*} - $(date +%s)))
check '... good for a day' test "$ends" -gt 86390 -a "$ends" -le 86400
check '... and nothing else' test ! -s "$dir/err"
if command -v openssl >/dev/null 2>&1; then
    check '... made with the first secret' test "$(sed 's/.*"credential":"\([^"]*\)".*/\1/' "$dir/out")" = \
        "$(printf %s "$username" | openssl dgst -sha1 -hmac $good_secret -binary | base64)"
fi
printf '%s\n' $good_secret >"$dir/secrets"
run_relay TURN_SECRET_FILE="$dir/secrets" TLS_PORT=5349 TLS_CERT=not-looked-at TLS_KEY=neither TCP_PORT=off \
    PUBLIC_HOST=relay.example "$relay" turn-credential ada
check 'turn-credential takes the secret from its file' test $? -eq 0
check '... and offers the ports that there are' grep -qF \
    '"urls":["turn:127.0.0.1:3478?transport=udp","turns:relay.example:5349?transport=tcp"]' "$dir/out"

# ---- config

run_relay PUBLIC_IP=203.0.113.10 "$relay" --print-config
check '--print-config works on the first run' test $? -eq 0
cp "$dir/out" "$dir/first.json"
run_relay PUBLIC_IP=203.0.113.10 "$relay" --print-config
check '--print-config prints the same again' cmp -s "$dir/out" "$dir/first.json"
check '--print-config prints nothing else' test ! -s "$dir/err"
run_relay PUBLIC_IP= UDP_PORT= ICE_PWD= "$relay" --print-config --public-ip 203.0.113.10
check 'empty variables count as unset, and a flag wins' cmp -s "$dir/out" "$dir/first.json"
printf '; the same from a file\nPUBLIC_IP="203.0.113.10"\nUDP_PORT=99\n' >"$dir/relay.env"
run_relay UDP_PORT=3478 "$relay" --print-config --config="$dir/relay.env"
check 'a file is read, and a variable wins over it' cmp -s "$dir/out" "$dir/first.json"
run_relay PUBLIC_IP=203.0.113.10 "$relay" --print-blob
check '--print-blob prints one line' test "$(wc -l <"$dir/out")" -eq 1
# The blob, decoded, is the JSON without its white space; no value of it has a space.
blob=$(sed 's/^lm1\.//' "$dir/out" | tr '_-' '/+')
while [ $((${#blob} % 4)) -ne 0 ]; do blob="$blob="; done
check 'the blob decodes to the config' test "$(printf %s "$blob" | base64 -d)" = "$(tr -d ' \n' <"$dir/first.json")"
check 'the keys are sorted' sh -c "grep -o '\"[a-z0-9]*\":' '$dir/first.json' | LC_ALL=C sort -c"

for file in server.key server.key.icepwd node.key; do
    check "$file has mode 0600" test "$(stat -c %a "$state/$file")" = 600
done
check 'there is nothing but the four files' test "$(cd "$state" && find . -type f | LC_ALL=C sort | tr '\n' ' ')" = \
    "./node.key ./server.crt ./server.key ./server.key.icepwd "

# ---- identity files

cp -R "$state" "$dir/whole"
# broken FILE TEXT DESCRIPTION: with the state as the caller has left it, the start fails, naming the file; nothing changes.
broken() {
    before=$(cd "$state" && ls -la && cat ./* 2>/dev/null | cksum)
    expect 1 "$state/$1" "$1 $3" "$relay" --print-config
    check "... and the error says: $2" grep -qF -e "$2" "$dir/err"
    check '... and no file has changed' test "$before" = "$(cd "$state" && ls -la && cat ./* 2>/dev/null | cksum)"
    rm -rf "$state"
    cp -R "$dir/whole" "$state"
}
echo garbage >"$state/node.key"
echo garbage >"$state/server.key.icepwd"
run_relay "$relay" --check-config
check '--check-config lists every broken file' test "$(grep -c 'restore it from the backup' "$dir/err")" -eq 2
rm -rf "$state"
cp -R "$dir/whole" "$state"
for file in server.crt server.key server.key.icepwd node.key; do
    rm "$state/$file"
    broken $file 'is missing' 'missing'
    : >"$state/$file"
    broken $file 'is empty' 'empty'
    echo garbage >"$state/$file"
    expect 1 "$state/$file" "--check-config finds a broken $file" "$relay" --check-config
    broken $file 'restore it from the backup' 'with garbage in it'
    rm "$state/$file" && mkdir "$state/$file"
    broken $file 'is a directory' 'a directory'
    rm "$state/$file" && ln -s "$file" "$state/$file"
    broken $file 'cannot be read' 'unreadable'
done
state=$dir/other
mkdir "$state"
run_relay "$relay" --print-config
state=$dir/state
cp "$dir/other/server.key" "$state/server.key"
broken server.key 'does not belong to the certificate' 'of another certificate'
chmod 644 "$state/node.key"
run_relay "$relay" --print-config
check 'a private file that others can read is worth a warning' grep -q 'node.key is private' "$dir/err"
chmod 600 "$state/node.key"

# ---- running

new_state
port=$(free_port)
udp_port=$(free_port)
check 'it starts and answers' start_relay
check 'the first run prints the blob' grep -q '^lm1\.' "$dir/out"
fetch /healthz >"$dir/health"
check 'health is as documented' grep -qE '^\{"nodeId":"[A-Za-z0-9_-]{43}","ok":true,"ts":[0-9]{13}\}$' "$dir/health"
fetch /readyz >"$dir/ready"
check 'it is ready' test "$(cat "$dir/ready")" = '{"ready":true}'
fetch /statsz >"$dir/statsz"
check 'statistics are JSON' grep -qE '^\{"version":"[0-9.]+","nodeId":"[A-Za-z0-9_-]{43}","ready":true,.*\}$' "$dir/statsz"
fetch /metrics >"$dir/metrics"
check 'metrics are there' grep -qE '^lumamesh_stun_requests_total [0-9]+$' "$dir/metrics"
check 'its file descriptors are counted' grep -qE '^process_open_fds [1-9][0-9]*$' "$dir/metrics"
run_relay HEALTH_LISTEN="127.0.0.1:$port" "$relay" status
check 'status asks it at HEALTH_LISTEN' test $? -eq 0
check 'status says what it is' grep -qE '^relay       lumamesh-relay [0-9.]+, ready$' "$dir/out"
check 'status says how long' grep -qE '^up          [0-9]+ s, since [0-9-]{10} [0-9:]{8} UTC$' "$dir/out"
check 'status says what was dropped' grep -qx 'dropped     nothing' "$dir/out"
run_relay "$relay" status --json --health "127.0.0.1:$port"
check 'status --json prints the report' grep -qE '^\{"version":.*"openFds":[0-9]+.*\}$' "$dir/out"
run_relay HEALTH_LISTEN=127.0.0.1:1 "$relay" status --health="127.0.0.1:$port"
check '--health goes before HEALTH_LISTEN' test $? -eq 0
no_demo() {
    ! fetch /demo >/dev/null 2>&1
}
check 'there is no demo' no_demo
run_second() {
    env -i STATE_DIR="$state" HEALTH_LISTEN="127.0.0.1:$port" UDP_PORT="$(free_port)" "$relay" >"$dir/out2" 2>"$dir/err2"
    [ $? -eq 1 ] && [ "$(grep -c . "$dir/err2")" -eq 1 ] && grep -q "127.0.0.1:$port" "$dir/err2"
}
check 'a taken HEALTH_LISTEN is an error in one line' run_second
# The other program that has the port is this relay's health server.
start_second() {
    second_health=$(free_port)
    mkdir -p "$dir/second"
    : >"$dir/err2" # the last one's
    env -i PATH="$PATH" STATE_DIR="$dir/second" UDP_PORT="$port" HEALTH_LISTEN="127.0.0.1:$second_health" "$@" "$relay" \
        >"$dir/out2" 2>"$dir/err2" &
    second=$!
    i=0
    while [ $i -lt 100 ] && kill -0 "$second" 2>/dev/null; do
        grep -q 'relay is up' "$dir/err2" && return 0
        sleep 0.1
        i=$((i + 1))
    done
    wait "$second"
    second_status=$?
    second=
    return 1
}
check 'it starts although another program has its TCP port' start_second
check '... with a warning that says so' grep -qE "Z warn  .*TCP port $port.*" "$dir/err2"
port_kept=$port
port=$second_health
fetch /blob | sed 's/^lm1\.//' | tr '_-' '/+' >"$dir/blob2"
port=$port_kept
while [ $(($(tr -d '\n' <"$dir/blob2" | wc -c) % 4)) -ne 0 ]; do printf '%s=' "$(cat "$dir/blob2")" >"$dir/blob2"; done
base64 -d <"$dir/blob2" >"$dir/config2"
check '... and its config has no TCP port' sh -c "grep -q '\"port\":$port' '$dir/config2' && ! grep -q '\"tcp\"' '$dir/config2'"
kill -TERM "$second"
wait "$second"
check '... and ends with status 0' test $? -eq 0
second=
no_second() { ! start_second "$@"; }
check 'a chosen TCP_PORT that is in use is an error' no_second UDP_PORT="$(free_port)" TCP_PORT="$port"
check '... with status 1' test "$second_status" -eq 1
check '... in one line' sh -c "[ \$(grep -c . '$dir/err2') -eq 1 ] && grep -q 'TCP port $port' '$dir/err2'"
check 'a TLS_PORT that is in use, too' no_second UDP_PORT="$(free_port)" TLS_PORT="$port" TLS_CERT="$tls_data/p256.pem" \
    TLS_KEY="$tls_data/p256.key"
check '... with status 1' test "$second_status" -eq 1
check '... in one line, too' sh -c "[ \$(grep -c . '$dir/err2') -eq 1 ] && grep -q 'port $port' '$dir/err2'"
run_third() {
    env -i STATE_DIR="$state" UDP_PORT="$udp_port" "$relay" >"$dir/out2" 2>"$dir/err2"
    [ $? -eq 1 ] && [ "$(grep -c . "$dir/err2")" -eq 1 ] && grep -q "UDP port $udp_port" "$dir/err2"
}
check 'a taken UDP_PORT is an error in one line' run_third
check 'SIGTERM ends it with status 0' stop_relay TERM
check 'it starts again' start_relay DEMO=1
check 'DEMO ends the output with where to look' test "$(tail -n 1 "$dir/out")" = \
    "open http://127.0.0.1:$port/demo in two tabs"
fetch /demo/relay.json >"$dir/relay.json"
run_relay UDP_PORT="$udp_port" "$relay" --print-config
check 'the demo gets the config' test "$(cat "$dir/relay.json")" = "$(tr -d ' \n' <"$dir/out")"
fetch /demo >"$dir/page"
check 'the demo page is served' grep -qi '<!doctype html' "$dir/page"
fetch /demo/lumamesh.js >"$dir/page"
check 'the library is served' test -s "$dir/page"
served() {
    fetch "$1" >/dev/null
}
readme=$(dirname "$0")/../../README.md
check 'the README has a table of paths' test "$(sed -n 's/^| `\(\/[a-z]*\)` |.*/\1/p' "$readme" | wc -l)" -ge 7
for path in $(sed -n 's/^| `\(\/[a-z]*\)` |.*/\1/p' "$readme"); do
    check "$path is served, as the README says" served "$path"
done
check 'SIGINT ends it with status 0' stop_relay INT
check 'it logs with time and level' grep -qE '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z info ' "$dir/err"

check 'it starts with LOG_FORMAT=json' start_relay LOG_FORMAT=json
check '... and stops' stop_relay TERM
line='^\{"time":"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{12}Z","level":"info","msg":"[^"]+"\}$'
check '... and logs a JSON object a line' test "$(grep -cE "$line" "$dir/err")" -eq "$(wc -l <"$dir/err")"
check '... at all' grep -q '"msg":"stopping on SIGTERM"' "$dir/err"

# The README's table and --help name the same settings.
run_relay "$relay" --help
sed -n 's/^  --\([a-z0-9-]*\).*/\1/p' "$dir/out" | grep -vE '^(help|version|print-|check-)' | tr 'a-z-' 'A-Z_' | sort >"$dir/help.names"
sed -n '/^| variable/,/^$/p' "$(dirname "$0")/../../README.md" | sed -n 's/^| \(`[^|]*\)|.*/\1/p' | tr ',' '\n' | tr -d '` ' |
    sort >"$dir/readme.names"
check 'the README names the settings that --help names' cmp "$dir/help.names" "$dir/readme.names"

echo "1..$tests"
[ $failed -eq 0 ]
