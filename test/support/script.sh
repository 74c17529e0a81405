# shellcheck shell=sh
# What test scripts begin with, sourced: TAP, a folder of their own, and a relay in it.
#
#     dir       the folder; gone when the script ends
#     pid       the relay's, "" while there is none
#     subject   what the tests are about, in front of each description
#     tests, failed
tests=0
failed=0
pid=
subject=
dir=$(mktemp -d "${TMPDIR:-/tmp}/lumamesh-test-XXXXXX") || exit 1

# Whatever the script has in the background ends with it.
clean_up() {
    jobs -p >"$dir/jobs"
    # shellcheck disable=SC2046 # some numbers, or none
    [ ! -s "$dir/jobs" ] || kill -9 $(cat "$dir/jobs") 2>/dev/null || :
    rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# What a failed test shows; a script may have its own.
explain() { tail -n 20 "$dir/log" 2>/dev/null | tr -d '\000'; }

# How a test's command is run; a script may keep what it prints.
run() { "$@"; }

# check DESCRIPTION COMMAND...: the command's status decides.
check() {
    tests=$((tests + 1))
    description=${subject:+$subject: }$1
    shift
    if run "$@"; then echo "ok $tests - $description"; else
        failed=$((failed + 1))
        echo "not ok $tests - $description"
        explain "$@" | sed 's/^/# /'
    fi
}

# The end of a script.
finish() {
    echo "1..$tests"
    echo "# pass $((tests - failed))"
    echo "# fail $failed"
    [ "$failed" = 0 ]
}

# within SECONDS COMMAND...: until it is true.
within() {
    tries=$(($1 * 20))
    shift
    while [ $tries -gt 0 ]; do
        "$@" 2>/dev/null && return 0
        sleep 0.05
        tries=$((tries - 1))
    done
    return 1
}

gone() { ! kill -0 "$1" 2>/dev/null; }
logged() { grep -qF -e "$1" "$dir/log"; }
is_up_or_gone() { logged 'relay is up' || gone "$pid"; }

# start_relay COMMAND...: in the background, with UDP_PORT and the two numbers after it free: the relay says so if they are not.
# with_port is called before each try. False if it does not start.
with_port() { :; }
start_relay() {
    for try in 1 2 3 4 5; do
        UDP_PORT=$((20000 + ($$ * 13 + tests * 7 + try * 139) % 12000))
        export UDP_PORT
        with_port || return 1
        : >"$dir/log"
        "$@" >"$dir/out" 2>"$dir/log" &
        pid=$!
        within 10 is_up_or_gone
        logged 'relay is up' && return 0
        kill -9 "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
        pid=
    done
    return 1
}

# Ends the relay; its status.
stop_relay() {
    kill -TERM "$pid"
    wait "$pid"
    status=$?
    pid=
    return $status
}
