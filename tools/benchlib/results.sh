# Results: one line `part key who value` for each figure of each round, and their medians.

# forget PART: its results are measured anew.
forget() {
    [ -f "$RESULTS" ] || return 0
    grep -v "^$1	" "$RESULTS" >"$RESULTS.new"
    mv "$RESULTS.new" "$RESULTS"
}

# put PART KEY WHO VALUE
put() {
    printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" >>"$RESULTS"
}

# median PART KEY WHO: of all rounds; nothing when there are none.
median() {
    awk -F '\t' -v p="$1" -v k="$2" -v w="$3" '$1 == p && $2 == k && $3 == w {print $4}' \
        "$RESULTS" | sort -n | awk '{v[NR] = $1}
            END {if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}

# newest PART KEY WHO: the last value, also when it is a text.
newest() {
    awk -F '\t' -v p="$1" -v k="$2" -v w="$3" '$1 == p && $2 == k && $3 == w {v = $4}
        END {print v}' "$RESULTS"
}

# field NAME TEXT: the value of NAME= in a line of key=value.
field() {
    sed -n "s/.*\\b$1=\\([^ ]*\\).*/\\1/p" <<<"$2"
}

# json KEY FILE: the first number with this name, of JSON with a line for each.
json() {
    sed -n "s/^ *\"$1\": \\([0-9.]*\\),\\{0,1\\}$/\\1/p" "$2" | head -n 1
}

# calc EXPRESSION: awk's arithmetic, for bash has none with fractions.
calc() {
    awk "BEGIN {printf \"%.6g\", $1}"
}

# What the figures were measured on.
remember_machine() {
    local commit=
    forget machine
    put machine cpu - "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
    put machine cores - "$(nproc)"
    put machine memory - "$(awk '/^MemTotal/ {printf "%.0f GiB", $2 / 1048576}' /proc/meminfo)"
    put machine kernel - "$(uname -sr)"
    put machine compiler - "$(gcc --version | head -n 1)"
    [ -n "$OWN" ] || commit=$(git -C "$ROOT" describe --always --dirty --abbrev=8 2>/dev/null)
    put machine offhook - "$("$OFFHOOK" --version 2>/dev/null | head -n 1)${commit:+ ($commit)}"
    put machine kamailio - "$(kamailio -v 2>/dev/null | sed -n 's/^version: //p' | sed 's/ *$//')"
    put machine date - "$(date +%F)"
    put machine load - "$(cut -d ' ' -f 1-3 /proc/loadavg)"
    put machine sockets - "rmem_max $(cat /proc/sys/net/core/rmem_max), default \
$(cat /proc/sys/net/core/rmem_default)"
}
