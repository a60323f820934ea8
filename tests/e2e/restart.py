"""The phones of restart.sh: they stay while the server goes.

    restart.py register PORT USER PASSWORD       one REGISTER; exit status 0 after its 200
    restart.py storm PORT FILE N                 REGISTERs without end, of the accounts sN and 19
                                                 more; FILE gets each one that had its 200
    restart.py call PORT FILE                    a call of 101 with 102; FILE says how far it is;
                                                 hung up when "go" is written to FILE.go
    restart.py ring PORT FILE                    the same, but it rings only, until FILE.go

The password of all accounts is the environment's PASSWORD.
"""

import os
import sys
import time

from peer import HOST, Call, Peer


def say(file, text):
    with open(file, "a") as out:
        out.write(text + "\n")


def wait_for(file, seconds=40):
    end = time.monotonic() + seconds
    while not os.path.exists(file):
        if time.monotonic() > end:
            sys.exit("nobody wrote " + file)
        time.sleep(0.02)


def register(port, user, password):
    code = Peer(port, user, password).register()
    print("REGISTER was answered", code)
    return code != 200


def storm(port, file, first):
    """Ten bindings for each of 20 accounts, and again from the beginning. Each has a contact of its
    own, so each acknowledgement can be looked for. Not as fast as can be: the server is to be
    killed while new ones are coming in."""
    peer = Peer(port, "", os.environ["PASSWORD"])
    number = 0
    with open(file, "w") as out:
        while True:
            peer.user = "s%d" % (int(first) + number % 20)
            contact = "sip:%s-%d-%d@%s:9" % (peer.user, peer.local, number // 20 % 10, HOST)
            if peer.register(120, "<%s>" % contact) != 200:
                return 0
            out.write(contact + "\n")
            out.flush()
            number += 1
            time.sleep(0.003)


def two(port):
    phones = [Peer(port, user, os.environ["PASSWORD"]) for user in ("101", "102")]
    for phone in phones:
        if phone.register() != 200:
            sys.exit("%s does not register" % phone.user)
    return Call(*phones)


def call(port, file):
    calls = [two(port), None]
    calls[1] = Call(calls[0].caller, calls[0].callee)
    for c in calls:
        if not (c.ring() and c.answer()):
            sys.exit("no call: %d" % c.failed)
    say(file, "up")
    wait_for(file + ".go")
    say(file, "BYE of the caller: %d" % calls[0].hang_up())
    say(file, "BYE of the callee: %d" % calls[1].hang_up_from_callee())
    return 0


def ring(port, file):
    c = two(port)
    if not c.ring():
        sys.exit("it does not ring: %d" % c.failed)
    say(file, "rings")
    wait_for(file + ".go")
    say(file, "new call: %d" % refused(c))
    say(file, "answered" if c.answer() else "lost")
    return 0


def refused(c):
    """What a new call gets now."""
    late = Call(c.caller, c.callee)
    late.ring()
    return late.failed


def main():
    modes = {"register": (register, 3), "storm": (storm, 3), "call": (call, 2), "ring": (ring, 2)}
    if len(sys.argv) < 3 or sys.argv[1] not in modes:
        sys.exit(__doc__)
    function, count = modes[sys.argv[1]]
    if len(sys.argv) != 2 + count:
        sys.exit(__doc__)
    sys.exit(function(int(sys.argv[2]), *sys.argv[3:]))


if __name__ == "__main__":
    main()
