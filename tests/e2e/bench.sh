#!/bin/bash
# The programs of `make bench` build, run for a moment, and measure something. How fast anything is
# is not a test: machines differ, and this one is busy.
. "$(dirname "$0")/lib.sh"

BENCH=$(dirname "$OFFHOOK_FAST")/bench
OFFHOOK=$OFFHOOK_FAST

builds() {
    cmake --build "$(dirname "$OFFHOOK_FAST")" --target bench-blast bench-echo bench-parse \
        >"$T/build.txt" 2>&1 || fail "$(grep -m 3 rror "$T/build.txt")"
}

# value NAME: of the generator's line.
value() {
    sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" "$T/blast.txt"
}

blast() {
    timeout 20 "$BENCH/bench-blast" "$@" >"$T/blast.txt" 2>"$T/blast.err"
}

# drive MODE MESSAGES [ARGS]: every operation is done, of so many messages, and costs CPU time.
drive() {
    local mode=$1 messages=$2
    shift 2
    blast "$mode" 127.0.0.1 "$PORT" --users 50 --window 20 --count 300 --pid "$SERVER_PID" "$@" || {
        fail "$mode: $(cat "$T/blast.txt" "$T/blast.err")"
        return
    }
    [ "$(value done)" = 300 ] && [ "$(value resent)" = 0 ] &&
        [ "$(value messages)" = $((300 * messages)) ] && [ "$(value cpu_us_op)" != 0.000 ] &&
        [ "$(value pss_kib)" -gt 1000 ] || fail "$mode: $(cat "$T/blast.txt")"
}

# An open loop begins what its rate says, and no more.
open_loop() {
    blast options 127.0.0.1 "$PORT" --rate 1000 --seconds 0.5 --warmup 0.1 || {
        fail "$(cat "$T/blast.err")"
        return
    }
    [ "$(value begun)" -ge 450 ] && [ "$(value begun)" -le 501 ] && [ "$(value failed)" = 0 ] ||
        fail "1000/s for half a second: $(cat "$T/blast.txt")"
}

# Where nobody answers the generator says so, and how often it asked.
nobody() {
    local port status=0
    port=$(free_ports 1)
    blast options 127.0.0.1 "$port" --window 2 --count 2 --resend 50 --patience 0.5 || status=$?
    [ "$status" = 1 ] && [ "$(value done)" = 0 ] && [ "$(value failed)" = 2 ] &&
        [ "$(value resent)" -ge 2 ] || fail "status $status: $(cat "$T/blast.txt" "$T/blast.err")"
}

# Phones that may not register stop the run: it would measure refusals.
refused() {
    local status=0
    blast message 127.0.0.1 "$PORT" --users 2 --count 2 || status=$?
    [ "$status" = 1 ] && grep -q 'could not register' "$T/blast.err" ||
        fail "status $status: $(cat "$T/blast.txt" "$T/blast.err")"
}

wrong_usage() {
    local status=0
    blast calls 127.0.0.1 5060 || status=$?
    [ "$status" = 2 ] && grep -q "no mode 'calls'" "$T/blast.err" || {
        fail "status $status: $(cat "$T/blast.err")"
        return
    }
    status=0
    "$ROOT/tools/bench" nonsense 2>"$T/blast.err" || status=$?
    [ "$status" = 1 ] && grep -q "no part 'nonsense'" "$T/blast.err" ||
        fail "tools/bench nonsense: $(cat "$T/blast.err")"
}

echoes() {
    timeout 10 "$BENCH/bench-echo" 450 0.2 >"$T/blast.txt" 2>&1 &&
        [ "$(value batched_per_s)" -gt 100 ] && [ "$(value single_per_s)" -gt 100 ] ||
        fail "$(cat "$T/blast.txt")"
}

parses() {
    timeout 10 "$BENCH/bench-parse" --rounds 3 >"$T/blast.txt" 2>&1 &&
        grep -q '^decode *[1-9]' "$T/blast.txt" && grep -q '^corpus *[1-9]' "$T/blast.txt" ||
        fail "$(cat "$T/blast.txt")"
}

test_case "the bench programs build" builds
new_state
if server --no-auth; then
    test_case "bench-blast options" drive options 2
    test_case "bench-blast register" drive register 2
    test_case "bench-blast register over TCP" drive register 2 --tcp
    test_case "bench-blast message, 8 ports" drive message 4 --ports 8
    test_case "bench-blast call" drive call 13
    test_case "bench-blast ring" drive ring 9 --window 300 --hold 0.2
    test_case "bench-blast with a rate" open_loop
    test_case "the server of a bench ends cleanly" stop_server
else
    not_ok "a server for the bench" "$STEP_WHY"
fi
new_state
seq 0 49 | awk '{printf "u%06d@127.0.0.1,pwu%06d\n", $1, $1}' >"$T/accounts.csv"
"$OFFHOOK" user import --state "$STATE" "$T/accounts.csv" >"$T/import.txt" 2>&1
if server --domain 127.0.0.1; then
    test_case "bench-blast digest" drive digest 4
    test_case "bench-blast tells that phones are refused" refused
else
    not_ok "a server with accounts for the bench" "$STEP_WHY"
fi
test_case "bench-blast where nobody answers" nobody
test_case "bench: wrong usage" wrong_usage
test_case "bench-echo" echoes
test_case "bench-parse" parses
