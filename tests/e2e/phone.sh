# baresip as Debian packages it (1.0), without sound hardware: the tone comes out of a file, what
# is heard goes into one (its sndfile module writes it; aufile can only play). Commands and events
# go over its ctrl_tcp module: netstrings of JSON, here kept in a file and searched.
#
# The modules of this version that matter: aufile ends the call when its file ends, so tones are
# longer than calls; `sip_listen` takes the port above it as well (TLS).

declare -A PHONE_FD PHONE_PID PHONE_PORT

# tone FILE HZ: half a minute of it.
tone() {
    [ -f "$1" ] || sox -n -r 8000 -c 1 -b 16 "$1" synth 30 sine "$2" gain -6
}

# phone NAME ACCOUNT-LINE HZ: starts one that sends a tone. NAME is a word of your choice.
phone() {
    local n=$1 dir=$T/phone-$1 control fd
    rm -rf "$dir"
    mkdir -p "$dir/heard"
    tone "$T/$3.wav" "$3"
    PHONE_PORT[$n]=$(free_ports 1 2)
    control=$(free_ports 1)
    cat >"$dir/config" <<CONFIG
poll_method         epoll
sip_listen          127.0.0.1:${PHONE_PORT[$n]}
net_interface       127.0.0.1
audio_source        aufile,$T/$3.wav
ausrc_srate         8000
ausrc_channels      1
rtp_ports           31000-32700
snd_path            $dir/heard
module_path         $(baresip_modules)
module              g711.so
module              aufile.so
module              sndfile.so
module_tmp          account.so
module_app          menu.so
module_app          ctrl_tcp.so
ctrl_tcp_listen     127.0.0.1:$control
ringback_disabled   yes
CONFIG
    echo "$2" >"$dir/accounts"
    : >"$dir/contacts"
    start "$dir/log" baresip -v -f "$dir"
    PHONE_PID[$n]=$STARTED
    wait_line 10 "$dir/log" 'baresip is ready' || {
        fail "baresip does not start: $(tail -n 3 "$dir/log")"
        return
    }
    exec {fd}<>"/dev/tcp/127.0.0.1/$control" || {
        fail "baresip has no control port"
        return
    }
    PHONE_FD[$n]=$fd
    cat <&"$fd" >"$dir/events" 2>/dev/null &
    PIDS+=("$!")
}

baresip_modules() {
    local found=(/usr/lib/baresip/modules /usr/lib/*/baresip/modules)
    local dir
    for dir in "${found[@]}"; do
        [ -d "$dir" ] && echo "$dir" && return
    done
}

# phones_end: ends the phones of this round.
phones_end() {
    local n fd
    for n in "${!PHONE_PID[@]}"; do
        kill -TERM "${PHONE_PID[$n]}" 2>/dev/null
        fd=${PHONE_FD[$n]:-}
        [ -n "$fd" ] && exec {fd}>&-
    done
    for n in "${!PHONE_PID[@]}"; do
        ended 8 "${PHONE_PID[$n]}" >/dev/null || kill -KILL "${PHONE_PID[$n]}" 2>/dev/null
    done
    PHONE_FD=() PHONE_PID=() PHONE_PORT=()
}

# tell NAME COMMAND [PARAMETERS]
tell() {
    local text="{\"command\":\"$2\",\"params\":\"${3:-}\"}"
    printf '%d:%s,' "${#text}" "$text" >&"${PHONE_FD[$1]}"
}

# events NAME TYPE: how many there were.
events() {
    grep -o "\"type\":\"$2\"" "$T/phone-$1/events" | wc -l
}

# wait_event NAME TYPE [COUNT [SECONDS]]
wait_event() {
    until_true "${4:-8}" enough_events "$1" "$2" "${3:-1}" || {
        fail "phone $1 has no $2: $(tail -c 300 "$T/phone-$1/log" | tr -d '\033')"
        return
    }
}

enough_events() {
    [ "$(events "$1" "$2")" -ge "$3" ]
}

# registered NAME: baresip says so itself.
registered() {
    wait_line 8 "$T/phone-$1/log" '200 OK .*\[[0-9]+ binding' || {
        fail "phone $1 does not register: $(tail -n 3 "$T/phone-$1/log" | tr -d '\033')"
        return
    }
}

# heard NAME HZ SECONDS: the newest recording holds this tone, within 5 Hz and for so long, and it
# is as loud as what was sent (0.35 of full scale).
heard() {
    local file length
    file=$(find "$T/phone-$1/heard" -name '*-dec.wav' -printf '%T@ %p\n' | sort -n | tail -n 1 |
        cut -d' ' -f2-)
    [ -n "$file" ] || {
        fail "phone $1 heard nothing"
        return
    }
    length=$(soxi -D "$file")
    # The first fifth of a second is the jitter buffer's. Zero crossings upward are counted in what
    # sox gives as numbers: sox' own "rough frequency" is 2 Hz off by the length of its window.
    sox "$file" -t dat - trim 0.2 -0.1 2>/dev/null | awk -v want="$2" -v least="$3" \
        -v length_="$length" -v who="$1" '
        /^;/ { next }
        {
            sum += $2 * $2; n++
            if (n > 1 && last < 0 && $2 >= 0) {
                at = $1 - ($1 - time) * $2 / ($2 - last)
                if (!ups++) first = at
                end = at
            }
            last = $2; time = $1
        }
        END {
            rms = n ? sqrt(sum / n) : 0
            hz = ups > 1 ? (ups - 1) / (end - first) : 0
            printf "phone %s heard %.1f Hz, RMS %.3f, for %.1f s", who, hz, rms, length_
            exit !(hz > want - 5 && hz < want + 5 && rms > 0.25 && length_ >= least)
        }' >"$T/analysis" || {
        fail "$(cat "$T/analysis"), not $2 Hz for $3 s"
        return
    }
}
