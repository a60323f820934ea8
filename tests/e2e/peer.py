"""A small SIP endpoint for what the ready-made clients cannot do: calls that live through a restart
of the server, floods of REGISTERs that are cut off, phones behind TCP, and peers that misbehave.

It is a tool of tests, and so it only knows what it needs: one message per datagram, headers on one
line, MD5 digest with qop=auth.
"""

import hashlib
import os
import random
import re
import socket
import time

HOST = "127.0.0.1"


class Message:
    """A message taken apart: first line, headers in order, body."""

    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin1").split("\r\n")
        self.line = lines[0]
        self.headers = [tuple(p.strip() for p in h.split(":", 1)) for h in lines[1:] if ":" in h]

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name]

    def get(self, name):
        return next(iter(self.all(name)), "")

    @property
    def code(self):
        return int(self.line.split()[1]) if self.line.startswith("SIP/2.0 ") else 0

    @property
    def method(self):
        return "" if self.code else self.line.split()[0]


class Peer:
    """One address with one server. `transport` is "udp" or "tcp"."""

    def __init__(self, port, user, password="", transport="udp"):
        self.port, self.user, self.password, self.transport = port, user, password, transport
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.bind((HOST, 0))
        if transport == "tcp":
            self.socket.settimeout(5)
            self.socket.connect((HOST, port))
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.local = self.socket.getsockname()[1]
        self.contact = "<sip:%s@%s:%d;transport=%s>" % (user, HOST, self.local, transport)
        self.kept = b""
        self.cseq = 0

    # ---- bytes ----

    def send(self, data):
        if self.transport == "udp":
            self.socket.sendto(data, (HOST, self.port))
        else:
            self.socket.sendall(data)

    def receive(self, seconds=5.0):
        """The next message, or None when the time is over or the stream was closed."""
        end = time.monotonic() + seconds
        while True:
            message = self.whole()
            if message:
                return message
            left = end - time.monotonic()
            if left <= 0:
                return None
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65535)
            except OSError:
                return None
            if not data and self.transport == "tcp":
                return None
            self.kept += data

    def whole(self):
        """Takes one message out of what was received; a datagram holds exactly one."""
        self.kept = self.kept.lstrip(b"\r\n")
        head, gap, rest = self.kept.partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^content-length[ \t]*:[ \t]*(\d+)", head)
        size = int(length.group(1)) if length else 0
        if not gap or len(rest) < size:
            return None
        self.kept = rest[size:]
        return Message(head + gap + rest[:size])

    def wait(self, wanted, seconds=5.0):
        """The next message for which wanted(message) is true; others are passed over."""
        end = time.monotonic() + seconds
        while True:
            message = self.receive(max(0.0, end - time.monotonic()))
            if message is None or wanted(message):
                return message

    # ---- messages ----

    def request(self, method, uri, call_id, cseq, to, headers=(), tag="a", branch=None):
        branch = branch or "z9hG4bK%016x" % random.getrandbits(64)
        lines = ["%s %s SIP/2.0" % (method, uri),
                 "Via: SIP/2.0/%s %s:%d;branch=%s;rport" % (self.transport.upper(), HOST,
                                                            self.local, branch),
                 "Max-Forwards: 70",
                 "From: <sip:%s@%s:%d>;tag=%s" % (self.user, HOST, self.port, tag),
                 "To: " + to, "Call-ID: " + call_id, "CSeq: %d %s" % (cseq, method),
                 *headers, "Content-Length: 0", "", ""]
        return "\r\n".join(lines).encode("latin1")

    def answer(self, request, line, headers=(), tag="b"):
        """A response to a request; Via, Record-Route and the rest go back as they came."""
        rows = ["SIP/2.0 " + line]
        for name, value in request.headers:
            if name.lower() == "to" and ";tag=" not in value and not line.startswith("100"):
                value += ";tag=" + tag
            if name.lower() in ("via", "from", "to", "call-id", "cseq", "record-route"):
                rows.append("%s: %s" % (name, value))
        self.send("\r\n".join(rows + [*headers, "Content-Length: 0", "", ""]).encode("latin1"))

    def credentials(self, challenge, method, uri):
        """The Authorization header that answers a 401 or 407, with its name."""
        name = "WWW-Authenticate" if challenge.code == 401 else "Proxy-Authenticate"
        said = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge.get(name.lower())))
        cnonce = "%08x" % random.getrandbits(32)

        def md5(*parts):
            return hashlib.md5(":".join(parts).encode("latin1")).hexdigest()

        response = md5(md5(self.user, said["realm"], self.password), said["nonce"], "00000001",
                       cnonce, "auth", md5(method, uri))
        return ('%s: Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", '
                'algorithm=MD5, qop=auth, nc=00000001, cnonce="%s"'
                % (name.replace("WWW-Authenticate", "Authorization")
                   .replace("Proxy-Authenticate", "Proxy-Authorization"),
                   self.user, said["realm"], said["nonce"], uri, response, cnonce))

    def ask(self, method, uri, to, headers=(), seconds=5.0):
        """A request outside of a dialog, with the password when it is asked for: the final
        response, or None."""
        call_id = "%s-%d-%d" % (self.user, os.getpid(), random.getrandbits(40))
        more = []
        for cseq in (1, 2):
            self.send(self.request(method, uri, call_id, cseq, to, [*headers, *more]))
            got = self.wait(lambda m: m.code >= 200 and m.get("call-id") == call_id and
                            m.get("cseq") == "%d %s" % (cseq, method), seconds)
            if got is None or got.code not in (401, 407) or more or not self.password:
                return got
            more = [self.credentials(got, method, uri)]
        return got

    def server_uri(self, user=""):
        return "sip:%s%s:%d" % (user + "@" if user else "", HOST, self.port)

    def register(self, expires=120, contact=None):
        """The code that a REGISTER of this address ends with; 0 = no answer."""
        got = self.ask("REGISTER", self.server_uri(), "<%s>" % self.server_uri(self.user),
                       ["Contact: " + (contact or self.contact), "Expires: %d" % expires])
        return got.code if got else 0

    def options(self, seconds=5.0):
        """The code of an OPTIONS to the server itself; 0 = no answer."""
        got = self.ask("OPTIONS", self.server_uri(), "<%s>" % self.server_uri(), (), seconds)
        return got.code if got else 0

    def close(self):
        self.socket.close()


