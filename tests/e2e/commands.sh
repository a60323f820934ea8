#!/bin/bash
# Every operator command against a running server and without one: what it prints, its JSON, its
# exit status, good and bad. Prints `ok NAME` or `not ok NAME: why` per case.
set -u -o pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
OFFHOOK=${OFFHOOK:-$ROOT/build/asan/offhook}
OFFHOOK_FAST=${OFFHOOK_FAST:-$ROOT/build/offhook}
T=$(mktemp -d "${TMPDIR:-/tmp}/offhook-commands.XXXXXX")
S=$T/state
SERVER=
FAILED=0
export LC_ALL=C.UTF-8 HOME=$T
unset XDG_STATE_HOME

cleanup() {
    trap - EXIT
    if [ -n "$SERVER" ]; then
        kill -KILL "$SERVER" 2>/dev/null
        wait "$SERVER" 2>/dev/null
    fi
    rm -rf "$T"
    [ "$FAILED" -eq 0 ] || exit 1
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

ok() {
    echo "ok commands: $1"
}

not_ok() {
    FAILED=$((FAILED + 1))
    echo "--- stdout:"
    head -c 600 "$T/out" | cat -v
    echo
    echo "--- stderr:"
    head -c 600 "$T/err" | cat -v
    echo
    echo "not ok commands: $1: $2"
}

# run STATUS ARGS...: runs offhook with the state directory; its exit status must be this one.
run() {
    local want=$1 got=0
    shift
    "$OFFHOOK" "$@" --state "$S" >"$T/out" 2>"$T/err" </dev/null || got=$?
    [ "$got" = "$want" ] || {
        WHY="exit status $got instead of $want"
        return 1
    }
}

# expect NAME STATUS PATTERN ARGS...: the exit status, and a pattern in what was printed.
expect() {
    local name=$1 status=$2 pattern=$3
    shift 3
    if ! run "$status" "$@"; then
        not_ok "$name" "$WHY"
    elif ! cat "$T/out" "$T/err" | grep -qE -e "$pattern"; then
        not_ok "$name" "no '$pattern' in what was printed"
    else
        ok "$name"
    fi
}

# json NAME STATUS EXPRESSION ARGS...: -o json; the expression about the object `o` must be true.
json() {
    local name=$1 status=$2 expression=$3
    shift 3
    if ! run "$status" "$@" -o json; then
        not_ok "$name" "$WHY"
    elif ! python3 - "$T/out" "$expression" 2>>"$T/err" <<'PY'; then
import json, sys
o = json.load(open(sys.argv[1]))
assert o["schema_version"] == 1, "schema_version"
assert isinstance(o["ok"], bool), "ok"
assert o["ok"] or (o["error"] and o["exit"] > 0), "error"
assert eval("(" + sys.argv[2] + ")"), sys.argv[2]
PY
        not_ok "$name" "the JSON is not as it should be: $expression"
    else
        ok "$name"
    fi
}

# start [ARGS...]: starts a server on a port that the kernel chooses; PORT is that one.
start() {
    : >"$T/server"
    "$OFFHOOK" serve --listen udp:127.0.0.1:0 --state "$S" "$@" >"$T/server" 2>"$T/log" &
    SERVER=$!
    for _ in $(seq 200); do
        PORT=$(grep -oE 'udp:127\.0\.0\.1:[0-9]+' "$T/server" | head -n 1 | grep -oE '[0-9]+$')
        [ -n "$PORT" ] && return
        kill -0 "$SERVER" 2>/dev/null || break
        sleep 0.05
    done
    cp "$T/server" "$T/out"
    cp "$T/log" "$T/err"
    not_ok "start" "the server did not start"
    exit 1
}

# sip_register USER PASSWORD [REALM]: a phone registers with digest; prints the final status code.
sip_register() {
    python3 - "$PORT" "$1" "$2" <<'PY'
import hashlib, re, socket, sys
port, user, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
s.settimeout(5)
me, uri = "127.0.0.1:%d" % s.getsockname()[1], "sip:127.0.0.1:%d" % port

def md5(text):
    return hashlib.md5(text.encode()).hexdigest()

def ask(cseq, more):
    s.sendto(("REGISTER %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%d;rport\r\n"
              "Max-Forwards: 70\r\nFrom: <sip:%s@127.0.0.1>;tag=t\r\nTo: <sip:%s@127.0.0.1>\r\n"
              "Call-ID: reg-%s-%d@test\r\nCSeq: %d REGISTER\r\nContact: <sip:%s@%s>\r\n"
              "Expires: 600\r\nUser-Agent: test phone\r\n%sContent-Length: 0\r\n\r\n" % (
                  uri, me, user, cseq, user, user, user, s.getsockname()[1], cseq, user, me,
                  more)).encode(), ("127.0.0.1", port))
    return s.recv(65536).decode()

answer = ask(1, "")
if answer.startswith("SIP/2.0 401"):
    realm, nonce = (re.search(name + '="([^"]*)"', answer).group(1) for name in ("realm", "nonce"))
    ha1, ha2 = md5("%s:%s:%s" % (user, realm, password)), md5("REGISTER:" + uri)
    response = md5(":".join((ha1, nonce, "00000001", "abc", "auth", ha2)))
    answer = ask(2, 'Authorization: Digest username="%s",realm="%s",nonce="%s",uri="%s",qop=auth,'
                 'nc=00000001,cnonce="abc",response="%s",algorithm=MD5\r\n' % (
                     user, realm, nonce, uri, response))
print(answer.split()[1])
PY
}

# registers NAME STATUS USER PASSWORD: the phone gets this status.
registers() {
    local got
    got=$(sip_register "$3" "$4" 2>"$T/err")
    if [ "$got" = "$2" ]; then
        ok "$1"
    else
        echo "$got" >"$T/out"
        not_ok "$1" "the phone got '$got' instead of $2"
    fi
}

# ---- without any server ----

expect "an unknown command names the nearest" 2 "did you mean 'phones'" phnes
expect "a slip in the first of two words" 2 "did you mean 'user list'" usr list
expect "an unknown option names the nearest" 2 "did you mean --last" why --lats
expect "a group shows its commands" 2 "user add" user
expect "help of a command has examples" 0 "offhook user add 103" user add --help
expect "a word too much" 2 "too much" status now
expect "a word missing" 2 "something is missing" user add
for command in phones why status "bans list" "bans clear" reload drain stop; do
    # shellcheck disable=SC2086
    expect "$command without a server says what to do" 5 "no server uses $S: start one" $command
done
json "no server, as JSON" 5 'o["exit"] == 5 and "--state" in o["error"]' phones
expect "an account before the first start needs a domain" 5 "say --domain" user add 200
json "an account with a domain before the first start" 0 \
    'o["user"] == "200" and o["realm"] == "example.test"' user add 200 --domain example.test
rm -rf "$S"

# ---- help and version ----

for args in --help --version "help" "help user add" "help --markdown"; do
    # shellcheck disable=SC2086
    if "$OFFHOOK" $args >"$T/out" 2>"$T/err" && [ -s "$T/out" ]; then
        ok "offhook $args"
    else
        not_ok "offhook $args" "failed"
    fi
done
if diff "$T/out" "$ROOT/docs/commands.md" >"$T/err"; then
    ok "docs/commands.md is current"
else
    not_ok "docs/commands.md is current" "make it again: offhook help --markdown"
fi

# ---- a running server ----

start --workers 2
expect "status" 0 "running, up" status
json "status as JSON" 0 \
    'o["phase"] == "running" and len(o["workers"]) == 2 and o["accounts"] == 2 and
     o["rates"]["seconds"] >= 1 and o["counters"]["requests"] == 0' status
expect "nobody is registered" 0 "No phone is registered" phones
expect "nothing has happened" 0 "Nothing has happened" why
json "the first accounts" 0 '[a["user"] for a in o["accounts"]] == ["101", "102"]' user list

json "user add makes a password" 0 'len(o["password"]) == 19 and o["user"] == "103"' user add 103
PASSWORD=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["password"])' "$T/out")
registers "the password that was shown works" 200 103 "$PASSWORD"
expect "user add twice" 9 "offhook user passwd 103" user add 103
expect "a password as an option is explained" 2 "ps\)" user add 104 --password secret
expect "a password as a word" 2 "too much" user add 104 secret
expect "a bad user name" 9 "must have 1 to 255 characters" user add "a b"
expect "a domain that is not served" 0 "does not serve the domain" user add x@elsewhere.test
printf 'from-a-file\nrest\n' >"$T/secret"
expect "a password from a file" 0 "Made the account 104" user add 104 --password-file "$T/secret"
registers "the password of the file works" 200 104 from-a-file
expect "a password file that is not there" 9 "cannot be read" \
    user add 105 --password-file "$T/nothing"
