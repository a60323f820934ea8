#!/bin/bash
# The load generator against the server: every kind of operation over UDP and TCP, with digest, from
# many ports; what it reports is what the server has seen, and it tells of a server that goes away.
. "$(dirname "$0")/lib.sh"
needs python3

# load KIND TARGET ARGS: a run with its report in $T/report.json and its status in $STATUS.
load() {
    STATUS=0
    timeout 30 "$OFFHOOK" load "$@" -o json >"$T/report.json" 2>"$T/report.err" || STATUS=$?
}

# report EXPRESSION: holds for the report, which is `o`.
report() {
    python3 - "$T/report.json" "$1" <<'PY' || fail "not $1: $(head -c 600 "$T/report.json")"
import json, sys
o = json.load(open(sys.argv[1]))
sys.exit(0 if eval(sys.argv[2]) else 1)
PY
}

ALL='o["ok"] and o["completed"] == o["attempted"] == 60 and o["failed"] == 0'

# every_kind TARGET: each operation, so many that each user has its turn more than once.
every_kind() {
    local kind
    for kind in options register "message --register-first" call; do
        # shellcheck disable=SC2086 # the option of message is a word of its own
        load $kind "$1" --domain 127.0.0.1 --rate 200 --count 60 --users 12
        [ "$STATUS" = 0 ] || fail "$kind: status $STATUS, $(cat "$T/report.err")" || return
        report "$ALL and o[\"latency_ms\"][\"p99\"] > 0" || return
    done
}

# Calls that are up for a while, from more ports than a worker has sockets, by two threads.
many_ports() {
    load call "127.0.0.1:$PORT" --domain 127.0.0.1 --rate 200 --count 60 --users 200 --threads 2 \
        --ports 64 --hold 300ms
    report "$ALL and o[\"threads\"] == 2 and o[\"ports\"] == 64 and o[\"setup_ms\"][\"p50\"] > 0"
}

# A ramp that is held to its end has no limit to look for; one that never is, is given up at once.
ramp() {
    load options "127.0.0.1:$PORT" --domain 127.0.0.1 --ramp 50:100:200ms:2 --p99-max 10000
    report 'o["ok"] and o["highest_rate_held"] == 100 and len(o["steps"]) == 2' || return
    load options "127.0.0.1:$PORT" --domain 127.0.0.1 --ramp 50:100000:200ms:100 --p99-max 0.001
    [ "$STATUS" = 1 ] || fail "nothing is held: status $STATUS" || return
    report 'o["highest_rate_held"] is None and [s["rate"] for s in o["steps"]] == [50, 50]'
}

# Nobody is left behind in the server by the calls and messages; `register` leaves its bindings.
signed_off() {
    offhook phones -o json >"$T/phones.json" || fail "offhook phones failed" || return
    python3 - "$T/phones.json" <<'PY' || fail "phones: $(head -c 300 "$T/phones.json")"
import json, sys
o = json.load(open(sys.argv[1]))
rows = next(v for v in o.values() if isinstance(v, list))
sys.exit(0 if len(rows) == 12 else 1)
PY
}

# passwords N: accounts u000000 ... with one password for all, which is in $T/password.
passwords() {
    local i
    local users=()
    for ((i = 0; i < $1; i++)); do
        users+=("$(printf 'u%06d@127.0.0.1:secret-100%%' "$i")")
    done
    echo 'secret-100%' >"$T/password"
    accounts "${users[@]}"
}

with_digest() {
    local kind
    for kind in register call; do
        load $kind "127.0.0.1:$PORT" --domain 127.0.0.1 --rate 100 --count 60 --users 6 \
            --password-file "$T/password"
        report "$ALL and o[\"challenges\"] >= 6" || return
    done
    load call "127.0.0.1:$PORT" --domain 127.0.0.1 --count 5 --users 6
    [ "$STATUS" = 6 ] || fail "without passwords: status $STATUS, $(cat "$T/report.json")" || return
    report '"answers 401" in o["error"] and "give --accounts" in o["error"]' || return
    echo 'something else' >"$T/password.wrong"
    load call "127.0.0.1:$PORT" --domain 127.0.0.1 --count 5 --users 6 \
        --password-file "$T/password.wrong"
    report '"other passwords there" in o["error"]'
}

