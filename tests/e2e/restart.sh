#!/bin/bash
# What survives: accounts and every acknowledged binding survive kill -9; calls survive a
# restart; SIGTERM lets finish what is in flight; two servers never share a state or a port.
. "$(dirname "$0")/lib.sh"
needs python3

export PASSWORD=correct-horse

# driver ARGS: the phones.
driver() {
    python3 "$HERE/restart.py" "$@"
}

# kill_server: as a crash would, without any notice.
kill_server() {
    kill -KILL "$SERVER_PID"
    ended 5 "$SERVER_PID" >/dev/null
    gone "$SERVER_PID" || fail "the server lives on after SIGKILL"
}

two_accounts() {
    accounts "101:$PASSWORD" "102:$PASSWORD"
}

# kill -9 directly behind the 200.
survives_kill() {
    driver register "$PORT" 101 "$PASSWORD" >"$T/register.txt" 2>&1 || {
        fail "$(tail -n 1 "$T/register.txt")"
        return
    }
    kill_server && server || return
    offhook phones | grep -q 101 || {
        fail "after kill -9: $(offhook phones)"
        return
    }
    offhook user list | grep -q 102 || {
        fail "the accounts are gone: $(offhook user list)"
        return
    }
    driver register "$PORT" 102 "$PASSWORD" >"$T/register.txt" 2>&1 ||
        fail "102 cannot log in any more: $(tail -n 1 "$T/register.txt")"
}

# kill -9 in the middle of a storm of REGISTERs, from several sockets so that all workers have some:
# every one that had its 200 is there.
STORMS="0 20 40"

survives_storm() {
    local n
    local storms=()
    rm -f "$T"/acknowledged-*
    for n in $STORMS; do
        start "$T/storm-$n.txt" python3 "$HERE/restart.py" storm "$PORT" "$T/acknowledged-$n" "$n"
        storms+=("$STARTED")
    done
    until_true 15 enough_acknowledged || {
        fail "only $(cat "$T"/acknowledged-* | wc -l) REGISTERs: $(tail -n 2 "$T/storm-0.txt")"
        return
    }
    for n in "${storms[@]}"; do
        ! gone "$n" || fail "a storm was over before the server was killed" || return
    done
    kill_server
    for n in "${storms[@]}"; do
        kill -KILL "$n" 2>/dev/null # it would wait for an answer that cannot come
    done
    server || return
    offhook phones -o json >"$T/phones.json" || {
        fail "offhook phones: $(cat "$T/phones.json")"
        return
    }
    cat "$T"/acknowledged-* >"$T/acknowledged"
    python3 - "$T/acknowledged" "$T/phones.json" >"$T/why" 2>&1 <<'PY' ||
import json, sys
acknowledged = open(sys.argv[1]).read().split()
there = {p["contact"] for p in json.load(open(sys.argv[2]))["phones"]}
lost = [a for a in acknowledged if a not in there]
if lost:
    sys.exit("%d of %d acknowledged are lost: %s" % (len(lost), len(acknowledged), lost[:5]))
PY
        fail "$(tail -n 1 "$T/why")"
}

enough_acknowledged() {
    local n
    for n in $STORMS; do
        [ -f "$T/acknowledged-$n" ] && [ "$(wc -l <"$T/acknowledged-$n")" -ge 60 ] || return
    done
}

# Two calls are up, the server is killed and started: each side can hang up.
call_survives() {
    local phones
    rm -f "$T"/call*
    start "$T/phones.txt" python3 "$HERE/restart.py" call "$PORT" "$T/call"
    phones=$STARTED
    wait_line 10 "$T/call" up || {
        fail "no call: $(tail -n 1 "$T/phones.txt")"
        return
    }
    kill_server && server || return
    touch "$T/call.go"
    ended 15 "$phones" >/dev/null
    grep -q 'caller: 200' "$T/call" && grep -q 'callee: 200' "$T/call" ||
        fail "after the restart: $(tr '\n' ';' <"$T/call") $(tail -n 1 "$T/phones.txt")"
}

