"""Kills a server again and again under load and compares what it has with what it acknowledged.

    crash.py PROGRAM DIRECTORY --kills N --workers W [--seed S]
             [--faults FAULTS.so | --power POWERCUT.so]

Phones register, refresh, change q, replace contacts and take them back; a person makes accounts,
gives passwords, removes accounts, takes backups and reloads. Each of them has one request under way
at a time, and a model of what was acknowledged. The process gets SIGKILL at a random moment: while
it starts, under load, or (with FAULTS.so, see faults.c) at a chosen call that changes a file:
before it, in its middle or behind it. After the next start everything must be as acknowledged, the
one request that had no answer yet may have had its effect or not.

With POWERCUT.so a kill takes back what was not synced (see powercut.c). Accounts must be as
acknowledged all the same; of registrations the last second may be lost, and a little more while the
disk syncs, but nothing that was acknowledged before, and no phone may have what it never had.

A seed repeats the plan (what is asked and when it is killed); the scheduling of processes is not
repeated. The last line is "ok: ..." or the exit status is 1 and says what was lost.
"""

import argparse
import hashlib
import json
import os
import random
import re
import select
import signal
import socket
import subprocess
import sys
import time

from peer import HOST, Message

LANES = 8            # sockets, so that the kernel gives some to each worker
PHONES = 5           # of each lane
PEOPLE = 16          # accounts that come and go
CONTACTS = 5         # a phone's contacts are out of so many
SEGMENT_KIB = 64     # journals turn over several times in a life
POWER_KIB = 4096     # and do not before a power cut: there it is syncs that count
REPEAT = 0.4         # seconds until a request without an answer is sent again
POWER_LOSS = 1.3     # seconds of registrations that a power cut may cost in this test
SLACK_MS = 2500      # between a request's arrival and our looking at the clock
CONFIG = """abuse = { failures = 0 }
limits = { journal_segment = "%d KiB" }
registrar = { contacts = 16 }
log = { level = "warn" }
"""


class Lost(Exception):
    """What was acknowledged is not there, or is there and was never asked for."""


class Silence(Exception):
    """No answer: a failure, unless the server has just been killed."""


def md5(*parts):
    return hashlib.md5(":".join(parts).encode()).hexdigest()


def now_ms():
    return time.time() * 1000


class Contacts(dict):
    """What one AOR has: contact -> (q, when it expires in ms)."""

    def difference(self, other):
        """None when they are the same as far as clocks tell, else a sentence."""
        for uri in sorted(set(self) | set(other)):
            if uri not in other:
                return "%s is missing" % uri
            if uri not in self:
                return "%s was taken back and is there" % uri
            (q, until), (other_q, other_until) = self[uri], other[uri]
            if q != other_q:
                return "%s has q %s and not %s" % (uri, other_q, q)
            if abs(until - other_until) > SLACK_MS:
                return "%s expires %.1f s beside what was granted" % (
                    uri, (other_until - until) / 1000)
        return None


def contacts_of(message):
    """The Contact rows of a 200."""
    found = Contacts()
    for row in message.all("contact"):
        uri = re.match(r"<([^>]*)>", row).group(1)
        q = re.search(r";q=([\d.]+)", row)
        left = int(re.search(r";expires=(\d+)", row).group(1))
        found[uri] = (float(q.group(1)) if q else None, now_ms() + left * 1000)
    return found


class Phone:
    """An AOR, its account, and what the server has said about it."""

    def __init__(self, user, password):
        self.user, self.password = user, password
        self.has = Contacts()
        self.maybe = None       # what it would be if the request under way were done
        self.cseq = 0
        self.past = []          # (until when it was so, contacts): for power cuts

    def settle(self, has):
        self.past = [(t, c) for t, c in self.past if t > time.monotonic() - POWER_LOSS - 2]
        self.past.append((time.monotonic(), self.has))
        self.has, self.maybe = has, None

    def pool(self, i):
        return "sip:%s-%d@%s:9" % (self.user, i, HOST)

    def plan(self, rng):
        """The next change: (rows of the REGISTER, the contacts afterwards)."""
        after = Contacts(self.has)
        kind = rng.random()
        if kind < 0.04 and after:
            return ["Contact: *", "Expires: 0"], Contacts()
        rows = []
        gone = rng.sample(sorted(after), 1) if after and kind < 0.35 else []
        for uri in gone:
            rows.append("Contact: <%s>;expires=0" % uri)
            del after[uri]
        if not gone or kind < 0.25:   # a contact replaced by others in one request
            for i in rng.sample(range(CONTACTS), rng.randrange(1, 4)):
                uri, q = self.pool(i), rng.choice([None, None, 0.1, 0.25, 0.5, 0.999, 1.0])
                if uri in gone:
                    continue
                seconds = rng.randrange(60, 360) * 10
                rows.append("Contact: <%s>;expires=%d%s" % (
                    uri, seconds, "" if q is None else ";q=%g" % q))
                after[uri] = (q, now_ms() + seconds * 1000)
        return rows, after


