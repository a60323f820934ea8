#!/bin/bash
# SIPp calls SIPp through the server: its built-in uac and uas as they come, and scenarios of our
# own with digest and Record-Route: 50 calls, a fork of two phones, CANCEL, busy, silence, a phone
# that rings in vain. SIPp's exit status says that every message of a scenario came as written.
. "$(dirname "$0")/lib.sh"
needs sipp python3

PASSWORD=correct-horse
CALLS=50

# sipp_run NAME SECONDS ARGS: in the background; SIPP_PID. Leaves messages and errors in $T.
sipp_run() {
    local n=$1 seconds=$2 ports
    shift 2
    read -ra ports < <(free_ports 2)
    case " $* " in
    *" -p "*) ;; # a phone's port is agreed on before
    *) set -- "$@" -p "${ports[1]}" ;;
    esac
    (
        cd "$T" || exit 1
        exec sipp "127.0.0.1:$PORT" -i 127.0.0.1 -mi 127.0.0.1 -cp "${ports[0]}" -nostdin \
            -timeout "$seconds" -timeout_error -trace_err -error_file "$T/$n.err" \
            -trace_msg -message_file "$T/$n.msg" "$@"
    ) >"$T/$n.screen" 2>&1 </dev/null &
    SIPP_PID=$!
    PIDS+=("$SIPP_PID")
}

# scenario NAME: its file. "uac-486" is uac-refused.xml with that status.
scenario() {
    case $1 in
    uac-4??)
        sed "s/STATUS/${1#uac-}/" "$HERE/sipp/uac-refused.xml" >"$T/$1.xml"
        echo "$T/$1.xml"
        ;;
    *) echo "$HERE/sipp/$1.xml" ;;
    esac
}

# bind USER PORT [PARAMETER]: a REGISTER with digest for a phone that will listen on the port.
bind() {
    local status=0
    sipp_run "register-$2" 5 -sf "$(scenario register)" -m 1 -s "$1" -au "$1" -ap "$PASSWORD" \
        -key phone_port "$2" -key contact_params "${3:-q=1}"
    ended 8 "$SIPP_PID" || status=$?
    [ "$status" = 0 ] || fail "REGISTER of $1 with digest: $(sipp_says "register-$2")"
}

# The end of what SIPp complained about, or of what it got.
sipp_says() {
    if [ -s "$T/$1.err" ]; then
        head -c 400 "$T/$1.err"
    else
        grep -E '^SIP/2.0 [2-6]' "$T/$1.msg" | tail -n 3
    fi
}

# udp_open PORT: somebody listens there.
udp_open() {
    local hex
    hex=$(printf '0100007F:%04X' "$1")
    grep -q "$hex" /proc/net/udp
}

# answerer NAME SCENARIO PORT CALLS: a phone, until its calls are over. Sets SIPP_PID.
answerer() {
    sipp_run "$1" 20 -sf "$(scenario "$2")" -p "$3" -m "$4"
    until_true 5 udp_open "$3" || fail "SIPp does not listen on $3"
}

# calls NAME SCENARIO CALLED CALLS: a caller in the background. Sets SIPP_PID.
calls() {
    sipp_run "$1" 20 -sf "$(scenario "$2")" -s "$3" -m "$4" -r 25 -au 101 -ap "$PASSWORD" \
        -key caller 101
}

# caller NAME SCENARIO CALLED CALLS: the same, waits until it has ended well.
caller() {
    calls "$@"
    caller_ended "$1" "$SIPP_PID"
}

# caller_ended NAME PID
caller_ended() {
    local status=0
    ended 25 "$2" || status=$?
    [ "$status" = 0 ] || fail "the caller ended with status $status: $(sipp_says "$1")"
}

# phone_ended NAME PID
phone_ended() {
    local status=0
    ended 10 "$2" || status=$?
    [ "$status" = 0 ] || fail "$1 ended with status $status: $(sipp_says "$1")"
}

# pair TEST CALLER-SCENARIO PHONE-SCENARIO USER CALLS: one caller, one phone.
pair() {
    local n=$1 phone
    local port
    port=$(free_ports 1)
    bind "$4" "$port" && answerer "$n-phone" "$3" "$port" "$5" || return
    phone=$SIPP_PID
    caller "$n-caller" "$2" "$4" "$5" && phone_ended "$n-phone" "$phone"
}

many_calls() {
    local ended
    pair many uac uas 102 $CALLS || return
    ended=$(offhook why 101 --count 1000 | grep -c 'call-ended 200')
    [ "$ended" = $CALLS ] || fail "offhook why knows of $ended calls that ended, not $CALLS"
}

busy() {
    pair busy uac-486 uas-486 103 5 || return
    offhook why --last | grep -q 'busy' || fail "offhook why: $(offhook why --last)"
}

cancelled() {
    pair cancelled uac-cancel uas-cancelled 104 5
}

# Two phones of one user ring: one answers, the other is cancelled.
forked() {
    local one two first second
    one=$(free_ports 1) two=$(free_ports 1)
    bind 105 "$one" q=1 && bind 105 "$two" q=1 || return
    answerer fork-answers uas "$one" 5 || return
    first=$SIPP_PID
    answerer fork-cancelled uas-cancelled "$two" 5 || return
    second=$SIPP_PID
    caller fork-caller uac 105 5 && phone_ended fork-answers "$first" &&
        phone_ended fork-cancelled "$second"
}

