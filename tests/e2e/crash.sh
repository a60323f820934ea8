#!/bin/bash
# Kills the server 200 times under load and compares what is there with what it had acknowledged,
# cuts its power, then makes its disk, files and clock fail in every way of docs/reliability.md.
#
#     crash.sh [KILLS]      200 unless given, and a twentieth of that of power cuts; SEED=N
#                           repeats a plan, which is printed
. "$(dirname "$0")/lib.sh"
needs python3 cc

KILLS=${1:-200}
SEED=${SEED:-$(date +%s)}
FAULTS=$T/faults.so
chmod 755 "$T" # a case becomes somebody else

# kills NAME PROGRAM KILLS WORKERS [ARGS]: lives of a server, in the background.
CHAINS=()

kills() {
    local name=$1
    shift
    start "$T/$name.txt" python3 "$HERE/crash.py" "$1" "$T/$name" --kills "$2" --workers "$3" \
        --seed "$SEED" "${@:4}"
    CHAINS+=("$name:$STARTED")
}

# nothing_lost NAME: waits for its end and shows what it says.
nothing_lost() {
    local chain status=0
    for chain in "${CHAINS[@]}"; do
        [ "${chain%%:*}" = "$1" ] || continue
        ended "$((KILLS * 2 + 60))" "${chain#*:}" || status=$?
    done
    cat "$T/$1.txt"
    [ "$status" = 0 ] || fail "$(tail -n 1 "$T/$1.txt")"
}

for name in faults powercut; do
    cc -std=gnu11 -shared -fPIC -O1 -o "$T/$name.so" "$HERE/$name.c" -ldl -lpthread \
        2>"$T/cc.txt" || {
        not_ok "$name.c compiles" "$(head -n 1 "$T/cc.txt")"
        exit
    }
done

# Two fifths of the kills for one worker, as many for two, and a fifth with sanitizers, which do not
# go with faults.c.
kills one "$OFFHOOK_FAST" $((KILLS * 2 / 5)) 1 --faults "$FAULTS"
kills two "$OFFHOOK_FAST" $((KILLS * 2 / 5)) 2 --faults "$FAULTS"
test_case "kill -9 under load: nothing acknowledged is lost" nothing_lost one
W=2
test_case "kill -9 under load: nothing acknowledged is lost" nothing_lost two
kills sanitized "$OFFHOOK" $((KILLS / 5)) 2
kills power "$OFFHOOK_FAST" $((KILLS / 20)) 2 --power "$T/powercut.so"
python3 "$HERE/crash_faults.py" "$OFFHOOK_FAST" "$T/faults" "$FAULTS" || FAILED=$((FAILED + 1))
test_case "kill -9 under load with sanitizers: nothing acknowledged is lost" nothing_lost sanitized
test_case "power cuts under load: accounts are there, registrations but for a second" \
    nothing_lost power