if printf 'piped\n' | "$OFFHOOK" user passwd 104 --password-file - --state "$S" \
    >"$T/out" 2>"$T/err"; then
    registers "a password from standard input works" 200 104 piped
else
    not_ok "a password from standard input works" "the command failed"
fi
registers "the old password does not" 401 104 from-a-file
expect "passwd of nobody" 1 "there is no account 999" user passwd 999
expect "passwd with two sources" 2 "one place only" user passwd 104 --prompt --password-file x
if ! setsid "$OFFHOOK" user passwd 104 --prompt --state "$S" >"$T/out" 2>"$T/err" </dev/null &&
    grep -q "no terminal" "$T/err"; then
    ok "a prompt without a terminal says what to do"
else
    not_ok "a prompt without a terminal says what to do" "it does not"
fi
json "user set" 0 'o["name"] == "Front desk" and o["barred"]' \
    user set 104 --name "Front desk" --barred yes
expect "user set of nothing" 2 "nothing to change" user set 104
expect "user set of something else" 2 "yes or no" user set 104 --admin maybe

# ---- phones and why ----

expect "phones" 0 "103@.*127\.0\.0\.1:[0-9]+ .*test phone" phones
json "phones as JSON" 0 \
    'any(p["aor"].startswith("103@") and p["device"] == "test phone" and
         0 < p["expires_in"] <= 600 for p in o["phones"])' phones
