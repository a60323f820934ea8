#!/bin/bash
# Streams: a phone that can only be reached over its own connection, framing, and peers that are
# slow, endless, deaf or many. None of them may delay anybody else.
. "$(dirname "$0")/lib.sh"
needs python3

export PASSWORD=correct-horse

tcp() {
    python3 "$HERE/tcp.py" "$1" "$PORT" >"$T/tcp.txt" 2>&1 || fail "$(tail -n 1 "$T/tcp.txt")"
}

# flood CASE: whether a flood that was begun by `floods` ended as it should.
declare -A FLOOD_PID

flood() {
    local status=0
    ended 20 "${FLOOD_PID[$1]}" || status=$?
    [ "$status" = 0 ] || fail "$(tail -n 1 "$T/$1.txt")"
}

# All floods at once: what one of them does to the server, the others must not feel.
floods() {
    local kind
    for kind; do
        start "$T/$kind.txt" python3 "$HERE/tcp.py" "$kind" "$PORT"
        FLOOD_PID[$kind]=$STARTED
    done
}

# Whatever came before must not have left memory behind: far less than what was sent.
memory() {
    local kib
    kib=$(awk '/^VmRSS/ { print $2 }' "/proc/$SERVER_PID/status")
    [ "$kib" -lt 600000 ] || fail "the server holds $kib KiB"
}

connections_gone() {
    until_true 5 no_connections || fail "offhook status: $(offhook status | grep connections)"
}

no_connections() {
    offhook status | grep -q '[ ,]0 connections'
}

all() {
    new_state
    server && accounts "101:$PASSWORD" "102:$PASSWORD" || {
        not_ok "a server with two accounts" "$STEP_WHY"
        return
    }
    test_case "a phone behind TCP is called and calls" tcp phone
    test_case "a phone whose connection ended is not reached" tcp gone
    test_case "200 requests in one write, one in single bytes" tcp pipelined
    test_case "CRLF CRLF is answered by CRLF" tcp ping
    test_case "a byte in a second delays nobody" tcp slow
    floods endless_header endless_headers endless_body garbage
    test_case "an endless header line is closed" flood endless_header
    test_case "endless headers are closed" flood endless_headers
    test_case "an endless body is closed" flood endless_body
    test_case "garbage is closed" flood garbage
    test_case "a peer that never reads delays nobody" tcp deaf
    test_case "a thousand silent connections delay nobody" tcp many
    test_case "one address cannot take all connections" tcp hog
    test_case "all connections are forgotten" connections_gone
    test_case "memory is bounded" memory
    test_case "the server ends cleanly" stop_server
}

for_workers all