class Lane:
    """A socket with some phones behind it, one request under way."""

    def __init__(self, port, phones, rng):
        self.port, self.phones, self.rng = port, phones, rng
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((HOST, 0))
        self.socket.setblocking(False)
        self.local = self.socket.getsockname()[1]
        self.challenge, self.count = None, 0
        self.phone = None       # whose request is under way
        self.acknowledged = self.refused = 0

    def send(self, phone, rows):
        """A REGISTER, with credentials as soon as there is a nonce."""
        uri = "sip:%s:%d" % (HOST, self.port)
        phone.cseq += 1
        lines = ["REGISTER %s SIP/2.0" % uri,
                 "Via: SIP/2.0/UDP %s:%d;branch=z9hG4bK%x;rport" % (
                     HOST, self.local, random.getrandbits(64)),
                 "Max-Forwards: 70", "From: <sip:%s@%s:%d>;tag=a" % (phone.user, HOST, self.port),
                 "To: <sip:%s@%s:%d>" % (phone.user, HOST, self.port),
                 "Call-ID: %s" % phone.user, "CSeq: %d REGISTER" % phone.cseq, *rows]
        if self.challenge:
            realm, nonce = self.challenge
            self.count += 1
            nc = "%08x" % self.count
            ha1 = md5(phone.user, realm, phone.password)
            lines.append(
                'Authorization: Digest username="%s", realm="%s", nonce="%s", uri="%s", '
                'response="%s", algorithm=MD5, qop=auth, nc=%s, cnonce="c"' % (
                    phone.user, realm, nonce, uri,
                    md5(ha1, nonce, nc, "c", "auth", md5("REGISTER", uri)), nc))
        self.data = "\r\n".join(lines + ["Content-Length: 0", "", ""]).encode()
        self.rows, self.phone, self.tries = rows, phone, 0
        self.sent = time.monotonic()
        self.transmit()

    def transmit(self):
        try:
            self.socket.sendto(self.data, (HOST, self.port))
        except OSError:
            pass    # the port of a server that was killed just now

    def begin(self):
        phone = self.rng.choice(self.phones)
        rows, phone.maybe = phone.plan(self.rng)
        self.send(phone, rows)

    def receive(self):
        """Takes what has come; the final response to the request under way, or None."""
        while True:
            try:
                data = self.socket.recv(65535)
            except OSError:
                return None
            m = Message(data)
            phone = self.phone
            if not phone or m.get("call-id") != phone.user or \
                    m.get("cseq").split()[0] != str(phone.cseq):
                continue
            if m.code == 401:
                said = dict(re.findall(r'(\w+)="([^"]*)"', m.get("www-authenticate")))
                if self.tries > 3:
                    return m
                tries, self.challenge, self.count = self.tries, (said["realm"], said["nonce"]), 0
                self.send(phone, self.rows)
                self.tries = tries + 1
                continue
            if m.code >= 200:
                return m

    def step(self):
        """Goes on with what has come."""
        m = self.receive()
        if m is None:
            if self.phone and time.monotonic() - self.sent > REPEAT:
                self.sent = time.monotonic()
                self.transmit()
            return
        phone, self.phone = self.phone, None
        if m.code == 200:
            why = phone.maybe.difference(contacts_of(m))
            if why:
                raise Lost("the 200 to a REGISTER of %s: %s" % (phone.user, why))
            phone.settle(phone.maybe)
            self.acknowledged += 1
        else:
            raise Lost("a REGISTER of %s was answered %d" % (phone.user, m.code))

    def ask(self, user, password, seconds=3.0):
        """Asks for the bindings with this password: the code of the answer."""
        phone = Phone(user, password)
        phone.cseq = random.randrange(1, 1 << 30)
        self.send(phone, [])
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            select.select([self.socket], [], [], 0.1)
            m = self.receive()
            if m is not None:
                self.phone = None
                return m.code
            if time.monotonic() - self.sent > REPEAT:
                self.sent = time.monotonic()
                self.transmit()
        return 0


