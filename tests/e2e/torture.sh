#!/bin/bash
# Every torture message of RFC 4475 (49 and one) and RFC 5118 (12) against a running server.
. "$(dirname "$0")/lib.sh"
needs python3

# torture MODE: passes the runner's lines on, with the number of workers behind the names.
torture() {
    local line
    while IFS= read -r line; do
        case $line in
        "ok "*) ok "${line#ok }" ;;
        "not ok "*": "*)
            line=${line#not ok }
            not_ok "${line%%: *}" "${line#*: }"
            ;;
        *) echo "$line" ;;
        esac
    done < <(python3 "$HERE/torture.py" "$1" "$PORT" 2>&1 || echo "not ok $1: the runner failed")
}

DOMAINS=(--domain example.com --domain example.org --domain example.net)

all() {
    new_state
    if server "${DOMAINS[@]}"; then
        torture answers
        torture other
        test_case "after the answers it ends cleanly" stop_server
    else
        not_ok "a server for the answers" "$STEP_WHY"
    fi
    new_state
    if server --no-auth "${DOMAINS[@]}"; then
        torture bindings
        test_case "after the bindings it ends cleanly" stop_server
    else
        not_ok "a server for the bindings" "$STEP_WHY"
    fi
}

for_workers all