LOST='not o["stopped"] and o["completed"] > 0 and o["failures"]["reasons"]["connection"] > 50'

# The server ends in the middle: what was under way is counted, by reason, and the run goes on.
killed() {
    local load_pid
    timeout 30 "$OFFHOOK" load options "tcp:127.0.0.1:$PORT" --rate 100 --duration 2 -o json \
        >"$T/report.json" 2>"$T/report.err" &
    load_pid=$!
    PIDS+=("$load_pid")
    until_true 5 grep -q "$(printf '0100007F:%04X 01' "$PORT")" /proc/net/tcp
    sleep 0.3 # some of the 200 are to be answered
    kill -KILL "$SERVER_PID"
    wait "$SERVER_PID" 2>/dev/null
    STATUS=0
    wait "$load_pid" || STATUS=$?
    report "$LOST and o[\"completed\"] + o[\"failed\"] == o[\"attempted\"] == 200"
}

# What cannot be is said before anything is sent.
refused() {
    printf 'user,pasword\n101,x\n' >"$T/wrong.csv"
    "$OFFHOOK" load register 127.0.0.1 --accounts "$T/wrong.csv" >"$T/out" 2>&1
    grep -q 'wrong.csv, line 1: unknown column "pasword": there are user, domain' "$T/out" ||
        fail "an unknown column: $(cat "$T/out")" || return
    "$OFFHOOK" load call 192.0.2.1 --count 1 >"$T/out" 2>&1
    grep -q 'public address' "$T/out" || fail "a public address: $(cat "$T/out")" || return
    "$OFFHOOK" load call 127.0.0.1 --ramp 20:10:1 >"$T/out" 2>&1
    grep -q -- '--ramp 20:10:1: it must be .* and rise' "$T/out" ||
        fail "a ramp downwards: $(cat "$T/out")" || return
    "$OFFHOOK" load call 127.0.0.1 --ports 65 >"$T/out" 2>&1
    grep -q -- '--ports 65: it must be a number from 1 to 64' "$T/out" ||
        fail "too many ports: $(cat "$T/out")" || return
    "$OFFHOOK" load call "udp:127.0.0.1" --transport tcp >"$T/out" 2>&1
    grep -q 'the target says something else' "$T/out" || fail "two transports: $(cat "$T/out")"
}

# Where nobody is, and where nobody is registered, it says so and what may be done.
advised() {
    "$OFFHOOK" load call 127.0.0.1:9 --count 1 >"$T/out" 2>&1
    grep -q 'registered at udp:127.0.0.1:9: connection refused.*no server listens there' "$T/out" ||
        fail "nobody there: $(cat "$T/out")" || return
    "$OFFHOOK" load options 127.0.0.1:9 --count 1 >"$T/out" 2>&1
    grep -q '(no server listens there: start one' "$T/out" || fail "options: $(cat "$T/out")"
}

# Nobody is registered under the names of the messages.
nobody_registered() {
    "$OFFHOOK" load message "127.0.0.1:$PORT" --domain 127.0.0.1 --count 1 --user-format 'x%d' \
        >"$T/out" 2>&1
    grep -q '404 Not Found' "$T/out" && grep -q 'add --register-first' "$T/out" ||
        fail "$(cat "$T/out")"
}

W=2
new_state
test_case "load refuses with a reason" refused
test_case "load says what may be done about failures" advised
server --no-auth --domain 127.0.0.1 && {
    test_case "load: every kind over UDP" every_kind "127.0.0.1:$PORT"
    test_case "load: only register leaves bindings" signed_off
    test_case "load: every kind over TCP" every_kind "tcp:127.0.0.1:$PORT"
    test_case "load: messages to nobody" nobody_registered
    test_case "load: calls from 64 ports by two threads" many_ports
    test_case "load: a ramp, held and not held" ramp
    test_case "load: the server is killed" killed
} || not_ok "a server for load" "$STEP_WHY"
new_state
server --domain 127.0.0.1 && passwords 6 && {
    test_case "load: digest" with_digest
    test_case "load: the server ends cleanly" stop_server
} || not_ok "a server with accounts for load" "$STEP_WHY"
