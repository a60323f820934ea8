# What the end-to-end scripts share: a server in a directory of its own, ports that are free,
# accounts, waiting for something to become true, and result lines.
#
# A script sources this file and prints one line per test: `ok NAME`, `not ok NAME: why` or
# `skip NAME: why`. Everything lives below $T, which goes at the end, with every process that
# was started here. Nothing is waited for by sleeping: `until_true` looks again every 50 ms.

set -u -o pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
OFFHOOK=${OFFHOOK:-$ROOT/build/asan/offhook}
OFFHOOK_FAST=${OFFHOOK_FAST:-$ROOT/build/offhook}

T=$(mktemp -d "${TMPDIR:-/tmp}/offhook-e2e.XXXXXX")
PIDS=()      # what must not outlive the script
FAILED=0     # tests that failed
SERVER_PID=  # of the newest server
SERVER_N=0   # servers started so far, for the names of their logs
LOG=         # log of the newest server (stderr)
STATE=$T/state
PORT=        # where it listens, UDP and TCP
W=1          # its workers
STEP_WHY=    # what a step found wrong

export LC_ALL=C
unset XDG_STATE_HOME
# Sanitizer reports of a server that is killed on purpose would be false; leaks count everywhere.
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

cleanup() {
    trap - EXIT
    local pid
    for pid in "${PIDS[@]}"; do
        kill -KILL "$pid" 2>/dev/null
    done
    for pid in "${PIDS[@]}"; do
        wait "$pid" 2>/dev/null
    done
    if [ -n "${KEEP:-}" ]; then
        echo "kept: $T"
    else
        rm -rf "$T"
    fi
    [ "$FAILED" -eq 0 ] || exit 1
}

# ---- results ----

# name NAME: the test's name with what it ran on, because names must be unique.
name() {
    if [ "$W" = 1 ]; then echo "$1, one worker"; else echo "$1, two workers"; fi
}

ok() {
    echo "ok $(name "$1")"
}

not_ok() {
    FAILED=$((FAILED + 1))
    if [ -n "$LOG" ] && [ -s "$LOG" ]; then
        echo "--- the server's log, its end:"
        tail -n 3 "$LOG" | cut -c 1-300
    fi
    echo "not ok $(name "$1"): $(printf '%s' "$2" | tr '\n' ' ')"
}

# test_case NAME FUNCTION [ARGS]: the function returns 0, or sets STEP_WHY by `fail`.
test_case() {
    local what=$1
    shift
    STEP_WHY=
    if "$@"; then
        ok "$what"
    else
        not_ok "$what" "${STEP_WHY:-$* failed}"
    fi
}

# fail TEXT: the reason of a test's failure; use as `... || { fail "why"; return; }`
fail() {
    STEP_WHY=$*
    return 1
}

# needs PROGRAM...: skips the whole script when a peer is not installed.
needs() {
    local program
    for program; do
        if ! command -v "$program" >/dev/null; then
            echo "skip $(basename "$0" .sh): $program is not installed (tools/setup test)"
            exit 0
        fi
    done
}

# ---- waiting ----

# until_true SECONDS COMMAND...: runs it every 50 ms; 0 as soon as it succeeds.
until_true() {
    local tries=$(($1 * 20))
    shift
    while ! "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.05
    done
}

# wait_line SECONDS FILE REGEX: until the file has a line that matches.
wait_line() {
    until_true "$1" grep -qE -e "$3" "$2" 2>/dev/null
}

gone() {
    ! kill -0 "$1" 2>/dev/null
}

# ---- ports and processes ----

# free_ports N [WIDTH]: N ports of 127.0.0.1 that nobody uses, UDP and TCP; of each, WIDTH
# neighbours are free as well. Below the range that the kernel takes for outgoing connections, and
# from PORTS_FROM to PORTS_TO.
PORTS_FROM=12000
PORTS_TO=30900

free_ports() {
    python3 - "$1" "${2:-1}" "$PORTS_FROM" "$PORTS_TO" <<'PY'
import random, socket, sys
count, width, low, high = map(int, sys.argv[1:])
found = []

def free(port):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True

while len(found) < count:
    port = random.randrange(low, high)
    taken = any(abs(port - other) < width for other in found)
    if not taken and all(free(port + i) for i in range(width)):
        found.append(port)
print(*found)
PY
}

# start OUTPUT COMMAND...: in the background, without input; STARTED is its pid.
start() {
    local output=$1
    shift
    "$@" >"$output" 2>&1 </dev/null &
    STARTED=$!
    PIDS+=("$STARTED")
}

# ended SECONDS PID: waits for its end and returns its exit status, 99 if it goes on.
ended() {
    until_true "$1" gone "$2" || return 99
    wait "$2"
}

# ---- the server ----

# offhook ARGS: a command for the newest server.
offhook() {
    "$OFFHOOK" "$@" --state "$STATE"
}

# accounts USER:PASSWORD...: makes them in the state directory, running or not. A domain may be
# written behind the user.
accounts() {
    local pair
    {
        echo "user,password"
        for pair; do
            echo "${pair%%:*},${pair#*:}"
        done
    } >"$T/accounts.csv"
    offhook user import "$T/accounts.csv" >"$T/import.txt" 2>&1 || {
        fail "user import: $(cat "$T/import.txt")"
        return
    }
}

# server [ARGS]: starts one with $W workers on $PORT and waits until it serves.
server() {
    SERVER_N=$((SERVER_N + 1))
    LOG=$T/server-$SERVER_N.log
    "$OFFHOOK" serve --state "$STATE" --workers "$W" --listen "udp:127.0.0.1:$PORT" \
        --listen "tcp:127.0.0.1:$PORT" "$@" >"$T/server-$SERVER_N.out" 2>"$LOG" </dev/null &
    SERVER_PID=$!
    PIDS+=("$SERVER_PID")
    until_true 15 started_or_gone
    grep -q event=started "$LOG" || {
        fail "the server does not start: $(tail -n 3 "$LOG")"
        return
    }
}

started_or_gone() {
    grep -q event=started "$LOG" 2>/dev/null || gone "$SERVER_PID"
}

# stop_server: SIGTERM; a status other than 0 is a failure (a sanitizer's report is one, too).
stop_server() {
    local status=0
    kill -TERM "$SERVER_PID" 2>/dev/null
    ended 15 "$SERVER_PID" || status=$?
    [ "$status" = 0 ] || {
        fail "after SIGTERM the server ended with status $status (99: not at all)"
        return
    }
}

# new_state: an empty state directory and a new port, for the next server.
new_state() {
    SERVER_N=$((SERVER_N + 1))
    STATE=$T/state-$SERVER_N
    PORT=$(free_ports 1)
    LOG=
}

# for_workers FUNCTION: the whole function with one worker and with two.
for_workers() {
    for W in 1 2; do
        "$1"
    done
}
