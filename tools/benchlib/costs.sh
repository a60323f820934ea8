# What one thing costs: an echo, reading a message, an operation.

part_echo() {
    local round line key
    build bench-echo
    for ((round = 0; round < ROUNDS; round++)); do
        line=$(locked "$BUILD/bench/bench-echo" 450 1) || die "bench-echo failed"
        for key in batched_us batched_per_s single_us single_per_s; do
            put echo $key loopback "$(field $key "$line")"
        done
    done
}

# nanoseconds NAME OUTPUT: the median that a parser's program printed behind a word.
nanoseconds() {
    awk -v name="$1" '$1 == name {print $2}' <<<"$2"
}

# Each library in turn, in every round. A package that is missing is told, and stops the part.
part_parse() {
    local round who line
    for who in libosip2 sofia-sip-ua libre; do
        pkg-config --exists $who || die "$who is missing: install $who-dev (tools/setup bench does)"
    done
    build bench-parse bench-parse-osip2 bench-parse-sofia bench-parse-re
    for ((round = 0; round < ROUNDS; round++)); do
        line=$(locked "$BUILD/bench/bench-parse") || die "bench-parse failed"
        put parse decode offhook "$(nanoseconds decode "$line")"
        put parse corpus offhook "$(nanoseconds corpus "$line")"
        for who in osip2 sofia re; do
            line=$(locked "$BUILD/bench/bench-parse-$who") || die "bench-parse-$who failed"
            put parse decode $who "$(nanoseconds decode "$line")"
        done
    done
}

# cost MODE [NAME ARGS]: server CPU per operation, offhook and Kamailio in turn, each with 200 in
# flight; kept under NAME.
cost() {
    local mode=$1 name=${2:-$1} round who line key
    shift $(($# < 2 ? 1 : 2))
    for ((round = 0; round < ROUNDS; round++)); do
        for who in kamailio offhook; do
            "${who}_server" "$mode"
            if line=$(load "$mode" --seconds "$SECONDS_EACH" "$@"); then
                for key in cpu_us_op ops_s p50_us p99_us resent failed own_us_op drops others; do
                    put "$name" $key $who "$(field $key "$line")"
                done
                say "$name $who $line"
            else
                die "$name against $who: $line"
            fi
            stop_server
        done
    done
}

part_options() { cost options; }
part_register() { cost register; }
part_digest() { cost digest; }
part_message() { cost message; }
part_call() { cost call; }

# The same where datagrams find no company: neither of their length nor of their peer.
part_mixed() {
    cost options mixed_options --vary --ports 64
    cost register mixed_register --vary --ports 64
    cost message mixed_message --vary --ports 64
    cost call mixed_call --vary --ports 64
}

# Two workers against one, from 64 callers' and 64 callees' ports.
part_workers() {
    local round mode workers line
    for ((round = 0; round < ROUNDS; round++)); do
        for mode in message call; do
            for workers in 1 2; do
                STATE=
                start_offhook $workers --no-auth
                line=$(load $mode --seconds "$SECONDS_EACH" --ports 64 --window 512) ||
                    die "$mode with $workers workers: $line"
                put workers ${mode}_us $workers "$(field cpu_us_message "$line")"
                put workers ${mode}_rate $workers "$(field ops_s "$line")"
                say "workers $mode $workers $line"
                stop_server
            done
        done
    done
}
