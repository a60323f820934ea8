"""The peers of tcp.sh: phones behind streams, and those who misuse them.

    tcp.py CASE PORT        prints why it failed, or nothing; exit status 0 or 1

The password of 101 and 102 is the environment's PASSWORD.
"""

import os
import select
import socket
import sys
import threading
import time

from peer import HOST, Call, Peer

PASSWORD = os.environ.get("PASSWORD", "")
MOST = 0.5  # seconds an OPTIONS may take on a busy machine with a sanitized server


def connect(port, source=HOST):
    s = socket.create_connection((HOST, port), 5, (source, 0))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def options(port, number, transport="TCP"):
    """An OPTIONS to the server, as bytes."""
    return ("OPTIONS sip:%s:%d SIP/2.0\r\nVia: SIP/2.0/%s %s:9;branch=z9hG4bKo%d;rport\r\n"
            "Max-Forwards: 70\r\nFrom: <sip:o@%s>;tag=1\r\nTo: <sip:%s>\r\nCall-ID: o%d\r\n"
            "CSeq: %d OPTIONS\r\nContent-Length: 0\r\n\r\n"
            % (HOST, port, transport, HOST, number, HOST, HOST, number, number)).encode()


def answered(port, transport):
    """How long a good OPTIONS takes on a connection of its own."""
    start = time.monotonic()
    peer = Peer(port, "probe", transport=transport)
    code = peer.options()
    peer.close()
    assert code == 200, "OPTIONS over %s: %d" % (transport, code)
    return time.monotonic() - start


# ---- phones ----

def phone(port):
    """A phone that can be reached over its own connection only: nobody listens at its Contact."""
    caller, callee = Peer(port, "101", PASSWORD), Peer(port, "102", PASSWORD, "tcp")
    for p in (caller, callee):
        code = p.register()
        assert code == 200, "REGISTER of %s over %s: %d" % (p.user, p.transport, code)
    for hang_up in (Call.hang_up, Call.hang_up_from_callee):
        call = Call(caller, callee)
        assert call.ring(), "the phone behind TCP does not ring: %d" % call.failed
        assert call.answer(), "the answer of the phone behind TCP does not arrive"
        code = hang_up(call)
        assert code == 200, "BYE: %d" % code
    back = Call(callee, caller)
    assert back.ring() and back.answer(), "the phone behind TCP cannot call: %d" % back.failed
    assert back.hang_up() == 200, "BYE of the phone behind TCP"


def gone(port):
    """A phone whose connection has ended is not reached; the caller is told at once."""
    caller, callee = Peer(port, "101", PASSWORD), Peer(port, "102", PASSWORD, "tcp")
    assert caller.register() == 200 and callee.register() == 200, "REGISTER"
    callee.close()
    time.sleep(0.3)
    call = Call(caller, Peer(port, "102", PASSWORD))
    start = time.monotonic()
    call.callee.socket.setblocking(False)
    assert not call.ring(), "somebody else rings"
    assert call.failed in (480, 503), "a call to a phone that is gone: %d" % call.failed
    assert time.monotonic() - start < 8, "it took %.1f s" % (time.monotonic() - start)


# ---- framing ----

def pipelined(port):
    """200 requests in one write, and one cut into single bytes: all answered, in their order."""
    s = connect(port)
    s.sendall(b"".join(options(port, n) for n in range(1, 201)))
    for byte in options(port, 201):
        s.sendall(bytes([byte]))
    got, end = b"", time.monotonic() + 10
    while got.count(b"SIP/2.0 200") < 201 and time.monotonic() < end:
        s.settimeout(max(0.01, end - time.monotonic()))
        piece = s.recv(65536)
        assert piece, "closed after %d answers" % got.count(b"SIP/2.0 200")
        got += piece
    order = [int(line.split()[1]) for line in got.split(b"\r\n") if line.startswith(b"CSeq:")]
    assert order == list(range(1, 202)), "answers: %s" % order[:10]


def ping(port):
    """CRLF CRLF is answered by CRLF (RFC 5626 4.4.1), also between messages."""
    s = connect(port)
    s.settimeout(3)
    s.sendall(b"\r\n\r\n")
    assert s.recv(100) == b"\r\n", "no pong"
    s.sendall(b"\r\n\r\n" + options(port, 1))
    got = b""
    while b"\r\n\r\n" not in got[2:]:
        piece = s.recv(65536)
        assert piece, "closed"
        got += piece
    assert got.startswith(b"\r\nSIP/2.0 200"), "no pong before the answer: %r" % got[:30]


