#!/bin/bash
# sipsak, the Swiss army knife of SIP administrators: is the server there, may I register, where is
# somebody registered. Scripts and monitoring systems use it, so its exit status is looked at.
. "$(dirname "$0")/lib.sh"
needs sipsak python3

PASSWORD=correct-horse

# sipsak cuts ports of URIs off after four digits.
PORTS_FROM=6000
PORTS_TO=9900

sak() {
    timeout 10 sipsak -H 127.0.0.1 "$@" >"$T/sipsak.txt" 2>&1
}

ping_udp() {
    sak -vv -s "sip:127.0.0.1:$PORT" && grep -q 'SIP/2.0 200' "$T/sipsak.txt" ||
        fail "OPTIONS: $(tail -n 3 "$T/sipsak.txt")"
}

ping_tcp() {
    sak -vv -E tcp -s "sip:127.0.0.1:$PORT" && grep -q 'SIP/2.0 200' "$T/sipsak.txt" ||
        fail "OPTIONS over TCP: $(tail -n 3 "$T/sipsak.txt")"
}

# Somebody without a password learns nothing about who exists.
ping_user() {
    local known unknown
    sak -vv -s "sip:101@127.0.0.1:$PORT"
    known=$(grep -m 1 -o 'SIP/2.0 [0-9]*' "$T/sipsak.txt")
    sak -vv -s "sip:nobody@127.0.0.1:$PORT"
    unknown=$(grep -m 1 -o 'SIP/2.0 [0-9]*' "$T/sipsak.txt")
    [ "$known" = "$unknown" ] && [ "$known" = "SIP/2.0 407" ] ||
        fail "a stranger sees '$known' for a user and '$unknown' for none"
}

# register PASSWORD SECONDS [ARGS]
register() {
    local password=$1 seconds=$2
    shift 2
    sak -U -i -u 101 -a "$password" -x "$seconds" -C "sip:101@127.0.0.1:7777" \
        -s "sip:101@127.0.0.1:$PORT" "$@"
}

registers() {
    register "$PASSWORD" 120 || {
        fail "REGISTER with digest: $(tail -n 5 "$T/sipsak.txt")"
        return
    }
    offhook phones >"$T/phones.txt" && grep -q '101.*127.0.0.1' "$T/phones.txt" ||
        fail "offhook phones: $(cat "$T/phones.txt")"
}

unregisters() {
    register "$PASSWORD" 0 || {
        fail "REGISTER with Expires: 0: $(tail -n 5 "$T/sipsak.txt")"
        return
    }
    offhook phones | grep -q 'No phone is registered' || fail "still there: $(offhook phones)"
}

too_short() {
    ! register "$PASSWORD" 15 && grep -q '423' "$T/sipsak.txt" && grep -q 'Min-Expires: 60' \
        "$T/sipsak.txt" || fail "15 s: $(tail -n 5 "$T/sipsak.txt")"
}

wrong_password() {
    ! register not-the-password 120 && grep -q '401' "$T/sipsak.txt" || {
        fail "a wrong password: $(tail -n 5 "$T/sipsak.txt")"
        return
    }
    offhook why --last | grep -q 'wrong password for 101' ||
        fail "offhook why: $(offhook why --last)"
}

all() {
    new_state
    server && accounts "101:$PASSWORD" "102:$PASSWORD" || {
        not_ok "a server" "$STEP_WHY"
        return
    }
    test_case "OPTIONS over UDP is 200" ping_udp
    test_case "OPTIONS over TCP is 200" ping_tcp
    test_case "strangers cannot tell users from nobody" ping_user
    test_case "REGISTER with digest" registers
    test_case "REGISTER with Expires 0" unregisters
    test_case "15 s is too short" too_short
    test_case "a wrong password is 401" wrong_password
    test_case "the server ends cleanly" stop_server
}

for_workers all