json "phones of one account" 0 'len(o["phones"]) == 1' phones 103
expect "phones of nobody" 1 "no phone is registered as 999" phones 999
registers "a wrong password" 401 103 wrong
expect "phones tells who tried and failed, and the remedy" 0 "-> " phones --tried
json "who tried, as JSON" 0 'any("103" in t["account"] and t["why"] and t["fix"]
    for t in o["tried"])' phones
expect "why of an account" 0 "auth-failed|register-refused" why 103
json "why --last" 0 'len(o["decisions"]) == 1 and o["decisions"][0]["why"]' why --last
json "why is newest first" 0 \
    'all(a["seq"] > b["seq"] for a, b in zip(o["decisions"], o["decisions"][1:]))' why
json "why --failed" 0 'all(d["event"] != "registered" for d in o["decisions"])' why --failed
json "why --count" 0 'len(o["decisions"]) == 2' why --count 2
expect "why of somebody unknown" 1 "nothing is known about 'nobody'" why nobody
expect "why --count of nonsense" 2 "number from 1" why --count x
if "$OFFHOOK" why --state "$S" 2>&1 | grep -q "$(printf '\033')"; then
    not_ok "no colours in a pipe" "there are"
else
    ok "no colours in a pipe"
fi

# ---- bans ----

expect "nobody is banned" 0 "Nobody is banned" bans list
json "bans as JSON" 0 'o["bans"] == []' bans list
expect "lifting a ban that is none" 1 "not banned" bans clear 192.0.2.1
expect "lifting a ban of no address" 2 "no IP address" bans clear example.com
json "lifting all" 0 'o["lifted"] == 0' bans clear

# ---- import ----

printf 'user,password,name\n201,a,"One, two"\n202,b,\n' >"$T/good.csv"
json "import" 0 'o["added"] == 2 and o["replaced"] == 0' user import "$T/good.csv"
json "import again replaces" 0 'o["added"] == 0 and o["replaced"] == 2' user import "$T/good.csv"
registers "an imported account works" 200 201 a
printf '203,x\nb ad,x\n204\n203,y\n' >"$T/bad.csv"
expect "every wrong line is named" 9 "bad.csv:4: this account stands in the file twice" \
    user import "$T/bad.csv"
json "wrong lines as JSON" 9 '[f["line"] for f in o["faults"]] == [2, 3, 4]' \
    user import "$T/bad.csv"
json "and nothing was imported" 0 '"203" not in [a["user"] for a in o["accounts"]]' user list
expect "import --check changes nothing" 0 "nothing was changed" user import --check "$T/good.csv"
expect "import of a file that is not there" 9 "cannot be read" user import "$T/nothing.csv"
python3 -c 'for i in range(10000): print("bulk%d,password-%d" % (i, i))' >"$T/bulk.csv"
BEFORE=$(date +%s%N)
json "10,000 accounts at once" 0 'o["added"] == 10000' user import "$T/bulk.csv"
echo "10,000 accounts took $((($(date +%s%N) - BEFORE) / 1000000)) ms (with sanitizers)"
registers "the last of them works" 200 bulk9999 password-9999
json "all of them are listed" 0 'len(o["accounts"]) > 10000' user list

# ---- remove ----

json "user remove ends its phone" 0 'o["ended"] == 1' user remove 201
expect "the phone is gone" 1 "no phone is registered as 201" phones 201
registers "its password does not work any more" 401 201 a
expect "removing it twice" 1 "there is no account 201" user remove 201
json "the tombstone is listed" 0 \
    'any(a["user"] == "201" and a["gone_at"] for a in o["accounts"])' user list --all