# ---- who misbehaves ----

def slow(port):
    """Peers of one byte in a second, many of them: nobody else waits, and they get no answer
    before their request is whole."""
    peers = [connect(port) for _ in range(50)]
    stop = threading.Event()

    def drip():
        data = options(port, 1)
        for at in range(len(data) - 1):
            for p in peers:
                p.sendall(data[at:at + 1])
            if stop.wait(1):
                return

    worker = threading.Thread(target=drip)
    worker.start()
    try:
        worst = max(answered(port, t) for _ in range(30) for t in ("udp", "tcp"))
    finally:
        stop.set()
        worker.join()
    assert worst < MOST, "an OPTIONS took %.2f s beside slow peers" % worst
    readable, _, _ = select.select(peers, [], [], 0)
    assert not readable, "half a request was answered"


def flood(port, head, piece):
    """Sends and sends until the server closes. It may go on reading for a moment, or its answer
    would be lost to a reset, but not for long (2 s)."""
    s = connect(port)
    s.settimeout(5)
    start, closed = time.monotonic(), False
    try:
        s.sendall(head)
        while time.monotonic() - start < 6:
            s.sendall(piece)
    except OSError:
        closed = True
    assert closed, "the server goes on reading"
    took = answered(port, "tcp")
    assert took < MOST, "others wait %.2f s" % took


def endless_header(port):
    """A header line that never ends."""
    flood(port, b"OPTIONS sip:%s SIP/2.0\r\nX: " % HOST.encode(), b"a" * 65536)


def endless_headers(port):
    """Header lines without an empty one behind them."""
    flood(port, b"OPTIONS sip:%s SIP/2.0\r\n" % HOST.encode(), b"X: abcdefgh\r\n" * 4096)


def endless_body(port):
    """A Content-Length that nobody needs."""
    flood(port, options(port, 1).replace(b"Content-Length: 0", b"Content-Length: 2000000000"),
          b"b" * 65536)


def garbage(port):
    """Something else than SIP."""
    flood(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(65536))


# The socket buffers of both sides hold some megabytes that the server never reads.
MUCH = 64 << 20


def deaf(port):
    """Asks and asks and never reads: the server stops listening to it, not to the others."""
    s = connect(port)
    s.setblocking(False)
    data, sent, end = options(port, 7) * 100, 0, time.monotonic() + 3
    while time.monotonic() < end and sent < MUCH:
        try:
            sent += s.send(data)
        except BlockingIOError:
            time.sleep(0.02)
        except OSError:
            break
    assert sent < MUCH, "the server takes everything and keeps the answers"
    worst = max(answered(port, t) for _ in range(10) for t in ("udp", "tcp"))
    assert worst < MOST, "an OPTIONS took %.2f s beside a deaf peer" % worst


def many(port):
    """A thousand connections from five addresses that say nothing, and go at once."""
    peers = [connect(port, "127.41.0.%d" % (1 + n % 5)) for n in range(1000)]
    worst = max(answered(port, t) for _ in range(10) for t in ("udp", "tcp"))
    open_now = len(peers) - len(select.select(peers, [], [], 0)[0])
    for p in peers:
        p.close()
    assert open_now == 1000, "only %d of 1000 stayed open" % open_now
    assert worst < MOST, "an OPTIONS took %.2f s beside 1000 connections" % worst
    assert answered(port, "tcp") < MOST, "others wait"


def hog(port):
    """One address gets its share of connections and no more, and takes nobody else's."""
    peers = [connect(port, "127.42.0.1") for _ in range(400)]
    time.sleep(0.3)
    refused = len(select.select(peers, [], [], 0)[0])
    took = answered(port, "tcp")
    for p in peers:
        p.close()
    assert refused == 400 - 256, "%d of 400 connections of one address were closed" % refused
    assert took < MOST, "others wait %.2f s" % took


CASES = {f.__name__: f for f in (phone, gone, pipelined, ping, slow, endless_header,
                                 endless_headers, endless_body, garbage, deaf, many, hog)}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in CASES:
        sys.exit(__doc__)
    try:
        CASES[sys.argv[1]](int(sys.argv[2]))
    except (AssertionError, OSError) as problem:
        print("%s: %s" % (type(problem).__name__, problem) if isinstance(problem, OSError)
              else problem)
        sys.exit(1)


if __name__ == "__main__":
    main()
