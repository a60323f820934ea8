# The table, from the medians of all results: once as lines with tabs, which two printers take.
#
# A line "# TITLE" begins a section, the next line names its columns. Parts that were not measured
# have no lines.

measured() {
    grep -q "^$1	" "$RESULTS"
}

# number VALUE DIGITS: rounded, or "-" when there is none.
number() {
    if [ -n "$1" ]; then printf "%.$2f" "$1"; else printf -- -; fi
}

# times THEIRS OURS: how many times more theirs is.
times() {
    if [ -n "$1" ] && [ -n "$2" ]; then calc "sprintf(\"%.2f\", $1 / $2)"; else printf -- -; fi
}

# goal VALUE least|most GOAL [UNIT]: the goal, and whether it is reached.
goal() {
    local verdict=missed
    [ -n "$1" ] || {
        printf '%s' "$3${4:-}"
        return
    }
    if [ "$2" = least ]; then
        [ "$(calc "($1 >= $3)")" = 1 ] && verdict=reached
    else
        [ "$(calc "($1 <= $3)")" = 1 ] && verdict=reached
    fi
    printf '%s %s: %s' "at $2" "$3${4:-}" $verdict
}

row() {
    local IFS=$'\t'
    printf '%s\n' "$*"
}

section_echo() {
    measured echo || return 0
    row "# Limit: a UDP echo of 450 bytes on this loopback, us of server CPU"
    row what us "echoes per second"
    row "received and sent in batches of 64" "$(number "$(median echo batched_us loopback)" 2)" \
        "$(number "$(median echo batched_per_s loopback)" 0)"
    row "one by one" "$(number "$(median echo single_us loopback)" 2)" \
        "$(number "$(median echo single_per_s loopback)" 0)"
}

section_parse() {
    local ours corpus who cells=()
    measured parse || return 0
    ours=$(median parse decode offhook)
    corpus=$(median parse corpus offhook)
    for who in osip2 sofia re; do
        cells+=("$(number "$(median parse decode $who)" 0) ($(times \
            "$(median parse decode $who)" "$ours")x)")
    done
    row "# Reading a message, ns"
    row what offhook osip2 Sofia-SIP libre goal
    row "INVITE of 728 bytes, fields decoded" "$(number "$ours" 0)" "${cells[@]}" \
        "$(goal "$ours" most 300)"
    row "messages of the RFCs, per 500 bytes" "$(number "$corpus" 0)" - - - \
        "$(goal "$corpus" most 350)"
}

# cost_row PART TITLE GOAL
cost_row() {
    local ours theirs ratio
    measured "$1" || return 0
    ours=$(median "$1" cpu_us_op offhook)
    theirs=$(median "$1" cpu_us_op kamailio)
    ratio=$(times "$theirs" "$ours")
    row "$2" "$(number "$ours" 2)" "$(number "$theirs" 2)" "${ratio}x" \
        "$(number "$(median "$1" ops_s offhook)" 0)" "$(number "$(median "$1" ops_s kamailio)" 0)" \
        "$(goal "$ratio" least "$3" x)"
}

section_costs() {
    local part any=
    for part in options register digest message call; do
        measured $part && any=1
    done
    [ -n "$any" ] || return 0
    row "# Server CPU per operation, us, and operations per second with 200 in flight"
    row what offhook Kamailio ratio "offhook /s" "Kamailio /s" goal
    cost_row options "OPTIONS answered (2 messages)" 1.4
    cost_row register "REGISTER (2)" 1.6
    cost_row digest "REGISTER with digest (4)" 1.6
    cost_row message "MESSAGE through the proxy (4)" 3.3
    cost_row call "call through the proxy (13)" 3
}

section_mixed() {
    measured mixed_call || return 0
    row "# The same from 64 ports to 64, and no two messages of one length"
    row what offhook Kamailio ratio "offhook /s" "Kamailio /s" goal
    cost_row mixed_options "OPTIONS" 1.4
    cost_row mixed_register "REGISTER" 1.6
    cost_row mixed_message "MESSAGE" 3.3
    cost_row mixed_call "call" 3
}

section_latency() {
    local mode who p99 drops name
    measured latency || return 0
    row "# Latency at 60 % of the highest rate held"
    row what server "held /s" "p50 ms" "p99 ms" "lost in the kernel" goal
    for mode in register message call; do
        for who in offhook kamailio; do
            [ -n "$(median latency ${mode}_p99_us $who)" ] || continue
            name=Kamailio
            [ $who = kamailio ] || name=offhook
            p99=$(median latency ${mode}_p99_us $who)
            drops=$(median latency ${mode}_drops $who)
            p99=$(calc "$p99 / 1000")
            row "$mode" $name "$(number "$(median latency ${mode}_held $who)" 0)" \
                "$(number "$(calc "$(median latency ${mode}_p50_us $who) / 1000")" 2)" \
                "$(number "$p99" 2)" "${drops:--}" \
                "$([ $who = kamailio ] || goal "$p99" most 10 ' ms')"
        done
    done
}

section_workers() {
    local mode one two ratio
    measured workers || return 0
    row "# Two workers against one, from 64 ports"
    row what "one: us/message" "two: us/message" dearer "one /s" "two /s" "rate" goal
    for mode in message call; do
        one=$(median workers ${mode}_us 1)
        two=$(median workers ${mode}_us 2)
        ratio=$(calc "100 * ($two / $one - 1)")
        row $mode "$(number "$one" 2)" "$(number "$two" 2)" "$(number "$ratio" 1) %" \
            "$(number "$(median workers ${mode}_rate 1)" 0)" \
            "$(number "$(median workers ${mode}_rate 2)" 0)" \
            "$(times "$(median workers ${mode}_rate 2)" "$(median workers ${mode}_rate 1)")x" \
            "$(goal "$ratio" most 10 ' %')"
    done
    [ "$(newest machine cores -)" -ge 4 ] ||
        row "(fewer than 4 cores, and the generator needs one: the rate of two says nothing)"
}

