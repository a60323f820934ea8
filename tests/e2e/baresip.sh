#!/bin/bash
# Two baresip phones register with digest, call each other through the server, and each hears the
# tone that the other one sends: 440 Hz one way, 660 Hz the other, so that nobody hears himself.
# docs/first-call.md is this script for people.
. "$(dirname "$0")/lib.sh"
. "$HERE/phone.sh"
needs baresip sox soxi python3 awk

A_PASSWORD=correct-horse-101
B_PASSWORD=correct-horse-102

# account USER PASSWORD TRANSPORT [MORE]
account() {
    echo "<sip:$1@127.0.0.1:$PORT;transport=$3>;auth_pass=$2;regint=120;${4:-answermode=auto}"
}

both_register() {
    phone a "$(account 101 $A_PASSWORD "$1")" 440 &&
        phone b "$(account 102 $B_PASSWORD "$1")" 660 &&
        registered a && registered b || return
    offhook phones -o json >"$T/phones.json" || {
        fail "offhook phones: $(cat "$T/phones.json")"
        return
    }
    python3 - "$T/phones.json" "$1" <<'PY' >"$T/why" 2>&1 || fail "phones: $(tail -n 1 "$T/why")"
import json, sys
phones = json.load(open(sys.argv[1]))["phones"]
assert sorted(p["aor"].split("@")[0] for p in phones) == ["101", "102"], phones
assert all(p["transport"] == sys.argv[2] for p in phones), phones
assert all("baresip" in p["device"] for p in phones), phones
assert all(60 <= p["expires_in"] <= 120 for p in phones), phones
PY
}

# call_for_3_s HANGS-UP: 101 calls 102, both hear each other, one of them hangs up.
call_for_3_s() {
    local closed_a closed_b up_a up_b
    closed_a=$(events a CALL_CLOSED) closed_b=$(events b CALL_CLOSED)
    up_a=$(events a CALL_ESTABLISHED) up_b=$(events b CALL_ESTABLISHED)
    rm -f "$T"/phone-*/heard/*
    tell a dial "sip:102@127.0.0.1:$PORT"
    wait_event a CALL_ESTABLISHED $((up_a + 1)) && wait_event b CALL_ESTABLISHED $((up_b + 1)) &&
        until_true 8 heard_for_3_s || {
        fail "${STEP_WHY:-no sound for 3 s}"
        return
    }
    tell "$1" hangup
    wait_event a CALL_CLOSED $((closed_a + 1)) &&
        wait_event b CALL_CLOSED $((closed_b + 1)) || return
    heard a 660 3 && heard b 440 3
}

# The recordings are written while they grow: 3 s of 16-bit samples at 8 kHz in each.
heard_for_3_s() {
    [ "$(find "$T"/phone-?/heard -name '*-dec.wav' -size +48000c | wc -l)" = 2 ]
}

calls_over() {
    test_case "two phones register with digest over $1" both_register "$1" &&
        test_case "they hear each other over $1, the caller hangs up" call_for_3_s a &&
        test_case "they hear each other over $1, the callee hangs up" call_for_3_s b
    phones_end
}

# Bare digits may be dialled, the phone completes them with its domain.
late_call() {
    phone a "$(account 101 $A_PASSWORD udp)" 440 && registered a || return
    tell a dial "102"
    wait_event a CALL_CLOSED || return
    grep -q '"param":"480' "$T/phone-a/events" || {
        fail "a call to an absent phone ended otherwise: $(tail -c 250 "$T/phone-a/events")"
        return
    }
    offhook why 102 >"$T/why.txt" && grep -qi 'no phone' "$T/why.txt" ||
        fail "offhook why 102 does not say it: $(cat "$T/why.txt")"
}

wrong_number() {
    local closed
    closed=$(events a CALL_CLOSED)
    tell a dial "sip:199@127.0.0.1:$PORT"
    wait_event a CALL_CLOSED $((closed + 1)) || return
    grep -q '"param":"404' "$T/phone-a/events" || {
        fail "a wrong number ended otherwise: $(tail -c 250 "$T/phone-a/events")"
        return
    }
    offhook why --last >"$T/why.txt" && grep -q 199 "$T/why.txt" && grep -q 404 "$T/why.txt" ||
        fail "offhook why --last does not say it: $(cat "$T/why.txt")"
}

# refused NAME: baresip gives up with 401.
refused() {
    wait_line 8 "$T/phone-$1/log" '401 Unauthorized' || fail "baresip was not refused"
}

wrong_password() {
    phone b "$(account 102 not-the-password udp)" 660 || return
    refused b || return
    offhook phones >"$T/phones.txt" && grep -q '102@.*wrong password for 102' "$T/phones.txt" || {
        fail "offhook phones does not say it: $(cat "$T/phones.txt")"
        return
    }
    offhook why 102 >"$T/why.txt" && grep -q 'wrong password for 102' "$T/why.txt" &&
        grep -q 'offhook user passwd 102' "$T/why.txt" || {
        fail "offhook why does not say it: $(cat "$T/why.txt")"
        return
    }
    grep -q 'event=auth-failed .*who=102@.*code=401' "$LOG" || fail "nothing in the log"
}

wrong_user() {
    phone c "$(account 103 whatever udp)" 660 || return
    refused c || return
    offhook why 103 >"$T/why.txt" && grep -q "nobody is called '103'" "$T/why.txt" ||
        fail "offhook why does not say it: $(cat "$T/why.txt")"
}

all() {
    new_state
    server && accounts "101:$A_PASSWORD" "102:$B_PASSWORD" || {
        not_ok "a server with two accounts" "$STEP_WHY"
        return
    }
    calls_over udp
    calls_over tcp
    test_case "a call to a phone that is off" late_call &&
        test_case "a call to a number that nobody has" wrong_number
    test_case "a wrong password is explained" wrong_password
    test_case "a wrong user name is explained" wrong_user
    phones_end
    test_case "the server ends cleanly" stop_server
}

for_workers all
