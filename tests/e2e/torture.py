"""Sends the torture messages of RFC 4475 and RFC 5118, byte for byte, to a server, and compares
what comes back with the column proxy_registrar of expect.tsv (tests/corpus/torture-expect.md).

    torture.py answers PORT     a server that asks for passwords: all messages
    torture.py bindings PORT    one that trusts everybody: what the REGISTERs among them leave
    torture.py other PORT       every message over the other transport, and in small pieces

Prints `ok NAME` or `not ok NAME: why`. The server listens on 127.0.0.1:PORT, UDP and TCP, and has
the domains example.com, example.org and example.net.

Answers go where Via says (RFC 3261 18.2.2, RFC 3581): to the port of its sent-by, mostly 5060,
but to the address the request came from, because sent-by is another host. So requests come from
a loopback address that nobody else has, and on it all those ports are bound.
"""

import csv
import os
import random
import re
import select
import socket
import sys
import time

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "corpus")
SETS = ("rfc4475", "rfc5118")
PATIENCE = 4.0   # seconds until an answer that must come counts as missing
SILENCE = 0.25   # seconds to listen for what must not come
MAYBE = 0.5      # seconds to listen for what may come
SERVER = ("127.0.0.1", 0)


class Network:
    """A source address with a datagram socket on each port that an answer may go to."""

    def __init__(self, ports):
        for _ in range(50):
            self.address = "127.%d.%d.%d" % tuple(random.randrange(2, 250) for _ in range(3))
            self.sockets = {}
            try:
                for port in ports:
                    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    self.sockets[port] = s
                    s.bind((self.address, port))
                return
            except OSError:
                for s in self.sockets.values():
                    s.close()
        sys.exit("torture: no loopback address with free ports %s" % sorted(ports))

    def datagram(self, data, port):
        self.sockets[port].sendto(data, SERVER)

    def connection(self):
        s = socket.create_connection(SERVER, 3, (self.address, 0))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def receive(self, stream, seconds):
        """The next piece from anywhere: bytes; b"" = the stream was closed; None = nothing."""
        sockets = list(self.sockets.values()) + ([stream] if stream else [])
        ready, _, _ = select.select(sockets, [], [], max(0, seconds))
        if not ready:
            return None
        try:
            return ready[0].recv(65535)
        except ConnectionError:
            return b"" if ready[0] is stream else None


def port_of(data):
    """The port of the top Via's sent-by, as far as one can be read in a torture message."""
    via = re.search(rb"(?im)^v(?:ia)?\s*:\s*SIP\s*/\s*[\d.]+\s*/\s*\w+\s+(\[[^\]]*\]|[^\s:;,]+)"
                    rb"\s*(?::\s*(\d+))?", data)
    return int(via.group(2)) if via and via.group(2) else 5060


def header(text, names):
    """The values of a header, as it is written on one line."""
    return re.findall(rb"(?im)^(?:%s)[ \t]*:[ \t]*(.*?)[ \t]*\r?$" % names, text)


def call_ids(text):
    return header(text, rb"call-id|i")


class Collector:
    """Takes pieces apart into final responses to one request."""

    def __init__(self, request):
        # A message with several Call-IDs, or with none, is told by being the only one sent.
        ids = call_ids(request.split(b"\r\n\r\n")[0])
        self.call_id = ids[0] if len(ids) == 1 else None
        self.finals, self.texts, self.rest = [], [], b""

    def take(self, piece):
        self.rest += piece
        while b"\r\n\r\n" in self.rest:
            head, _, after = self.rest.partition(b"\r\n\r\n")
            length = header(head, rb"content-length|l")
            size = int(length[0]) if length else 0
            if len(after) < size:
                return
            self.rest = after[size:]
            status = re.match(rb"SIP/2\.0 (\d{3}) ", head)
            if not status or (self.call_id and self.call_id not in call_ids(head)):
                continue
            if int(status.group(1)) >= 200:
                self.finals.append(int(status.group(1)))
                self.texts.append(head)


