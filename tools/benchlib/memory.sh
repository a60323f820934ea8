# Memory (PSS, which counts shared pages once) and start time. What a thing costs is the difference
# between with and without it, divided by how many there are.

# register_users [ARGS]: registers USERS phones at a fresh server and leaves it running. EACH is
# what a binding takes.
register_users() {
    local before after line
    STATE=
    start_offhook 1 --no-auth
    before=$(memory)
    line=$(load register --users "$USERS" --count "$USERS" --window 400 "$@") ||
        die "registering $USERS phones: $line"
    sleep 3 # until the journal's buffers are empty
    after=$(memory)
    say "bindings $before $after $line"
    [ "$(status bindings)" = "$USERS" ] || die "$(status bindings) bindings instead of $USERS"
    EACH=$(calc "($after - $before) * 1024 / $USERS")
}

# What phones of bench-blast give us to keep: user@127.0.0.1 (17), the Contact's URI with its port
# (27, over TCP 41), a Call-ID of 22, a User-Agent of 5.
part_memory() {
    put memory users offhook "$USERS"
    register_users
    put memory binding_udp offhook "$EACH"
    put memory strings_udp offhook 71
    stop_server
    register_users --tcp --ports 4
    put memory binding_tcp offhook "$EACH"
    put memory strings_tcp offhook 85
    stop_server
    transactions
}

# wait_ringing: until the generator says that all calls ring.
wait_ringing() {
    local tries
    for ((tries = 0; tries < 400; tries++)); do
        grep -q '^ringing=' "$WORK/ring" 2>/dev/null && return
        sleep 0.05
    done
    die "calls do not ring: $(tail -n 1 "$WORK/ring")"
}

# Calls that all ring: two transactions in flight each. Then messages, until the clients' Timer K
# has ended (5 s), their memory has gone, and only the servers' completed transactions are left
# (32 s). Idle is a server that has worked before and has finished: 1,000 calls, 36 seconds ago.
transactions() {
    local calls=20000 messages=50000 phones="--registered --callee 30500" idle line now n generator
    STATE=
    start_offhook 1 --no-auth
    line=$(load call --rate 1000 --count 1000 --window 1000 --callee 30500) || die "call: $line"
    sleep 36
    idle=$(memory)
    load ring --rate 4000 --count $calls --window $calls --hold 4 $phones >"$WORK/ring" &
    generator=$!
    wait_ringing
    n=$(status transactions_in_flight)
    now=$(memory)
    wait $generator || die "ring: $(tail -n 1 "$WORK/ring")"
    put memory in_flight offhook "$(calc "($now - $idle) * 1024 / $n")"
    put memory in_flight_n offhook "$n"
    put memory idle_kib offhook "$idle"
    put memory peak_kib offhook "$now"
    say "transactions idle $idle ringing $now"
    until_gone "$idle"
    completed_ones $messages "$phones"
    stop_server
}

# until_gone IDLE: what is left of the peak 50 seconds later: Timers H and J take 32.
until_gone() {
    local now
    sleep 50
    now=$(memory)
    say "transactions after $now"
    put memory after offhook "$(calc "$now / $1")"
}

# completed_ones MESSAGES ARGS
completed_ones() {
    local messages=$1 line before now n
    shift
    before=$(memory)
    # shellcheck disable=SC2086
    line=$(load message --rate 2500 --count "$messages" --window 20000 $*) ||
        die "message: $line"
    sleep 10
    n=$(status transactions_completed)
    now=$(memory)
    say "completed $before $now $n $line"
    put memory completed offhook "$(calc "($now - $before) * 1024 / $n")"
    put memory completed_n offhook "$n"
    put memory completed_reply offhook "$(field reply "$line")"
}

# The CPU time, in ms, that the server has used: what the start takes on a machine of its own.
start_cpu() {
    calc "$(field cpu_us "$(blast probe 127.0.0.1 "$PORT" --pid "$SERVER")") / 1000"
}

# A server that was killed with all its bindings: from its start to its first answer.
part_start() {
    local round
    register_users
    for ((round = 0; round < ROUNDS; round++)); do
        stop_server -KILL
        start_offhook 1 --no-auth
        put start killed offhook "$STARTED"
        put start killed_cpu offhook "$(start_cpu)"
        [ "$(status bindings)" = "$USERS" ] || die "only $(status bindings) bindings are back"
        stop_server
        start_offhook 1 --no-auth
        put start stopped offhook "$STARTED"
        put start stopped_cpu offhook "$(start_cpu)"
    done
    put start users offhook "$USERS"
    stop_server
}
