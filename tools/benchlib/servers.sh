# Servers: offhook and Kamailio on a port of their own, one at a time, each freshly started for each
# run, and the generator that drives them.

SERVER=  # pid of the server that runs
PORT=    # its port
STATE=   # offhook's state directory
STARTED= # milliseconds from its start to its first answer

# A UDP and TCP port that nobody uses, below those that the kernel takes for outgoing connections.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 10000))
        grep -qi ":$(printf '%04X' "$port") " /proc/net/udp /proc/net/tcp || break
    done
    echo "$port"
}

# locked COMMAND: while no other bench measures.
locked() {
    flock "$LOCK" "$@"
}

blast() {
    "$BUILD/bench/bench-blast" "$@"
}

# load MODE [ARGS]: drives the server that runs; prints the generator's line.
load() {
    local mode=$1
    shift
    locked "$BUILD/bench/bench-blast" "$mode" 127.0.0.1 "$PORT" --pid "$SERVER" "$@"
}

# Until the server answers. Sets STARTED.
await_server() {
    local line
    line=$(blast options 127.0.0.1 "$PORT" --window 1 --count 1 --resend 5 --patience 60) || {
        echo "bench: the server does not answer; the end of its log:" >&2
        tail -n 5 "$WORK/server.log" >&2
        exit 1
    }
    STARTED=$(field elapsed_ms "$line")
}

# start_offhook WORKERS [ARGS]: with the state of the last one, unless there is none.
start_offhook() {
    local workers=$1
    shift
    [ -n "$STATE" ] || new_state
    "$OFFHOOK" serve --state "$STATE" --listen "udp:127.0.0.1:$PORT" \
        --listen "tcp:127.0.0.1:$PORT" --domain 127.0.0.1 --workers "$workers" "$@" \
        >"$WORK/server.log" 2>&1 </dev/null &
    SERVER=$!
    await_server
}

# An empty state directory and a new port, for the next offhook.
new_state() {
    [ -z "$STATE" ] || rm -rf "$STATE"
    STATE=$(mktemp -d "$WORK/state.XXXXXX")
    PORT=$(free_port)
}

# accounts N: users u000000 on, whose password is "pw" and the name.
accounts() {
    seq 0 $(($1 - 1)) | awk '{printf "u%06d@127.0.0.1,pwu%06d\n", $1, $1}' >"$WORK/accounts.csv"
    "$OFFHOOK" user import --state "$STATE" "$WORK/accounts.csv" >"$WORK/import.log" 2>&1 ||
        die "user import: $(tail -n 3 "$WORK/import.log")"
}

# offhook_server MODE: fresh, as a run of the mode needs it. Durability is always on.
offhook_server() {
    STATE=
    new_state
    if [ "$1" = digest ]; then
        accounts 10000
        start_offhook 1
    else
        start_offhook 1 --no-auth
    fi
}

# kamailio_server MODE: fresh. Half of the machine's memory is its pool, at most 4 GB.
kamailio_server() {
    local pool
    needs kamailio kamailio
    PORT=$(free_port)
    pool=$(awk '/^MemTotal/ {m = $2 / 2048; printf "%d", m < 4096 ? m : 4096}' /proc/meminfo)
    {
        [ "$1" = digest ] && echo '#!define AUTH'
        sed "s/127.0.0.1:PORT/127.0.0.1:$PORT/" "$ROOT/bench/kamailio.cfg"
    } >"$WORK/kamailio.cfg"
    kamailio -DD -x fm -X fm -m "$pool" -M 16 -b 4194304 -f "$WORK/kamailio.cfg" -w "$WORK" \
        -Y "$WORK" -P "$WORK/kamailio.pid" >"$WORK/server.log" 2>&1 </dev/null &
    SERVER=$!
    await_server
}

# Ends the server, politely unless told -KILL, and waits for it.
stop_server() {
    [ -n "$SERVER" ] || return 0
    kill "${1:--TERM}" "$SERVER" 2>/dev/null
    wait "$SERVER" 2>/dev/null
    SERVER=
}

# status KEY: a number out of offhook's status.
status() {
    "$OFFHOOK" status --state "$STATE" -o json >"$WORK/status.json" && json "$1" "$WORK/status.json"
}

# The server's memory in KiB (PSS of all its processes).
memory() {
    field pss_kib "$(blast probe 127.0.0.1 "$PORT" --pid "$SERVER")"
}