# bytes_row TITLE VALUE STRINGS GOAL: the strings or the reply come on top of the goal.
bytes_row() {
    row "$1" "$(number "$2" 0)" "$(number "$3" 0)" "$(number "$(calc "$2 - $3")" 0)" \
        "$(goal "$(calc "$2 - $3")" most "$4")"
}

section_memory() {
    local key peak after
    measured memory || return 0
    row "# Memory (PSS), bytes each"
    row what all "its texts" besides goal
    for key in udp tcp; do
        bytes_row "binding over $key, of $(newest memory users offhook)" \
            "$(median memory binding_$key offhook)" "$(median memory strings_$key offhook)" 200
    done
    bytes_row "transaction in flight, of $(newest memory in_flight_n offhook)" \
        "$(median memory in_flight offhook)" 0 1536
    bytes_row "completed transaction, of $(newest memory completed_n offhook)" \
        "$(median memory completed offhook)" "$(median memory completed_reply offhook)" 128
    peak=$(number "$(calc "$(median memory peak_kib offhook) / 1024")" 0)
    after=$(calc "$(median memory after offhook) * 100")
    row "50 s after a peak of $peak MiB, share of idle" "$(number "$after" 0) %" - - \
        "$(goal "$after" most 110 ' %')"
}

section_start() {
    local how
    measured start || return 0
    row "# Start with $(newest start users offhook) bindings, ms"
    row what "until it answers" "its CPU time" goal
    for how in stopped killed; do
        row "after it was $how" "$(number "$(median start $how offhook)" 0)" \
            "$(number "$(median start ${how}_cpu offhook)" 0)" \
            "$(goal "$(median start $how offhook)" most 3000)"
    done
}

section_load() {
    local who rate own name
    measured load || return 0
    row "# Load generators: calls through offhook with one worker, 200 in flight"
    row what "calls/s" "own CPU, us/call" failed "sent again" "goal (20,000 calls/s from one core)"
    for who in offhook sipp; do
        name="SIPp (two programs)"
        [ $who = sipp ] || name="offhook load call"
        rate=$(median load calls_per_s $who)
        own=$(median load tool_us $who)
        row "$name" "$(number "$rate" 0)" "$(number "$own" 1)" \
            "$(median load failed $who)" "$(median load resent $who)" \
            "$([ $who = sipp ] || goal "$own" most 50 ' us')"
    done
    row "the server's own share of a call, us" "$(number "$(median load server_us offhook)" 1)"
}

sections() {
    local section
    for section in echo parse costs mixed latency workers memory start load; do
        section_$section
    done
}

machine_lines() {
    echo "$(newest machine cpu -), $(newest machine cores -) cores, $(newest machine memory -)," \
        "$(newest machine kernel -); $(newest machine compiler -)"
    echo "$(newest machine offhook -); $(newest machine kamailio -);" \
        "$(newest machine date -), load before $(newest machine load -);" \
        "sockets: $(newest machine sockets -)"
    echo "Other programs used $(others) of the machine while costs and latency were measured."
}

# The median and the most of what neither a server nor the generator used.
others() {
    awk -F '\t' '$2 ~ /others$/ {print 100 * $4}' "$RESULTS" | sort -n |
        awk '{v[NR] = $1}
            END {
                if (NR) printf "%.0f %% (at most %.0f %%)", v[int((NR + 1) / 2)], v[NR]
                else printf "an unknown share"
            }'
}

print_text() {
    machine_lines
    sections | awk -F '\t' '
        function flush(i, k, line) {
            for (i = 1; i <= n; i++) {
                line = sprintf("  %-*s", width[1], cell[i, 1])
                for (k = 2; k <= columns[i]; k++)
                    line = line sprintf(k == most && most > 2 ? "  %-*s" : "  %*s", width[k],
                                        cell[i, k])
                sub(/ +$/, "", line)
                print line
            }
            n = most = 0
            delete width
        }
        /^# / {flush(); print ""; print substr($0, 3); next}
        {
            columns[++n] = NF
            for (k = 1; k <= NF; k++) {
                cell[n, k] = $k
                if (length($k) > width[k] && (NF > 1)) width[k] = length($k)
            }
            if (NF > most) most = NF
        }
        END {flush()}'
}

print_markdown() {
    machine_lines | sed 's/^/- /'
    sections | awk -F '\t' '
        /^# / {print ""; print "### " substr($0, 3); print ""; head = 1; next}
        NF == 1 {notes = $0; print ""; print notes; next}
        {
            line = "|"
            for (k = 1; k <= (head ? NF : most); k++) line = line " " $k " |"
            print line
            if (head) {
                most = NF
                line = "|---|"
                for (k = 2; k <= NF; k++) line = line "---:|"
                print line
                head = 0
            }
        }' | sed 's/|---:|$/|---|/'
}

# write_markdown FILE: between its two markers.
write_markdown() {
    grep -q '<!-- bench: begin' "$1" && grep -q '<!-- bench: end' "$1" ||
        die "$1 has no markers <!-- bench: begin --> and <!-- bench: end -->"
    {
        sed '/<!-- bench: begin/q' "$1"
        echo
        print_markdown
        echo
        sed -n '/<!-- bench: end/,$p' "$1"
    } >"$1.new" && cat "$1.new" >"$1" && rm "$1.new"
}