def exchange(network, data, transport, seconds=PATIENCE):
    """Sends one message and collects what is answered; returns a Collector."""
    got = Collector(data)
    stream = None
    while network.receive(None, 0) is not None:
        pass  # what a former message still brings
    if transport == "udp":
        network.datagram(data, port_of(data) if port_of(data) in network.sockets else 5060)
    else:
        stream = network.connection()
        stream.sendall(data)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        piece = network.receive(stream, end - time.monotonic())
        if piece is None:
            break
        if piece == b"" and stream:
            break
        known = len(got.finals)
        got.take(piece)
        if len(got.finals) > known == 0:
            end = time.monotonic() + 0.05  # a second answer would be wrong
    if stream:
        stream.close()
    return got


def patience(expected):
    """How long to wait for what the table expects."""
    tokens = [t.strip() for t in expected.split(",")]
    return SILENCE if tokens == ["none"] else MAYBE if "none" in tokens else PATIENCE


def is_class(token):
    return re.fullmatch(r"[1-6]xx", token)


def judge(expected, finals):
    """None, or why the answers are not what the table says."""
    tokens = [t.strip() for t in expected.split(",")]
    never = {int(t[1:]) for t in tokens if t.startswith("!")}
    wanted = {int(t) for t in tokens if t.isdigit()}
    classes = {int(t[0]) for t in tokens if is_class(t)}
    if 400 in never:
        never.add(505)
    if wanted & {200, 404}:
        wanted |= {401, 407}  # asking for the password first is no violation
    told = ", ".join(str(f) for f in finals) or "nothing"
    if not finals:
        return None if "none" in tokens else "no answer, expected " + expected
    if len(set(finals)) > 1:
        return "several answers: " + told
    code = finals[0]
    if code in never or (not wanted and not classes and not never and "liberal" not in tokens):
        return "answered %s, expected %s" % (told, expected)
    if "liberal" in tokens and code < 500:
        return None
    if (wanted or classes) and not never and code not in wanted and code // 100 not in classes:
        return "answered %s, expected %s" % (told, expected)
    return None