class Control:
    """A connection with the control socket, one command under way."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        self.kept = b""

    def send(self, **request):
        self.socket.setblocking(True)
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def receive(self):
        """The reply, or None as long as it has not come."""
        self.socket.setblocking(False)
        try:
            while b"\n" not in self.kept:
                data = self.socket.recv(1 << 20)
                if not data:
                    raise Silence("the control socket was closed")
                self.kept += data
        except BlockingIOError:
            return None
        line, _, self.kept = self.kept.partition(b"\n")
        return json.loads(line)

    def ask(self, **request):
        self.send(**request)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            select.select([self.socket], [], [], 1)
            reply = self.receive()
            if reply is not None:
                return reply
        raise Silence("the control socket does not answer: %s" % request)

    def close(self):
        self.socket.close()


class Person:
    """Somebody who changes accounts: what was acknowledged, and what is under way."""

    def __init__(self, rng, folder):
        self.rng, self.folder = rng, folder
        self.passwords = {}     # user -> password
        self.before = self.maybe = None   # (user, password or None), (user, password or None)
        self.kind = None        # of the command under way
        self.done = self.backups = 0
        self.touched = set()
        self.copies = []        # backups that are there: (directory, was it acknowledged)

    def begin(self, control):
        user = "a%d" % self.rng.randrange(PEOPLE)
        kind = self.rng.random()
        self.kind = "other"
        if kind < 0.12:
            self.backups += 1
            self.kind = "backup"
            self.copies.append([os.path.join(self.folder, "backup-%d" % self.backups), False])
            control.send(command="backup", directory=self.copies[-1][0])
        elif kind < 0.16:
            control.send(command="reload")
        else:
            self.kind = "account"
            self.change(control, user)

    def change(self, control, user):
        password = "pw%08x" % self.rng.getrandbits(32)
        self.before = (user, self.passwords.get(user))
        self.touched.add(user)
        if self.before[1] is None:
            self.maybe = (user, password)
            control.send(command="user-add", user=user, password=password)
        elif self.rng.random() < 0.35:
            self.maybe = (user, None)
            control.send(command="user-remove", user=user,
                         forget=self.rng.random() < 0.5)
        else:
            self.maybe = (user, password)
            control.send(command="user-passwd", user=user, password=password)

    def take(self, reply):
        if not reply.get("ok"):
            raise Lost("a command was refused: %s" % reply.get("error"))
        if self.kind == "account":
            self.settle(self.maybe)
        elif self.kind == "backup":
            self.copies[-1][1] = True
        self.done += 1
        self.kind = self.before = self.maybe = None

    def settle(self, state):
        user, password = state
        if password is None:
            self.passwords.pop(user, None)
        else:
            self.passwords[user] = password


class Server:
    """A process of the program on one state directory."""

    def __init__(self, args, folder, port):
        self.args, self.folder, self.port = args, folder, port
        self.state = os.path.join(folder, "state")
        self.log = os.path.join(folder, "log.txt")
        self.config = os.path.join(folder, "config.lua")
        with open(self.config, "w") as out:
            out.write(CONFIG % (POWER_KIB if args.power else SEGMENT_KIB))
        self.process = self.control = None

    def start(self, kill_at=0):
        env = dict(os.environ)
        if self.args.power:
            env.update(LD_PRELOAD=self.args.power, FAULTS_DIR=self.state,
                       POWERCUT_SEED=str(kill_at))
        if self.args.power and kill_at:
            env["POWERCUT_AT"] = str(kill_at)
        if self.args.faults:
            env.update(LD_PRELOAD=self.args.faults, FAULTS_DIR=self.state)
        if self.args.faults and kill_at:
            env["FAULTS_KILL"] = str(kill_at)
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                [self.args.program, "serve", self.config, "--state", self.state, "--workers",
                 str(self.args.workers), "--listen", "udp:%s:%d" % (HOST, self.port)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=env)

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.wait()

    def wait(self):
        code = self.process.wait()
        self.ended = time.monotonic()
        if self.control:
            self.control.close()
            self.control = None
        if code != -signal.SIGKILL:
            raise Lost("the server ended by itself with status %d: %s" % (code, self.last_words()))

    def last_words(self):
        with open(self.log) as log:
            return " / ".join(log.read().splitlines()[-3:])

    def ready(self, seconds=20):
        """Waits until it serves. False: it has been killed."""
        end = time.monotonic() + seconds
        while self.alive():
            try:
                self.control = Control(os.path.join(self.state, "control.sock"))
                if self.control.ask(command="ping").get("pid") == self.process.pid:
                    return True
            except (OSError, Silence):
                pass    # not yet, or not any more
            if time.monotonic() > end:
                raise Lost("the server does not start: " + self.last_words())
            time.sleep(0.002)
        self.wait()
        return False


class Run:
    """All lives of one server."""

    def __init__(self, args):
        self.args = args
        self.rng = random.Random(args.seed)
        os.makedirs(args.directory, exist_ok=True)
        self.server = Server(args, args.directory, free_port())
        self.phones = [Phone("p%d" % i, "secret%d" % i) for i in range(LANES * PHONES)]
        self.lanes = [Lane(self.server.port, self.phones[i::LANES], self.rng)
                      for i in range(LANES)]
        self.person = Person(self.rng, args.directory)
        self.kills = self.checks = self.in_start = self.at_call = 0
        self.start_time = 0.05
        self.restored = 0
        self.cut = self.older = 0

    # ---- lives ----

    def first(self):
        self.server.start()
        if not self.server.ready():
            raise Lost("the first start failed")
        rows = [[i, p.user, None, None, None, p.password, None, None, None]
                for i, p in enumerate(self.phones)]
        reply = self.server.control.ask(command="user-import", rows=rows)
        if not reply.get("ok"):
            raise Lost("the import was refused: %s" % reply)

    def life(self):
        """From a start to a kill."""
        kind = self.rng.random()
        kill_at = 0
        if self.args.faults and kind < 0.5:
            kill_at = int(2 ** self.rng.uniform(0, 8.5))
        if self.args.power:
            kind, kill_at = 0.0, self.rng.randrange(10, 6000)
        began = time.monotonic()
        self.server.start(kill_at)
        if kind > 0.85:
            time.sleep(self.rng.uniform(0, self.start_time * 1.3))
            self.in_start += 1
            self.server.kill()
            return
        if not self.server.ready():
            self.at_call += 1
            self.in_start += 1
            return
        self.start_time = 0.8 * self.start_time + 0.2 * (time.monotonic() - began)
        try:
            self.check()
            self.load(8 if self.args.power else 0.5 if kill_at else self.rng.uniform(0.02, 0.4))
        except (OSError, Silence):
            if self.server.alive() and not killed_soon(self.server.process):
                raise
        if self.server.alive():
            self.server.kill()
        else:
            self.at_call += 1
            self.server.wait()
        self.cut = self.server.ended

    def load(self, seconds):
        """Everybody asks for as much as he can, until the time is over or the server is gone."""
        control, person, end = self.server.control, self.person, time.monotonic() + seconds
        for lane in self.lanes:
            lane.phone = None
        sockets = [lane.socket for lane in self.lanes] + [control.socket]
        while time.monotonic() < end and self.server.alive():
            for lane in self.lanes:
                if lane.phone is None:
                    lane.begin()
            if person.kind is None:
                person.begin(control)
            select.select(sockets, [], [], 0.05)
            for lane in self.lanes:
                lane.step()
            reply = control.receive()
            if reply is not None:
                person.take(reply)

    # ---- comparing ----

    def check(self):
        """Everything is there that was acknowledged. What was under way may be there."""
        control = self.server.control
        self.check_phones(control)
        self.check_accounts(control)
        self.check_copies()
        self.checks += 1
        if self.args.power:     # a page that was lost between others is damage
            return
        text = open(self.server.log).read()
        for event in ("store-damaged", "bindings-lost", "store-failed"):
            if "event=" + event in text:
                raise Lost("the log has %s: %s" % (event, self.server.last_words()))

    def check_phones(self, control):
        found, cursor = {}, None
        while True:
            reply = control.ask(command="phones", **({"cursor": cursor} if cursor else {}))
            for p in reply["phones"]:
                contacts = found.setdefault(p["aor"].split("@")[0], Contacts())
                contacts[p["contact"]] = (p["q"], now_ms() + p["expires_in"] * 1000)
            cursor = reply["next"]
            if not cursor:
                break
        for phone in self.phones:
            has = found.pop(phone.user, Contacts())
            why = phone.has.difference(has)
            if why and phone.maybe is not None and phone.maybe.difference(has) is None:
                phone.has, why = phone.maybe, None
            for until, past in phone.past if self.args.power else []:
                if why and until > self.cut - POWER_LOSS and past.difference(has) is None:
                    phone.has, why = past, None
                    self.older += 1
            phone.past.clear()
            if why:
                raise Lost("%s after kill %d: %s" % (phone.user, self.kills, why))
            phone.maybe = None
        if found:
            raise Lost("bindings of nobody: %s" % sorted(found))

    def check_accounts(self, control):
        person, lane = self.person, self.lanes[0]
        reply = control.ask(command="user-list")
        there = {a["user"] for a in reply["accounts"] if a["user"].startswith("a")}
        if person.kind == "account":
            user, password = person.maybe
            took = self.may_log_in(lane, user, password) if password else user not in there
            person.settle(person.maybe if took else person.before)
        if there != set(person.passwords):
            raise Lost("accounts after kill %d: there are %s, acknowledged were %s" % (
                self.kills, sorted(there), sorted(person.passwords)))
        for user in sorted(person.touched):
            password = person.passwords.get(user)
            if password and not self.may_log_in(lane, user, password):
                raise Lost("the password of %s after kill %d is not the acknowledged one" % (
                    user, self.kills))
        person.touched.clear()
        person.kind = person.before = person.maybe = None

    def may_log_in(self, lane, user, password):
        code = lane.ask(user, password)
        if code == 0:
            raise Silence("no answer to a REGISTER of %s" % user)
        return code == 200

    def check_copies(self):
        """A backup that has its name is whole; one that was acknowledged has its name. A few are
        restored, beside the state."""
        for folder, acknowledged in self.person.copies:
            if not os.path.isdir(folder):
                if acknowledged:
                    raise Lost("the acknowledged backup %s is not there" % folder)
                continue
            if self.rng.random() < 0.3:
                beside = os.path.join(self.server.folder, "restored")
                done = subprocess.run([self.args.program, "restore", folder, "--state", beside],
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                if done.returncode:
                    raise Lost("the backup %s cannot be restored: %s" % (folder, done.stdout))
                self.restored += 1
                subprocess.run(["rm", "-rf", beside], check=True)
            subprocess.run(["rm", "-rf", folder], check=True)
        self.person.copies.clear()

    def all(self):
        self.first()
        self.load(0.3)
        self.server.kill()
        self.kills = 1
        while self.kills < self.args.kills:
            self.life()
            self.kills += 1
        self.server.start()
        if not self.server.ready():
            raise Lost("the last start failed")
        self.check()
        self.server.kill()
        return "%d kills (%d at a chosen call, %d before it served), %d looks, %d REGISTERs and " \
               "%d commands acknowledged, %d backups restored, %d phones were a moment older, " \
               "nothing else was lost" % (
                   self.kills, self.at_call, self.in_start, self.checks,
                   sum(lane.acknowledged for lane in self.lanes), self.person.done, self.restored,
                   self.older)


def killed_soon(process):
    """Has the process just ended? Its sockets go before it can be waited for."""
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        return False
    return True


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        while True:
            port = random.randrange(12000, 30900)
            try:
                s.bind((HOST, port))
                return port
            except OSError:
                continue


def main():
    parser = argparse.ArgumentParser(description="kill -9 under load")
    parser.add_argument("program")
    parser.add_argument("directory")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--faults")
    parser.add_argument("--power")
    args = parser.parse_args()
    run = Run(args)
    print("seed %d, %d workers" % (args.seed, args.workers), flush=True)
    try:
        print("ok: " + run.all())
        return 0
    except (Lost, Silence, OSError) as why:
        print("seed %d, after %d kills: %s" % (args.seed, run.kills, why))
        return 1
    finally:
        if run.server.process and run.server.alive():
            run.server.process.kill()
            run.server.process.wait()


if __name__ == "__main__":
    sys.exit(main())