json "user remove --forget" 0 'o["user"] == "201"' user remove 201 --forget
json "nothing is left of it" 0 'all(a["user"] != "201" for a in o["accounts"])' user list --all

# ---- reload, backup, and leaving ----

json "reload" 0 'o["config_version"] >= 1' reload
echo as-of-the-backup >"$T/older-secret"
json "an account for the backup" 0 'o["user"] == "303"' user add 303 \
    --password-file "$T/older-secret"
registers "with its password" 200 303 as-of-the-backup
json "backup" 0 'o["directory"].endswith("/copy")' backup "$T/copy"
expect "backup to a directory that is there" 9 "." backup "$T/copy"
expect "after the backup another password" 0 "." user passwd 303 --password-file "$T/secret"
registers "which works" 200 303 from-a-file
json "an account that the backup lacks" 0 'o["user"] == "302"' user add 302 \
    --password-file "$T/secret"
registers "with a phone" 200 302 from-a-file
json "and one that it has goes" 0 'o["user"] == "202"' user remove 202 --forget
mkdir "$T/no-backup"
expect "restore of a directory that is no backup" 9 "is no backup" restore "$T/no-backup"
expect "restore of the state that is in use" 9 "nothing was restored" restore "$S"
json "a refused restoration is JSON, too" 9 'not o["ok"]' restore "$T/no-backup"
json "and changes nothing" 0 \
    '"302" in [a["user"] for a in o["accounts"]] and
     "202" not in [a["user"] for a in o["accounts"]]' user list
registers "not even a password" 200 303 from-a-file
if rmdir "$T/no-backup" 2>"$T/err"; then
    ok "nor leaves it anything behind"
else
    not_ok "nor leaves it anything behind" "there is something in the directory"
fi
json "restore while the server runs" 0 \
    'o["accounts_removed"] == 1 and o["accounts_restored"] > 10000 and o["ended"] == 1 and
     o["kept"] >= 3 and o["added"] == 0' restore "$T/copy"
registers "the password of the backup works again" 200 303 as-of-the-backup
registers "the later one does not" 401 303 from-a-file
registers "nor does an account that the backup lacks" 401 302 from-a-file
expect "whose phone is gone" 1 "no phone is registered as 302" phones 302
registers "an account that had gone is back" 200 202 b
expect "the secrets are the server's own" 0 "secrets are still those" restore "$T/copy"
expect "a second server on the same state" 9 "." serve --listen udp:127.0.0.1:0
if grep -qF -e from-a-file -e piped -e password-9999 "$T/log"; then
    cp "$T/log" "$T/err"
    not_ok "no password is in the log" "there is one"
else
    ok "no password is in the log"
fi
expect "account changes are in the log" 0 "." user set 202 --barred no
for _ in $(seq 40); do # the log is written by a thread of its own
    grep -q "command=user-set user=202" "$T/log" && break
    sleep 0.05
done
if grep -q "event=account-changed command=user-set user=202" "$T/log"; then
    ok "a change is logged with its account"
else
    cp "$T/log" "$T/err"
    not_ok "a change is logged with its account" "it is not"
fi
expect "drain" 0 "has stopped" drain
wait "$SERVER"
STATUS=$?
SERVER=
cp "$T/log" "$T/err"
if [ "$STATUS" = 0 ]; then ok "drain ends well"; else not_ok "drain ends well" "$STATUS"; fi

# ---- with no server running ----

json "user list without a server" 0 'any(a["user"] == "103" for a in o["accounts"])' user list
json "user add without a server" 0 'o["realm"] and o["password"]' user add 301
PASSWORD=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["password"])' "$T/out")
json "user remove without a server ends its phone" 0 'o["ended"] == 1' user remove 104 --forget
expect "passwd of nobody without a server" 1 "there is no account" user passwd 999
json "backup without a server" 0 'o["ok"]' backup "$T/copy2"
json "restore" 0 'o["state"] == "'"$S"'"' restore "$T/copy"
json "the old accounts are back" 0 'all(a["user"] != "301" for a in o["accounts"])' user list
json "restore of the newer copy" 0 'o["ok"]' restore "$T/copy2"
expect "restore of nothing" 9 "." restore "$T/nothing"

start
registers "an account made without a server works" 200 301 "$PASSWORD"
json "registrations survived all of it" 0 'len(o["phones"]) == 1' phones 103
expect "the phone that was removed did not" 1 "no phone" phones 104
expect "stop" 0 "has stopped" stop
wait "$SERVER"
STATUS=$?
SERVER=
cp "$T/log" "$T/err"
if [ "$STATUS" = 0 ]; then ok "stop ends well"; else not_ok "stop ends well" "$STATUS"; fi