# SIGTERM while a phone rings: a new call is refused, the ringing one can be answered, and then
# the server ends by itself.
drains() {
    local phones status=0
    rm -f "$T"/ring*
    start "$T/phones.txt" python3 "$HERE/restart.py" ring "$PORT" "$T/ring"
    phones=$STARTED
    wait_line 10 "$T/ring" rings || {
        fail "it does not ring: $(tail -n 1 "$T/phones.txt")"
        return
    }
    kill -TERM "$SERVER_PID"
    wait_line 5 "$LOG" event=draining || {
        fail "SIGTERM does not drain"
        return
    }
    touch "$T/ring.go"
    ended 15 "$phones" >/dev/null
    grep -q 'new call: 503' "$T/ring" && grep -q answered "$T/ring" || {
        fail "while draining: $(tr '\n' ';' <"$T/ring") $(tail -n 1 "$T/phones.txt")"
        return
    }
    ended 15 "$SERVER_PID" || status=$?
    [ "$status" = 0 ] || {
        fail "after draining it ended with status $status (99: not at all)"
        return
    }
    grep -q event=stopped "$LOG" || fail "the log does not say that it stopped"
}

# second ARGS: a second server that must be refused; its words are in $T/second.txt, its status in
# SECOND.
second() {
    local pid
    start "$T/second.txt" "$OFFHOOK" serve "$@"
    pid=$STARTED
    SECOND=0
    ended 10 "$pid" || SECOND=$?
    [ "$SECOND" != 99 ] || {
        kill -KILL "$pid"
        fail "the second server runs"
        return
    }
    [ "$SECOND" != 0 ] || fail "the second server ended with status 0"
}

same_state() {
    local other
    other=$(free_ports 1)
    second --state "$STATE" --listen "udp:127.0.0.1:$other" || return
    [ "$SECOND" = 9 ] && grep -q "$STATE" "$T/second.txt" && grep -qi 'another\|already\|in use' \
        "$T/second.txt" || {
        fail "status $SECOND: $(cat "$T/second.txt")"
        return
    }
    offhook status >/dev/null || fail "the first server suffered"
}

same_port() {
    second --state "$T/other-state" --listen "udp:127.0.0.1:$PORT" || return
    [ "$SECOND" = 5 ] && grep -q "$PORT" "$T/second.txt" && grep -qi 'use' "$T/second.txt" || {
        fail "UDP, status $SECOND: $(cat "$T/second.txt")"
        return
    }
    second --state "$T/other-state" --listen "tcp:127.0.0.1:$PORT" || return
    [ "$SECOND" = 5 ] && grep -q "$PORT" "$T/second.txt" ||
        fail "TCP, status $SECOND: $(cat "$T/second.txt")"
}

stop_command() {
    local status=0
    offhook stop >"$T/stop.txt" 2>&1 || {
        fail "offhook stop: $(cat "$T/stop.txt")"
        return
    }
    ended 5 "$SERVER_PID" || status=$?
    [ "$status" = 0 ] || {
        fail "after offhook stop it ended with status $status (99: not at all)"
        return
    }
    ! offhook status >"$T/status.txt" 2>&1 && grep -qi 'no server' "$T/status.txt" ||
        fail "offhook status without a server: $(cat "$T/status.txt")"
}

drain_command() {
    local status=0
    server || return
    offhook drain >"$T/drain.txt" 2>&1 || {
        fail "offhook drain: $(cat "$T/drain.txt")"
        return
    }
    ended 5 "$SERVER_PID" || status=$?
    [ "$status" = 0 ] || fail "after offhook drain it ended with status $status (99: not at all)"
}

all() {
    new_state
    server && two_accounts || {
        not_ok "a server with two accounts" "$STEP_WHY"
        return
    }
    test_case "kill -9 behind the 200: binding and accounts are there" survives_kill
    new_state
    # shellcheck disable=SC2046 # one word per account
    server && accounts $(printf "s%d:$PASSWORD " {0..59}) &&
        test_case "kill -9 in a storm of REGISTERs: none acknowledged is lost" survives_storm
    test_case "a second server on the same state is refused" same_state
    test_case "a port in use is told" same_port
    new_state
    server && two_accounts && test_case "calls that are up survive kill -9" call_survives
    test_case "SIGTERM drains" drains
    server && test_case "offhook stop" stop_command
    test_case "offhook drain" drain_command
}

for_workers all