# A lower q rings only after the higher one is over: the first is busy, the second answers.
serial() {
    local one two first second
    one=$(free_ports 1) two=$(free_ports 1)
    bind 106 "$one" q=1 && bind 106 "$two" q=0.5 || return
    answerer serial-busy uas-486 "$one" 5 || return
    first=$SIPP_PID
    answerer serial-answers uas "$two" 5 || return
    second=$SIPP_PID
    caller serial-caller uac 106 5 && phone_ended serial-busy "$first" &&
        phone_ended serial-answers "$second"
}

# A phone that is bound but says nothing: 408 after 64*T1, here 3.2 s.
silent() {
    local port phone
    port=$(free_ports 1)
    bind 107 "$port" && answerer silent-phone uas-silent "$port" 1 || return
    phone=$SIPP_PID
    caller silent-caller uac-408 107 1 || return
    kill "$phone" 2>/dev/null
    offhook why --last | grep -q 'nothing came back' ||
        fail "offhook why: $(offhook why --last)"
}

# The first phone rings in vain; after ring_time it is cancelled and the next one is tried.
rings_on() {
    local one two first second
    one=$(free_ports 1) two=$(free_ports 1)
    bind 108 "$one" q=1 && bind 108 "$two" q=0.5 || return
    answerer on-first uas-cancelled "$one" 1 || return
    first=$SIPP_PID
    answerer on-second uas "$two" 1 || return
    second=$SIPP_PID
    caller on-caller uac 108 1 && phone_ended on-first "$first" && phone_ended on-second "$second"
}

# The only phone rings in vain: timer C cancels it (RFC 3261 16.8), and the caller gets 408. It
# takes 10 s at least, so it begins before the other tests and is looked at behind them.
VAIN_PHONE=
VAIN_CALLER=

begins_to_ring() {
    local port
    port=$(free_ports 1)
    bind 110 "$port" && answerer vain-phone uas-cancelled "$port" 1 || return
    VAIN_PHONE=$SIPP_PID
    calls vain-caller uac-408 110 1
    VAIN_CALLER=$SIPP_PID
}

rings_in_vain() {
    caller_ended vain-caller "$VAIN_CALLER" && phone_ended vain-phone "$VAIN_PHONE" || return
    offhook why 110 | grep -q '110 did not answer in 10 s' ||
        fail "offhook why: $(offhook why 110)"
}

no_phone() {
    caller nophone uac-480 109 1 || return
    offhook why --last | grep -qi 'no phone' || fail "offhook why: $(offhook why --last)"
}

own_scenarios() {
    local user
    local users=()
    for user in 101 102 103 104 105 106 107 108 109 110; do
        users+=("$user:$PASSWORD")
    done
    new_state
    cat >"$T/short.lua" <<'LUA'
-- Like no file, but with time-outs that a test can wait for.
timers = { t1 = "50 ms", t2 = "400 ms", t4 = "500 ms" }
proxy = { ring_time = "2 s", timer_c = "10 s" }
LUA
    server "$T/short.lua" && accounts "${users[@]}" || {
        not_ok "a server with short timers" "$STEP_WHY"
        return
    }
    test_case "a phone begins to ring" begins_to_ring
    test_case "$CALLS calls with digest and Record-Route" many_calls
    test_case "busy" busy
    test_case "the caller cancels" cancelled
    test_case "a fork: one answers, the other is cancelled" forked
    test_case "a lower q rings after the higher one" serial
    test_case "a silent phone is 408" silent
    test_case "after ring_time the next phone rings" rings_on
    test_case "no phone is 480" no_phone
    test_case "timer C ends ringing in vain" rings_in_vain
    test_case "the server with short timers ends cleanly" stop_server
}

# SIPp's own scenarios know no digest and follow no Record-Route; for a laboratory's server that
# trusts everybody they work.
builtin() {
    local port phone
    port=$(free_ports 1)
    bind_freely service "$port" || return
    sipp_run builtin-uas 30 -sn uas -p "$port" -m $CALLS
    phone=$SIPP_PID
    until_true 5 udp_open "$port" || {
        fail "SIPp does not listen"
        return
    }
    local status=0
    sipp_run builtin-uac 20 -sn uac -s service -m $CALLS -r 25
    ended 25 "$SIPP_PID" || status=$?
    [ "$status" = 0 ] || {
        fail "SIPp's uac ended with status $status: $(sipp_says builtin-uac)"
        return
    }
    phone_ended builtin-uas "$phone"
}

# bind_freely USER PORT: a REGISTER that is not asked for a password.
bind_freely() {
    local status=0
    sipp_run "free-$2" 5 -sf "$(scenario register-free)" -m 1 -s "$1" -key phone_port "$2"
    ended 8 "$SIPP_PID" || status=$?
    [ "$status" = 0 ] || fail "REGISTER without a password: $(sipp_says "free-$2")"
}

laboratory() {
    new_state
    server --no-auth && accounts "service:$PASSWORD" || {
        not_ok "a server without passwords" "$STEP_WHY"
        return
    }
    test_case "$CALLS calls of SIPp's own uac and uas" builtin
    test_case "the server without passwords ends cleanly" stop_server
}

all() {
    own_scenarios
    laboratory
}

for_workers all