# ---- a configuration file ----

cat >"$T/office.lua" <<'LUA'
domains = { "office.test" }
listen = { "udp:127.0.0.1:0" }
LUA
S=$T/office
"$OFFHOOK" serve "$T/office.lua" --state "$S" >"$T/server" 2>"$T/log" &
SERVER=$!
for _ in $(seq 200); do
    [ -S "$S/control.sock" ] && break
    sleep 0.05
done
json "accounts get the domain of the file" 0 \
    'o["domain"] == "office.test" and o["realm"] == "office.test"' user add 401
echo 'nonsense = 1' >>"$T/office.lua"
expect "reload names every problem" 9 "office.lua:3" reload
json "reload of a bad file, as JSON" 9 'o["problems"][0]["line"] == 3' reload
expect "and the server goes on" 0 "running" status
expect "stop of the office" 0 "has stopped" stop
wait "$SERVER"
SERVER=

# ---- decode and explain ----

M="$ROOT/tests/corpus"
printf 'OPTIONS sip:a@example.com SIP/2.0\r\n' >"$T/good.sip"
printf 'Via: SIP/2.0/UDP h;branch=z9hG4bKx\r\n' >>"$T/good.sip"
printf 'Max-Forwards: 70\r\nFrom: "A" <sip:b@h>;tag=1\r\n' >>"$T/good.sip"
printf 'To: <sip:a@example.com>\r\n' >>"$T/good.sip"
printf 'Call-ID: c\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n' >>"$T/good.sip"
sed 's/CSeq: 1 OPTIONS/CSeq: 1 INVITE/' "$T/good.sip" >"$T/bad.sip"
tr -d '\r' <"$T/good.sip" >"$T/lf.sip"

# bare NAME STATUS PATTERN COMMAND...: a command that needs no server, without --state.
bare() {
    local name=$1 status=$2 pattern=$3 got=0
    shift 3
    "$@" >"$T/out" 2>"$T/err" || got=$?
    if [ "$got" != "$status" ]; then
        not_ok "$name" "exit status $got instead of $status"
    elif ! cat "$T/out" "$T/err" | grep -qE -e "$pattern"; then
        not_ok "$name" "no '$pattern' in what was printed"
    else
        ok "$name"
    fi
}

bare "decode shows the parts" 0 "tag = 1" "$OFFHOOK" decode "$T/good.sip"
bare "decode reads standard input" 0 "branch = z9hG4bKx" "$OFFHOOK" decode <"$T/good.sip"
bare "decode takes lines of an editor" 0 "LF alone" "$OFFHOOK" decode "$T/lf.sip"
bare "decode points at the fault" 8 "^ +\^" "$OFFHOOK" decode "$T/bad.sip"
bare "decode as JSON" 8 '"header": "CSeq"' "$OFFHOOK" decode -o json "$T/bad.sip"
bare "decode of nothing" 9 "is empty" "$OFFHOOK" decode /dev/null
bare "decode of no file" 9 "cannot be read" "$OFFHOOK" decode "$T/nothing"
bare "decode of noise" 8 "line 1" "$OFFHOOK" decode "$OFFHOOK_FAST"
bare "explain a code" 0 "Busy Here" "$OFFHOOK" explain 486
bare "explain a method" 0 "RFC 3261 10" "$OFFHOOK" explain register
bare "explain as JSON" 0 '"schema_version": 1' "$OFFHOOK" explain 486 -o json
bare "explain something unknown" 2 "did you mean INVITE" "$OFFHOOK" explain INVIT
bare "explain an unregistered code" 1 "no registered status code" "$OFFHOOK" explain 499
printf 'OPTIONS sip:\033[31mred SIP/2.0\r\n\r\n' >"$T/red.sip"
"$OFFHOOK" decode "$T/red.sip" >"$T/out" 2>&1
if grep -q "$(printf '\033')" "$T/out"; then
    not_ok "control bytes do not reach the terminal" "they do"
else
    ok "control bytes do not reach the terminal"
fi
FAULTY=0
for file in "$M"/rfc4475/*; do
    "$OFFHOOK_FAST" decode "$file" >"$T/out" 2>"$T/err"
    case $? in 0 | 8 | 9) ;; *) FAULTY=$((FAULTY + 1)) ;; esac
done
if [ "$FAULTY" = 0 ]; then
    ok "decode survives the torture messages"
else
    not_ok "decode survives the torture messages" "$FAULTY of them end otherwise"
fi