def options(network, number):
    """A good OPTIONS: is the server still there, and sane?"""
    ident = "alive-%d-%d" % (os.getpid(), number)
    data = ("OPTIONS sip:127.0.0.1:%d SIP/2.0\r\n"
            "Via: SIP/2.0/UDP %s:5060;branch=z9hG4bK%s\r\n"
            "Max-Forwards: 70\r\nFrom: <sip:probe@%s>;tag=1\r\nTo: <sip:127.0.0.1>\r\n"
            "Call-ID: %s\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            % (SERVER[1], network.address, ident, network.address, ident)).encode()
    return exchange(network, data, "udp").finals == [200]


def more(name, got):
    """What the tables ask for besides the code."""
    if name == "bext01.dat":
        listed = b",".join(header(got.texts[0], rb"unsupported"))
        for tag in (b"noProxiesSupportThis", b"norDoAnyProxiesSupportThis"):
            if tag not in listed:
                return "Unsupported does not list %s" % tag.decode()
    if name == "dblreq.dat" and len(got.finals) != 1:
        return "%d answers to two requests in one datagram" % len(got.finals)
    if name == "regaut01.dat" and got.finals == [401] and \
            not header(got.texts[0], rb"www-authenticate"):
        return "401 without a challenge"
    return None


def report(name, why):
    print("not ok %s: %s" % (name, why) if why else "ok " + name, flush=True)


def corpus():
    """Yields (set, file, transport, expected, bytes)."""
    for name in SETS:
        folder = os.path.join(CORPUS, name)
        with open(os.path.join(folder, "expect.tsv"), newline="") as table:
            rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
        for row in rows:
            with open(os.path.join(folder, "dat", row["file"]), "rb") as file:
                data = file.read()
            transport = "tcp" if row["via"] in ("TCP", "TLS") else "udp"
            yield name, row["file"], transport, row["proxy_registrar"], data


def run_answers(network):
    messages = list(corpus())
    for number, (name, file, transport, expected, data) in enumerate(messages):
        got = exchange(network, data, transport, patience(expected))
        # A registrar asks for the password (RFC 3261 10.3 step 3) before it looks at the address of
        # record (step 5). Without passwords it is 400: see run_bindings.
        why = judge("401" if file == "unksm2.dat" else expected, got.finals)
        if not why and got.finals:
            why = more(file, got)
        if not why and not options(network, number):
            why = "afterwards the server does not answer OPTIONS"
        report("%s %s over %s" % (name, file, transport), why)
    report("all 62 messages were sent",
           None if len(messages) == 62 else "there were %d" % len(messages))


def contacts(network, aor, number):
    """What a REGISTER without Contact is told, as a list."""
    ident = "fetch-%d-%d" % (os.getpid(), number)
    data = (b"REGISTER sip:example.com SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP %s:5060;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\n"
            b"From: <%s>;tag=1\r\nTo: <%s>\r\nCall-ID: %s\r\nCSeq: 1 REGISTER\r\n"
            b"Content-Length: 0\r\n\r\n"
            % (network.address.encode(), ident.encode(), aor, aor, ident.encode()))
    got = exchange(network, data, "udp")
    return header(got.texts[0], rb"contact|m") if got.finals == [200] else []


BINDINGS = (  # file, address of record, what each Contact shown must begin with
    ("escnull.dat", b"sip:null-%00-null@example.com",
     (rb"<sip:%00@host5\.example\.com>", rb"<sip:%00%00@host5\.example\.com>")),
    ("cparam01.dat", b"sip:watson@example.com",
     (rb"<sip:\+19725552222@gw1\.example\.net>.*;unknownparam",)),
    ("cparam02.dat", b"sip:watson@example.com",
     (rb"<sip:\+19725552222@gw1\.example\.net;unknownparam>",)),
    ("regescrt.dat", b"sip:user@example.com",
     (rb"<sip:user@host\.example\.net\?Route=%3Csip:sip\.example\.com%3E>",)),
)

# regescrt.dat registers the address of record as its own contact, which would be a circle and is
# 403. What it is about, headers in a Contact's URI, is seen when the contact is another host.
CIRCLE = (b"M: <sip:user@example.com?", b"M: <sip:user@host.example.net?")


def run_bindings(network):
    files = {file: data for _, file, _, _, data in corpus()}
    for number, (file, aor, patterns) in enumerate(BINDINGS):
        got = exchange(network, files[file].replace(*CIRCLE), "udp")
        shown = contacts(network, aor, number)
        why = None
        if got.finals != [200]:
            why = "REGISTER was answered %s" % got.finals
        for pattern in patterns:
            if not any(re.match(pattern, c) for c in shown):
                why = why or "a later fetch shows %s" % b" and ".join(shown).decode("latin1")
        # cparam01 and cparam02 are the same user: only a contact of its own may be counted.
        if file in ("escnull.dat", "regescrt.dat") and len(shown) != len(patterns):
            why = why or "%d bindings, not %d" % (len(shown), len(patterns))
        report("%s leaves what it asked for" % file, why)
    for file, code in (("regescrt.dat", 403), ("unksm2.dat", 400)):
        got = exchange(network, files[file], "udp")
        report("%s changes nothing" % file,
               None if got.finals == [code] else "answered %s, not %d" % (got.finals, code))


def pieces(stream, data):
    """Writes in pieces of 1 to 40 bytes; a server that has closed is no failure."""
    try:
        while data:
            size = random.randrange(1, 41)
            stream.sendall(data[:size])
            data = data[size:]
    except OSError:
        pass


def run_other(network):
    """The verdicts of the tables are for one transport; here only survival counts, and that a
    good request behind the storm is answered."""
    random.seed(5118)
    for _, _, transport, _, data in corpus():
        if transport == "tcp":
            exchange(network, data, "udp", SILENCE)
        stream = network.connection()
        pieces(stream, data)
        network.receive(stream, 0.05)
        stream.close()
    report("all messages over the other transport and in pieces",
           None if options(network, 9999) else "the server does not answer OPTIONS")


def main():
    modes = {"answers": run_answers, "bindings": run_bindings, "other": run_other}
    if len(sys.argv) != 3 or sys.argv[1] not in modes or not sys.argv[2].isdigit():
        sys.exit(__doc__)
    global SERVER
    SERVER = ("127.0.0.1", int(sys.argv[2]))
    modes[sys.argv[1]](Network({5060} | {port_of(data) for *_, data in corpus()}))


if __name__ == "__main__":
    main()