class Call:
    """A call between two peers through the server, step by step."""

    def __init__(self, caller, callee):
        self.caller, self.callee = caller, callee
        self.call_id = "call-%d-%d" % (os.getpid(), random.getrandbits(40))
        self.uri = caller.server_uri(callee.user)
        self.to = "<%s>" % self.uri
        self.invite = self.up = None
        self.failed = 0
        self.cseq = 1

    def is_ours(self, message):
        return message.get("call-id") == self.call_id

    def ring(self):
        """INVITE, with the password when asked, until the callee has it and the caller hears it
        ring. False: .failed is the code."""
        headers = ["Contact: " + self.caller.contact]
        for attempt in range(2):
            branch = "z9hG4bK%016x" % random.getrandbits(64)
            self.caller.send(self.caller.request("INVITE", self.uri, self.call_id, self.cseq,
                                                 self.to, headers, branch=branch))
            if attempt == 0 and self.caller.password:
                got = self.caller.wait(lambda m: self.is_ours(m) and m.code >= 200)
                self.failed = got.code if got else 0
                if self.failed == 407:
                    self.acknowledge(got, branch)
                    headers.append(self.caller.credentials(got, "INVITE", self.uri))
                    self.cseq += 1
                    continue
                return False
            break
        self.invite = self.callee.wait(lambda m: self.is_ours(m) and m.method == "INVITE")
        if not self.invite:
            got = self.caller.wait(lambda m: self.is_ours(m) and m.code >= 200, 1)
            self.failed = got.code if got else 0
            return False
        self.callee.answer(self.invite, "180 Ringing", ["Contact: " + self.callee.contact])
        return self.caller.wait(lambda m: self.is_ours(m) and m.code == 180) is not None

    def acknowledge(self, final, branch):
        """The ACK of a refusal, in the transaction of its INVITE."""
        self.caller.send(self.caller.request("ACK", self.uri, self.call_id, self.cseq,
                                             final.get("to"), branch=branch))

    def answer(self):
        """200 from the callee, ACK from the caller, along the route."""
        self.callee.answer(self.invite, "200 OK", ["Contact: " + self.callee.contact])
        self.up = self.caller.wait(lambda m: self.is_ours(m) and m.code == 200)
        if not self.up:
            return False
        self.caller.send(self.in_dialog("ACK", self.cseq))
        return self.callee.wait(lambda m: self.is_ours(m) and m.method == "ACK") is not None

    def in_dialog(self, method, cseq):
        """A request of the caller's inside of the dialog, to the callee's Contact."""
        routes = [r for value in self.up.all("record-route") for r in value.split(",")]
        target = re.search(r"<([^>]*)>", self.up.get("contact")).group(1)
        return self.caller.request(method, target, self.call_id, cseq, self.up.get("to"),
                                   ["Route: " + r.strip() for r in reversed(routes)])

    def hang_up(self):
        """BYE of the caller; the code of its answer, 0 = none."""
        self.caller.send(self.in_dialog("BYE", self.cseq + 1))
        bye = self.callee.wait(lambda m: self.is_ours(m) and m.method == "BYE")
        if bye:
            self.callee.answer(bye, "200 OK")
        got = self.caller.wait(lambda m: self.is_ours(m) and m.code >= 200 and
                               m.get("cseq").endswith("BYE"))
        return got.code if got and bye else 0

    def hang_up_from_callee(self):
        """BYE of the callee, along the routes as the INVITE brought them."""
        routes = [r for value in self.invite.all("record-route") for r in value.split(",")]
        target = re.search(r"<([^>]*)>", self.invite.get("contact")).group(1)
        data = self.callee.request("BYE", target, self.call_id, 1, self.invite.get("from"),
                                   ["Route: " + r.strip() for r in routes])
        # From is the callee with the tag that his 200 had.
        row = b"From: " + self.up.get("to").encode() + b"\r"
        data = re.sub(rb"(?m)^From: .*?\r$", row, data, 1)
        self.callee.send(data)
        bye = self.caller.wait(lambda m: self.is_ours(m) and m.method == "BYE")
        if bye:
            self.caller.answer(bye, "200 OK")
        got = self.callee.wait(lambda m: self.is_ours(m) and m.code >= 200 and
                               m.get("cseq").endswith("BYE"))
        return got.code if got and bye else 0
