"""What abuse.sh asks of a server's counters.

    abuse.py counters SOCKET LOG            all counters, summed over workers, as JSON
    abuse.py judge BEFORE AFTER PEAK_MAX EXPECTED REPORT
                                            prints what is wrong; nothing when all is well
"""

import json
import socket
import sys
import time

LATENCY_MAX = 100.0  # ms, 99 of 100 operations
ANSWERS_MIN = 60  # operations of the phones during a flood
LOG_LINES = 100 + 2 * 500 + 50  # a second: strangers, two known sources, the rest


def counters(path, log):
    """Asks the control socket, as the commands do."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(5)
        s.connect(path)
        s.sendall(b'{"command":"status"}\n')
        reply = b""
        while not reply.endswith(b"\n"):
            piece = s.recv(65536)
            if not piece:
                break
            reply += piece
    status = json.loads(reply)
    found = dict(status["counters"])
    for worker in status["workers"]:
        for source in (worker, worker["net"]):
            for key, value in source.items():
                if isinstance(value, int):
                    found[key] = found.get(key, 0) + value
    found["in_flight"] = status["transactions_in_flight"]
    found["completed"] = status["transactions_completed"]
    with open(log, "rb") as lines:
        found["log_lines"] = sum(1 for _ in lines)
    found["at"] = time.monotonic()
    return found


def judge(before, after, peak_max, expected, report):
    """The first thing that is wrong, or None."""
    said = dict(pair.split("=") for pair in report.split())
    grown = {key: after[key] - before.get(key, 0) for key in after}
    for key in expected.split():
        if grown[key] <= 0:
            return "the counter %s does not say so: %s" % (key, json.dumps(grown))
    if int(said["peak"]) > peak_max:
        return "the server held %s KiB, more than %d" % (said["peak"], peak_max)
    if grown["log_lines"] > LOG_LINES * (grown["at"] + 1):
        return "%d lines of log in %.1f s" % (grown["log_lines"], grown["at"])
    if after["in_flight"] > 20000 + 64 or after["completed"] > 60000 + 64:
        return "%d transactions in flight, %d completed" % (after["in_flight"], after["completed"])
    if int(said["wrong"]):
        return "%s answers to phones were not 200" % said["wrong"]
    if int(said["all"]) < ANSWERS_MIN or int(said["lost"]):
        return "phones: %s answers, %s operations lost" % (said["all"], said["lost"])
    if float(said["p99"]) > LATENCY_MAX:
        return "phones: 99 %% of answers within %s ms, the worst %s" % (said["p99"], said["worst"])
    return None


def main():
    if sys.argv[1] == "counters":
        print(json.dumps(counters(sys.argv[2], sys.argv[3])))
        return
    before, after = (json.load(open(name)) for name in sys.argv[2:4])
    wrong = judge(before, after, int(sys.argv[4]), sys.argv[5], sys.argv[6])
    if wrong:
        print(wrong)


main()
