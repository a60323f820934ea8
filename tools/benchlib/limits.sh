# The highest rate that a server holds, and what users feel at 60 % of it.
#
# A rate is held when every operation that was due was begun on time, none failed, nothing had to be
# sent twice, the server's sockets dropped nothing, and 99 % were done within 100 ms. The load is
# open: what the server does not manage in time piles up, and shows.

HELD_SECONDS=2

# try_rate MODE RATE SECONDS: prints the generator's line; phones are registered already.
try_rate() {
    load "$1" --rate "$2" --seconds "$3" --warmup 0.3 --window 60000 --patience 3 --registered \
        --callee 30500
}

# holds RATE LINE
holds() {
    awk -v rate="$1" -v got="$(field ops_s "$2")" -v failed="$(field failed "$2")" \
        -v resent="$(field resent "$2")" -v skipped="$(field skipped "$2")" \
        -v drops="$(field drops "$2")" -v p99="$(field p99_us "$2")" \
        'BEGIN {exit !(got >= 0.99 * rate && !failed && !resent && !skipped && !drops &&
                       p99 < 100000)}'
}

# twice MODE WHO RATE: what else happens on the machine may cost a rate its first try.
twice() {
    local line try
    for try in 1 2; do
        line=$(try_rate "$1" "$3" $HELD_SECONDS)
        say "limit $1 $2 $3, try $try: $line"
        holds "$3" "$line" && return
        sleep 0.3
    done
    return 1
}

# limit MODE WHO: halves the interval five times, from what the server does with 200 in flight.
limit() {
    local mode=$1 who=$2 line low=0 high rate step key
    "${who}_server" "$mode"
    line=$(load "$mode" --seconds 1 --callee 30500) || die "$mode against $who: $line"
    high=$(awk -v n="$(field ops_s "$line")" 'BEGIN {printf "%d", n * 1.1}')
    for ((step = 0; step < 5; step++)); do
        rate=$(((low + high) / 2))
        if twice "$mode" "$who" "$rate"; then low=$rate; else high=$rate; fi
    done
    put latency "${mode}_held" "$who" "$low"
    [ "$low" -gt 0 ] || {
        stop_server
        return
    }
    for ((step = 0; step < ROUNDS; step++)); do
        line=$(try_rate "$mode" $((low * 6 / 10)) 4)
        say "limit $mode $who 60% $line"
        for key in p50_us p99_us max_us drops snmp_drops others; do
            put latency "${mode}_$key" "$who" "$(field $key "$line")"
        done
    done
    stop_server
}

part_latency() {
    local mode
    for mode in register message call; do
        limit $mode offhook
    done
    limit message kamailio
    limit call kamailio
}
