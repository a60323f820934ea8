# Load generators: calls per second through the same server with 200 calls in flight, and what a
# call costs the generator. offhook load plays both sides in one program; SIPp needs one for each.

CALLS_SIPP=20000

part_load() {
    local round
    needs sipp sip-tester
    for ((round = 0; round < ROUNDS; round++)); do
        load_offhook
        load_sipp
    done
}

# cpu_seconds FILE: user and system time that bash's time has written there.
cpu_seconds() {
    awk '/^(user|sys)/ {sum += $2} END {print sum}' "$1"
}

load_offhook() {
    local line before after
    STATE=
    start_offhook 1 --no-auth
    before=$(field cpu_us "$(blast probe 127.0.0.1 "$PORT" --pid "$SERVER")")
    { time -p locked "$OFFHOOK" load call "127.0.0.1:$PORT" --window 200 --users 1000 \
        --duration "${SECONDS_EACH}s" -o json >"$WORK/load.json" 2>"$WORK/load.err"; } \
        2>"$WORK/load.time" || die "offhook load: $(tail -n 3 "$WORK/load.err" "$WORK/load.json")"
    after=$(field cpu_us "$(blast probe 127.0.0.1 "$PORT" --pid "$SERVER")")
    line=$(json completed "$WORK/load.json")
    put load calls_per_s offhook "$(json achieved_rate "$WORK/load.json")"
    put load tool_us offhook "$(calc "$(cpu_seconds "$WORK/load.time") * 1e6 / $line")"
    put load server_us offhook "$(calc "($after - $before) / $line")"
    put load failed offhook "$(json failed "$WORK/load.json")"
    put load resent offhook "$(json retransmissions "$WORK/load.json")"
    stop_server
}

# sipp_phone: one that is called, registered as 101, until its calls are over. Sets PHONE.
sipp_phone() {
    local port
    port=$(free_port)
    sipp_run register sipp -sf "$ROOT/bench/sipp/register.xml" -s 101 -m 1 -key phone "$port" ||
        die "SIPp could not register: $(tail -n 3 "$WORK/sipp.register")"
    sipp_run callee sipp -sf "$ROOT/bench/sipp/callee.xml" -p "$port" -m $CALLS_SIPP &
    PHONE=$!
    sleep 0.5
}

# sipp_run NAME sipp ARGS, or NAME locked sipp ARGS: leaves its output and the CPU time it took.
sipp_run() {
    local name=$1
    shift
    (cd "$WORK" && time -p "$@" "127.0.0.1:$PORT" -i 127.0.0.1 -nostdin -timeout 30 \
        -buff_size 8388608 >"$WORK/sipp.$name" 2>&1) 2>"$WORK/$name.time"
}

# Every call that fails counts against it; the two exit with an error when one did.
load_sipp() {
    local began took failed
    STATE=
    start_offhook 1 --no-auth
    sipp_phone
    began=$(date +%s%N)
    sipp_run caller locked sipp -sf "$ROOT/bench/sipp/caller.xml" -s 101 -p "$(free_port)" \
        -m $CALLS_SIPP -l 200 -r 100000 -trace_stat -stf "$WORK/sipp.csv" -fd 1
    took=$(($(date +%s%N) - began))
    wait $PHONE
    failed=$(sipp_column 'FailedCall(C)')
    say "sipp: $failed of $CALLS_SIPP failed, $((took / 1000000)) ms"
    put load calls_per_s sipp "$(calc "$(sipp_column 'SuccessfulCall(C)') * 1e9 / $took")"
    put load tool_us sipp "$(calc "($(cpu_seconds "$WORK/caller.time") + \
        $(cpu_seconds "$WORK/callee.time")) * 1e6 / $CALLS_SIPP")"
    put load failed sipp "$failed"
    put load resent sipp "$(sipp_column 'Retransmissions(C)')"
    stop_server
}

# sipp_column NAME: the last value of a column of its statistics.
sipp_column() {
    awk -F ';' -v name="$1" 'NR == 1 {for (i = 1; i <= NF; i++) if ($i == name) at = i}
        {v = $at} END {print v + 0}' "$WORK/sipp.csv"
}
