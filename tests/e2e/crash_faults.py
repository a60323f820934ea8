"""What a server does when its disk, its files or its clock fail.

    crash_faults.py PROGRAM DIRECTORY FAULTS.so [CASE...]

Each case makes a state with acknowledged registrations and accounts, brings one fault about, and
looks at three things: what the server says, what goes on working, and what is lost. Faults of a
disk that works come from faults.c; full and read-only file systems are real ones as well, where
this may mount (root). What is said must stand in docs/reliability.md, word for word.

Prints `ok NAME`, `not ok NAME: why` or `skip NAME: why`.
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import time

from crash import Control, Silence, free_port
from peer import Call, Peer

PASSWORD = "correct-horse"
KNOBS = ("write", "sync", "names", "allocate", "slow", "clock", "slow_sync", "failed")
ENOENT, EIO, ENOSPC, EROFS = 2, 5, 28, 30
DISK = ("write", "sync", "names", "allocate")
CONFIG = """abuse = { failures = 0 }
limits = { journal_segment = "64 KiB" }
registrar = { contacts = 32 }
"""
PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs",
                    "reliability.md")


class Wrong(Exception):
    """A case failed."""


class Skip(Exception):
    """A case cannot be tried here."""


def until(seconds, look):
    """Looks again every 20 ms; the first result that is true."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found or time.monotonic() > end:
            return found
        time.sleep(0.02)


class Rig:
    """A state directory, the server on it, its phones and what they were told."""

    def __init__(self, program, folder, faults, page):
        self.program, self.folder, self.faults = program, folder, faults
        self.page = page
        os.makedirs(folder)
        self.state = os.path.join(folder, "state")
        self.log = os.path.join(folder, "log.txt")
        self.config = os.path.join(folder, "config.lua")
        self.knob_file = os.path.join(folder, "knobs")
        with open(self.config, "w") as out:
            out.write(CONFIG)
        with open(self.knob_file, "wb") as out:
            out.write(struct.pack("8i", *[0] * 8))
        self.port = free_port()
        self.process = self.control = None
        self.users = ["1%02d" % i for i in range(12)]
        self.told = {}      # contact -> user, of acknowledged registrations
        self.number = 0
        self.prefix = []    # of the command line: another user, say

    # ---- the server ----

    def knobs(self, **values):
        with open(self.knob_file, "r+b") as out:
            for name, value in values.items():
                out.seek(4 * KNOBS.index(name))
                out.write(struct.pack("i", value))

    def disk(self, errno):
        self.knobs(**{name: errno for name in DISK})

    def start(self, expect=True):
        """Starts it. With expect false it must refuse: what it says is returned."""
        env = dict(os.environ, LD_PRELOAD=self.faults, FAULTS_FILE=self.knob_file,
                   FAULTS_DIR=self.state)
        self.log_from = os.path.getsize(self.log) if os.path.exists(self.log) else 0
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                self.prefix + [self.program, "serve", self.config, "--state", self.state,
                               "--workers", "1", "--listen", "udp:127.0.0.1:%d" % self.port],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=env)
        if not expect:
            try:
                status = self.process.wait(10)
            except subprocess.TimeoutExpired:
                raise Wrong("it started: " + self.said()) from None
            if status != 9:
                raise Wrong("it ended with status %d: %s" % (status, self.said()))
            return self.said()
        if not until(10, self.connect):
            raise Wrong("it does not start: " + self.said())
        return self.said()

    def connect(self):
        if self.process.poll() is not None:
            raise Wrong("it does not start: " + self.said())
        try:
            self.control = Control(os.path.join(self.state, "control.sock"))
            return self.control.ask(command="ping")["pid"] == self.process.pid
        except (OSError, Silence):
            return False

    def said(self):
        """What it has said since its start."""
        with open(self.log) as log:
            log.seek(self.log_from)
            return log.read()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def restart(self, **how):
        self.kill()
        return self.start(**how)

    def ask(self, **request):
        return self.control.ask(**request)

    def offhook(self, *words):
        """A command: (exit status, what it printed)."""
        done = subprocess.run([self.program, *words, "--state", self.state], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        return done.returncode, done.stdout.strip()

    # ---- phones and accounts ----

    def begin(self, bindings=40):
        """A server with accounts and acknowledged registrations."""
        self.start()
        rows = [[i, u, None, None, None, PASSWORD, None, None, None]
                for i, u in enumerate(self.users)]
        reply = self.ask(command="user-import", rows=rows)
        if not reply["ok"]:
            raise Wrong("the import failed: %s" % reply)
        for _ in range(bindings):
            self.must(self.register(), 200, "a REGISTER")

    def register(self, user=None, expires=3600):
        """One more contact of a user: the code; an acknowledged one is remembered."""
        self.number += 1
        user = user or self.users[self.number % len(self.users)]
        contact = "sip:%s-%d@127.0.0.1:9" % (user, self.number)
        peer = Peer(self.port, user, PASSWORD)
        got = peer.ask("REGISTER", peer.server_uri(), "<%s>" % peer.server_uri(user),
                       ["Contact: <%s>" % contact, "Expires: %d" % expires], 0.5)
        peer.close()
        code = got.code if got else 0
        if code == 200:
            self.told[contact] = user
        return code

    def must(self, got, wanted, what):
        if got != wanted:
            raise Wrong("%s: %s, not %s; %s" % (what, got, wanted, self.said()[-300:]))

    def bindings(self):
        reply = self.ask(command="phones")
        return {p["contact"] for p in reply["phones"]}

    def accounts(self):
        return {a["user"] for a in self.ask(command="user-list")["accounts"]}

    def lost(self):
        return set(self.told) - self.bindings()

    def nothing_lost(self):
        lost = self.lost()
        if lost:
            raise Wrong("%d of %d acknowledged registrations are lost: %s" % (
                len(lost), len(self.told), self.said()[-300:]))
        if not self.accounts() >= set(self.users):
            raise Wrong("accounts are lost")

    def call(self):
        """A call between two phones: whether INVITE, ACK and BYE get through."""
        phones = [Peer(self.port, u, PASSWORD) for u in self.users[:2]]
        call = Call(*phones)
        try:
            return call.ring() and call.answer() and call.hang_up() == 200
        finally:
            for p in phones:
                p.close()

    def ringing_phone(self):
        """Registers a phone that can be called, while the disk still works."""
        self.callee = Peer(self.port, self.users[1], PASSWORD)
        self.must(self.callee.register(3600), 200, "the phone to be called")
        self.told[self.callee.contact[1:-1]] = self.users[1]

    def serves_calls(self):
        caller = Peer(self.port, self.users[0], PASSWORD)
        call = Call(caller, self.callee)
        done = call.ring() and call.answer() and call.hang_up() == 200
        caller.close()
        if not done:
            raise Wrong("calls do not get through (%d)" % call.failed)
        probe = Peer(self.port, "anybody")
        self.must(probe.options(), 200, "OPTIONS")
        probe.close()

    # ---- what it says ----

    def event(self, name, seconds=4):
        """The `msg` of the first event of this name since the start."""
        def look():
            found = re.search(r'event=%s .*?msg="((?:[^"\\]|\\.)*)"' % name, self.said())
            return found and found.group(1).replace('\\"', '"')
        text = until(seconds, look)
        if not text:
            raise Wrong("the log has no %s: %s" % (name, self.said()[-300:]))
        return text

    def count(self, name):
        return len(re.findall("event=%s " % name, self.said()))

    def documented(self, text):
        """The page quotes what was said."""
        text = text.strip().splitlines()[-1].replace(self.state, "STATE")
        text = text.replace(self.folder, "DIR")
        text = re.sub(r"^offhook: ", "", text).replace("`", "")
        text = re.sub(r"\b\d+-\d+\.log", "N-M.log", text)
        text = re.sub(r"spare-\d+\.log", "spare-M.log", text)
        text = re.sub(r"\d+ bytes from byte \d+", "X bytes from byte Y", text)
        text = re.sub(r"pid \d+", "pid P", text)
        if os.environ.get("FAULTS_SHOW"):
            print("    says: " + text)
        if re.sub(r"\s+", " ", text) not in self.page:
            raise Wrong("docs/reliability.md does not quote: " + text)

    # ---- files ----

    def file(self, *below):
        return os.path.join(self.state, *below)

    def journals(self):
        """Segments with records, the one with most first."""
        found = []
        for name in os.listdir(self.file("bindings")):
            if re.match(r"\d+-\d+\.log$", name):
                with open(self.file("bindings", name), "rb") as f:
                    data = f.read()
                if data[64:96].strip(b"\0"):
                    found.append((len(data.rstrip(b"\0")), self.file("bindings", name)))
        return [path for _, path in sorted(found, reverse=True)]

    def until_snapshot(self):
        """Registers until a snapshot has been written, and then some that are only in journals."""
        def look():
            self.must(self.register(), 200, "a REGISTER")
            return os.path.exists(self.file("bindings", "snapshot"))
        if not until(20, look):
            raise Wrong("no snapshot was written")
        for _ in range(20):
            self.must(self.register(), 200, "a REGISTER")


def patch(path, at, change):
    """Changes bytes of a file: at may be negative."""
    with open(path, "r+b") as f:
        f.seek(at, 2 if at < 0 else 0)
        where = f.tell()
        old = f.read(16)
        f.seek(where)
        f.write(change(old) if callable(change) else change)


def flip(old):
    return bytes([old[0] ^ 0x10]) + old[1:]


# ---- a disk that fails while the server runs ----

def failing_disk(rig, errno):
    """Refuses registrations with 500, tells it once, serves calls, and recovers by itself."""
    rig.begin()
    rig.ringing_phone()
    rig.knobs(write=errno)  # first, so that what is told first is always the same
    codes = [rig.register()]
    rig.disk(errno)

    def refused():
        codes.append(rig.register())
        return codes.count(500) >= 100
    if not until(20, refused):
        raise Wrong("registrations were not refused: %s" % codes[-5:])
    rig.serves_calls()
    text = rig.event("store-failed")
    time.sleep(1.2)
    for _ in range(20):
        codes.append(rig.register())
    if set(codes) - {0, 200, 500}:
        raise Wrong("odd answers: %s" % sorted(set(codes)))
    told = rig.count("store-failed")
    if not 1 <= told <= 2:
        raise Wrong("%d lines of the log for one failure" % told)
    status = rig.ask(command="status")
    if not status.get("store_trouble"):
        raise Wrong("offhook status does not say so")
    reply = rig.ask(command="user-add", user="late", password="pw")
    if reply["ok"]:
        raise Wrong("an account was made on a disk that fails")
    account = reply["error"]
    if rig.lost():
        raise Wrong("registrations that are there have ended")
    rig.disk(0)
    if not until(5, lambda: rig.register() == 200):
        raise Wrong("it does not recover: " + rig.said()[-300:])
    rig.event("store-recovered")
    if not rig.ask(command="user-add", user="late", password="pw")["ok"]:
        raise Wrong("accounts cannot be made afterwards")
    rig.restart()
    rig.nothing_lost()
    if "late" not in rig.accounts():
        raise Wrong("the account made afterwards is lost")
    return text, account


def read_only_while_running(rig):
    text, account = failing_disk(rig, EROFS)
    rig.documented(text)
    rig.documented(account)


def full_while_running(rig):
    text, account = failing_disk(rig, ENOSPC)
    rig.documented(text)
    rig.documented(account)


def io_errors_while_running(rig):
    text, account = failing_disk(rig, EIO)
    rig.documented(text)
    rig.documented(account)


def syncs_that_fail(rig):
    """Nothing is refused: a killed process loses nothing, only a power cut might."""
    rig.begin()
    rig.knobs(sync=EIO)
    text = rig.event("store-failed")
    for _ in range(40):
        rig.must(rig.register(), 200, "a REGISTER")
    if rig.count("store-failed") != 1:
        raise Wrong("told %d times" % rig.count("store-failed"))
    # A server that has just begun syncs the directory for its new journals, too; where that comes
    # first, nothing is said of a journal. The page has both.
    rig.documented(text)
    rig.documented(re.sub(r"/\d+-\d+\.log", "", text))
    rig.knobs(sync=0)
    rig.event("store-recovered")
    rig.restart()
    rig.nothing_lost()


def a_slow_disk(rig):
    """Allocating takes 600 ms and syncing 300: no REGISTER waits for either."""
    rig.begin(4)
    time.sleep(1.1)
    rig.knobs(slow=600, slow_sync=300)
    before = set(rig.journals())
    peer = Peer(rig.port, rig.users[0], PASSWORD)
    worst, least, most = 0, time.monotonic() + 3, time.monotonic() + 20
    while time.monotonic() < least or (time.monotonic() < most and
                                       not set(rig.journals()) - before):
        began = time.monotonic()
        rig.must(peer.register(), 200, "a REGISTER")
        worst = max(worst, time.monotonic() - began)
        time.sleep(0.008)
    peer.close()
    print("    the slowest of the REGISTERs took %.0f ms" % (worst * 1000))
    if worst > 0.28:
        raise Wrong("a REGISTER took %.0f ms" % (worst * 1000))
    if not set(rig.journals()) - before:
        raise Wrong("no journal was full")
    rig.knobs(slow=0, slow_sync=0)


# ---- files that go while the server runs ----

def journals_deleted(rig):
    rig.begin()
    for path in rig.journals():
        os.unlink(path)
    rig.documented(rig.event("store-failed"))
    rig.event("store-recovered")
    rig.must(rig.register(), 200, "a REGISTER afterwards")
    rig.restart()
    rig.nothing_lost()


def bindings_deleted(rig):
    rig.begin()
    shutil.rmtree(rig.file("bindings"))
    rig.documented(rig.event("store-failed"))
    rig.event("store-recovered")
    rig.must(rig.register(), 200, "a REGISTER afterwards")
    rig.restart()
    rig.nothing_lost()


def database_deleted(rig):
    rig.begin()
    os.unlink(rig.file("offhook.db"))
    rig.documented(rig.event("store-failed"))
    reply = rig.ask(command="user-add", user="late", password="pw")
    if reply["ok"]:
        raise Wrong("an account was made in a deleted file")
    rig.documented(reply["error"])
    rig.must(rig.register(), 200, "a REGISTER")
    copy = os.path.join(rig.folder, "copy")
    reply = rig.ask(command="backup", directory=copy)
    if not reply["ok"]:
        raise Wrong("no backup is possible: %s" % reply["error"])
    rig.kill()
    rig.documented(rig.start(expect=False))
    status, text = rig.offhook("restore", copy)
    if status:
        raise Wrong("the backup cannot be restored: " + text)
    rig.start()
    rig.nothing_lost()


def state_deleted(rig):
    rig.begin()
    rig.ringing_phone()
    shutil.rmtree(rig.state)
    rig.documented(rig.event("store-failed"))
    rig.must(rig.register(), 500, "a REGISTER")
    rig.serves_calls()
    if rig.count("store-failed") != 1:
        raise Wrong("told %d times" % rig.count("store-failed"))


# ---- damage that is found at a start ----

def damaged_journal(at):
    def case(rig):
        rig.begin()
        rig.kill()
        path = rig.journals()[0]
        with open(path, "rb") as f:
            used = len(f.read().rstrip(b"\0"))
        patch(path, at(used), flip)
        rig.start()
        rig.documented(rig.event("store-damaged"))
        lost = rig.lost()
        if len(lost) > 8:    # one record: what one user's last REGISTER said
            raise Wrong("%d registrations are lost" % len(lost))
        rig.must(rig.register(), 200, "a REGISTER")
        after = rig.bindings()
        until(3, lambda: os.path.exists(rig.file("bindings", "snapshot")))
        rig.restart()
        if rig.count("store-damaged"):
            raise Wrong("the damage was not left behind")
        if not rig.bindings() >= after:
            raise Wrong("more was lost by the second start")
    return case


def torn_tail(rig):
    """A journal that ends in the middle of a record is how a kill leaves it: nothing to tell."""
    rig.begin()
    rig.kill()
    path = rig.journals()[0]
    with open(path, "r+b") as f:
        used = len(f.read().rstrip(b"\0"))
        f.truncate(used - 10)
    rig.start()
    if rig.count("store-damaged"):
        raise Wrong("a torn tail is called damage")
    if len(rig.lost()) > 8:
        raise Wrong("more than the last record is lost")


def journal_heads(rig):
    """A head that is damaged costs nothing as long as the records are intact."""
    for at in (0, 9, 13, 20, 30, 42, 55, 61):
        rig.begin(20) if at == 0 else rig.must(rig.register(), 200, "a REGISTER")
        rig.kill()
        patch(rig.journals()[0], at, flip)
        rig.start()
        rig.documented(rig.event("store-damaged"))
        rig.nothing_lost()
        until(3, lambda: not rig.ask(command="status").get("store_trouble"))


def journals_cut_to_nothing(rig):
    rig.begin()
    rig.until_snapshot()
    rig.kill()
    for path in rig.journals():
        with open(path, "w"):
            pass
    rig.start()
    if rig.count("store-damaged") or not rig.bindings():
        raise Wrong("an empty journal is called damage, or the snapshot is gone")
    rig.must(rig.register(), 200, "a REGISTER")


def journals_swapped(rig):
    """Names say nothing about the order of records: versions do."""
    rig.begin(4)
    paths = []
    for _ in range(20):     # a compaction may come just before the kill
        if rig.process.poll() is not None:
            rig.start()
        until(10, lambda: rig.register() == 200 and len(rig.journals()) > 1)
        rig.kill()
        paths = rig.journals()
        if len(paths) > 1:
            break
    else:
        raise Wrong("there is never more than one journal")
    os.rename(paths[0], paths[0] + ".x")
    os.rename(paths[1], paths[0])
    os.rename(paths[0] + ".x", paths[1])
    rig.start()
    rig.nothing_lost()


def foreign_files(rig):
    rig.begin()
    rig.kill()
    with open(rig.file("bindings", "0-999.log"), "wb") as f:
        f.write(os.urandom(70000))
    with open(rig.file("bindings", "notes.txt"), "w") as f:
        f.write("a note\n")
    rig.start()
    rig.documented(rig.event("store-damaged"))
    rig.nothing_lost()
    if not os.path.exists(rig.file("bindings", "notes.txt")):
        raise Wrong("a file of somebody else was removed")


def damaged_snapshot(at):
    def case(rig):
        rig.begin()
        rig.until_snapshot()
        rig.kill()
        path = rig.file("bindings", "snapshot")
        patch(path, at(os.path.getsize(path)), flip)
        rig.start()
        rig.documented(rig.event("store-damaged"))
        if len(rig.lost()) > 32:
            raise Wrong("%d registrations are lost" % len(rig.lost()))
    return case


def snapshot_head(rig):
    rig.begin()
    rig.until_snapshot()
    rig.kill()
    patch(rig.file("bindings", "snapshot"), 34, flip)
    rig.start()
    rig.documented(rig.event("store-damaged"))
    rig.nothing_lost()


def bindings_missing(rig):
    rig.begin()
    rig.kill()
    shutil.rmtree(rig.file("bindings"))
    rig.start()
    rig.documented(rig.event("store-damaged"))
    if not rig.accounts() >= set(rig.users):
        raise Wrong("accounts are lost")
    rig.must(rig.register(), 200, "a REGISTER")


def refuses_database(change):
    def case(rig):
        rig.begin(4)
        rig.kill()
        change(rig)
        before = {name: open(rig.file("bindings", name), "rb").read()
                  for name in os.listdir(rig.file("bindings"))}
        rig.documented(rig.start(expect=False))
        for name, data in before.items():
            if not name.startswith("spare") and \
                    open(rig.file("bindings", name), "rb").read() != data:
                raise Wrong("a start that was refused changed " + name)
    return case


def cut_database(rig):
    with open(rig.file("offhook.db"), "w"):
        pass


def damage_pages(rig):
    with open(rig.file("offhook.db"), "r+b") as f:
        f.seek(4096)
        f.write(random.Random(7).randbytes(4096))


def foreign_database(rig):
    os.unlink(rig.file("offhook.db"))
    with sqlite3.connect(rig.file("offhook.db")) as db:
        db.execute("CREATE TABLE recipe (name TEXT)")


def newer_database(rig):
    with sqlite3.connect(rig.file("offhook.db")) as db:
        db.execute("PRAGMA user_version = 99")


def damaged_while_running(rig):
    """Accounts are in memory: phones log in as before, only changes are refused."""
    rig.begin()
    with open(rig.file("offhook.db"), "r+b") as f:
        f.write(random.Random(7).randbytes(os.path.getsize(rig.file("offhook.db"))))
    rig.must(rig.register(), 200, "a REGISTER")
    reply = rig.ask(command="user-passwd", user=rig.users[0], password="other")
    if reply["ok"]:
        raise Wrong("a damaged database was written to")
    rig.documented(reply["error"])
    rig.must(rig.register(rig.users[0]), 200, "the old password")


def wrong_permissions(rig):
    if os.geteuid() != 0:
        raise Skip("only root can become somebody else")
    if not shutil.which("setpriv"):
        raise Skip("setpriv is not installed")
    rig.begin(4)
    rig.kill()
    os.chmod(rig.folder, 0o755)
    os.chmod(rig.knob_file, 0o666)
    rig.prefix = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    if subprocess.run(rig.prefix + ["test", "-x", rig.program]).returncode:
        rig.prefix = []
        raise Skip("others may not run " + rig.program)
    rig.documented(rig.start(expect=False))
    os.chmod(rig.state, 0o777)
    rig.documented(rig.start(expect=False))
    rig.prefix = []
    rig.start()
    rig.nothing_lost()


def two_servers(rig):
    rig.begin(4)
    done = subprocess.run([rig.program, "serve", "--state", rig.state, "--listen",
                           "udp:127.0.0.1:%d" % free_port()], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    rig.must(done.returncode, 9, "the second server")
    rig.documented(done.stdout)
    rig.must(rig.register(), 200, "a REGISTER with the first")


# ---- the clock ----

def clock_back(rig):
    rig.begin()
    rig.kill()
    rig.knobs(clock=-86400)
    rig.start()
    rig.nothing_lost()
    for _ in range(12):
        rig.must(rig.register(), 200, "a REGISTER")
    rig.knobs(clock=0)
    rig.must(rig.register(), 200, "a REGISTER after the clock was set right")
    if rig.lost():
        raise Wrong("setting the clock ended registrations")


def clock_forward(rig):
    rig.begin()
    rig.must(rig.register(expires=120), 200, "a short one")
    brief = "sip:%s-%d@127.0.0.1:9" % (rig.users[rig.number % len(rig.users)], rig.number)
    rig.kill()
    rig.knobs(clock=600)
    rig.start()
    del rig.told[brief]
    if brief in rig.bindings():
        raise Wrong("what expired while the server was down is there")
    rig.nothing_lost()
    rig.must(rig.register(), 200, "a REGISTER")


# ---- backup and restore ----

def bad_backups(rig):
    """Each kind of damage, into the running server and into its files: refused, nothing changed."""
    rig.begin()
    good = os.path.join(rig.folder, "good")
    if not rig.ask(command="backup", directory=good)["ok"]:
        raise Wrong("no backup")
    rig.must(rig.register(), 200, "a REGISTER after the backup")
    rig.ask(command="user-add", user="newer", password="pw")
    kinds = {}

    def damaged(name, change):
        kinds[name] = os.path.join(rig.folder, "bad-" + name)
        shutil.copytree(good, kinds[name])
        change(kinds[name])

    damaged("header", lambda d: patch(d + "/offhook.db", 3, flip))
    damaged("page", lambda d: patch(d + "/offhook.db", 4096, os.urandom(4000)))
    damaged("cut", lambda d: os.truncate(d + "/offhook.db", 5000))
    damaged("no-database", lambda d: os.unlink(d + "/offhook.db"))
    damaged("empty-database", lambda d: os.truncate(d + "/offhook.db", 0))
    damaged("snapshot", lambda d: patch(d + "/bindings/snapshot", 300, flip))
    damaged("snapshot-head", lambda d: patch(d + "/bindings/snapshot", 5, flip))
    damaged("snapshot-cut", lambda d: os.truncate(
        d + "/bindings/snapshot", os.path.getsize(d + "/bindings/snapshot") - 20))
    damaged("no-snapshot", lambda d: os.unlink(d + "/bindings/snapshot"))
    damaged("foreign", lambda d: (shutil.rmtree(d), os.makedirs(d),
                                  open(d + "/letter.txt", "w").close()))
    kinds["nothing"] = os.path.join(rig.folder, "not-there")
    bindings, accounts = rig.bindings(), rig.accounts()
    for name, folder in sorted(kinds.items()):
        reply = rig.ask(command="restore", directory=folder)
        if reply["ok"]:
            raise Wrong("%s was restored into the running server" % name)
        rig.documented(reply["error"].replace(folder, "BACKUP"))
        if rig.bindings() != bindings or rig.accounts() != accounts:
            raise Wrong("%s changed the running server" % name)
    reply = rig.ask(command="restore", directory=rig.state)
    if reply["ok"]:
        raise Wrong("its own state was restored as a backup")
    rig.kill()
    for name, folder in sorted(kinds.items()):
        status, text = rig.offhook("restore", folder)
        if status == 0:
            raise Wrong("%s was restored into the files" % name)
        if "traceback" in text.lower() or len(text) < 20:
            raise Wrong("%s is refused with '%s'" % (name, text))
    rig.start()
    rig.nothing_lost()
    if not rig.accounts() >= accounts:
        raise Wrong("a refused restore changed accounts")
    reply = rig.ask(command="restore", directory=good)
    if not reply["ok"] or "newer" in rig.accounts():
        raise Wrong("the good backup is not restored: %s" % reply)
    rig.nothing_lost()    # registrations that are live are newer than any backup


# ---- commands and starts that are killed at each of their steps ----

def steps(rig, command, before, after):
    """Runs a command again and again, killed at its first call that changes a file, at its second
    and so on, each time on what `before` has made; `after` looks. The end is a run that was not
    killed."""
    for number in range(1, 400):
        before()
        env = dict(os.environ, LD_PRELOAD=rig.faults, FAULTS_DIR=rig.folder,
                   FAULTS_KILL=str(number))
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, text=True, timeout=20,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode not in (0, -signal.SIGKILL):
            raise Wrong("at step %d: %s" % (number, done.stdout.strip()))
        try:
            after(done.returncode == 0)
        except Wrong as why:
            raise Wrong("killed at step %d: %s" % (number, why)) from None
        if done.returncode == 0:
            print("    %d steps" % (number - 1))
            return
    raise Wrong("it has no end")


def users_of(rig):
    """The accounts in the files, without a server."""
    status, text = rig.offhook("user", "list", "-o", "json")
    if status:
        raise Wrong("the files cannot be read: " + text)
    return {a["user"] for a in json.loads(text)["accounts"]}


def prepared(rig):
    """A state at rest, a backup of what it was before, and a way back to it."""
    rig.begin(12)
    rig.copy = os.path.join(rig.folder, "copy")
    if not rig.ask(command="backup", directory=rig.copy)["ok"]:
        raise Wrong("no backup")
    rig.ask(command="user-add", user="newer", password="pw")
    rig.must(rig.register(), 200, "a REGISTER")
    rig.kill()
    rig.rest = os.path.join(rig.folder, "rest")
    os.rename(rig.state, rig.rest)

    def before():
        for name in os.listdir(rig.folder):
            if name.startswith("state") or name.startswith("made"):
                shutil.rmtree(os.path.join(rig.folder, name))
        shutil.copytree(rig.rest, rig.state, ignore=shutil.ignore_patterns("control.sock"))
    return before


def restores_killed(rig):
    """The old state is there as a whole, or the new one."""
    before = prepared(rig)

    def after(finished):
        new = "newer" not in users_of(rig)
        if finished and not new:
            raise Wrong("the backup is not in force")
        rig.start()
        lost = rig.lost()
        rig.kill()
        if len(lost) > (1 if new else 0):
            raise Wrong("%d registrations are lost" % len(lost))
    steps(rig, [rig.program, "restore", rig.copy, "--state", rig.state], before, after)


def backups_killed(rig):
    """A backup that has its name is whole, and one that has none is in nobody's way."""
    before = prepared(rig)
    made = os.path.join(rig.folder, "made")
    command = [rig.program, "backup", made, "--state", rig.state]

    def after(finished):
        if not os.path.isdir(made):
            if finished:
                raise Wrong("there is no backup")
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  text=True)
            if done.returncode:
                raise Wrong("the next one fails: " + done.stdout.strip())
        status, text = rig.offhook("restore", made)
        if status or "newer" not in users_of(rig):
            raise Wrong("the backup is not whole: " + text)
    steps(rig, command, before, after)


def changes_killed(rig):
    """An account is there, or it is not; all others are."""
    before = prepared(rig)

    def after(finished):
        users = users_of(rig)
        if not users >= set(rig.users) | {"newer"} or (finished and "late" not in users):
            raise Wrong("accounts are missing: %s" % sorted(users))
    steps(rig, [rig.program, "user", "add", "late", "--state", rig.state], before, after)


def first_starts_killed(rig):
    """Whatever the first start of all had made, the next one goes on from. There are a hundred
    steps; each fourth one is tried, so that before, in the middle and behind take turns, and all
    with FAULTS_ALL=1."""
    for number in range(1, 400, 1 if os.environ.get("FAULTS_ALL") else 4):
        shutil.rmtree(rig.state, ignore_errors=True)
        os.environ["FAULTS_KILL"] = str(number)
        try:
            rig.start()
            break
        except Wrong:
            if rig.process.poll() != -signal.SIGKILL:
                raise
        finally:
            del os.environ["FAULTS_KILL"]
        rig.start()
        if not rig.ask(command="status")["ok"]:
            raise Wrong("it does not serve after step %d" % number)
        rig.kill()
    print("    some %d steps" % (number - 1))
    if number < 10:
        raise Wrong("a first start has more steps than that")


def busy(rig):
    """While a long command runs, others get an answer at once."""
    rig.begin(4)
    rig.knobs(slow_sync=800)
    slow = Control(rig.file("control.sock"))
    slow.send(command="backup", directory=rig.state + "-slow")
    time.sleep(0.1)
    began = time.monotonic()
    status = rig.ask(command="status")
    phones = rig.ask(command="phones")
    refused = rig.ask(command="user-add", user="late", password="pw")
    took = time.monotonic() - began
    if slow.receive() is not None:
        raise Wrong("the backup was over too soon to tell")
    if took > 0.7 or not status["ok"] or not phones["ok"]:
        raise Wrong("others waited %.2f s" % took)
    if refused["ok"]:
        raise Wrong("an account was made meanwhile")
    rig.documented(refused["error"])
    if not until(10, lambda: os.path.isdir(rig.state + "-slow")):
        raise Wrong("the backup did not end")
    rig.knobs(slow_sync=0)
    if not until(5, lambda: rig.ask(command="user-add", user="late", password="pw")["ok"]):
        raise Wrong("accounts cannot be made afterwards")


# ---- real file systems, in a mount namespace of our own ----

def mounted(rig, options):
    """Puts a small file system in the place of the state directory."""
    os.makedirs(rig.state)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", rig.state],
                          stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Skip("mount: " + done.stderr.strip())


def full_file_system(rig):
    """Full under the running server, and then not any more."""
    mounted(rig, "size=1500k")
    rig.begin(20)
    rig.ringing_phone()
    filler = rig.file("filler")
    with open(filler, "wb", 0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            pass
    codes = []

    def refused():
        codes.append(rig.register(expires=3600 if len(rig.told) < 250 else 600))
        return codes[-1] == 500
    if not until(60, refused):
        raise Wrong("a full disk takes everything: %s" % codes[-5:])
    rig.serves_calls()
    text = rig.event("store-failed")
    reply = rig.ask(command="user-add", user="late", password="pw")
    rig.documented(text)
    if not reply["ok"]:
        rig.documented(reply["error"])
    rig.kill()
    rig.start()     # on the full disk
    rig.nothing_lost()
    rig.event("store-failed")
    os.unlink(filler)
    if not until(5, lambda: rig.register() == 200):
        raise Wrong("it does not recover: " + rig.said()[-300:])
    rig.event("store-recovered")
    rig.restart()
    rig.nothing_lost()


def start_on_full(rig):
    """The first start of all needs space."""
    mounted(rig, "size=16k")
    rig.documented(rig.start(expect=False))


def start_on_read_only(rig):
    mounted(rig, "size=4m")
    rig.begin(4)
    rig.kill()
    subprocess.run(["mount", "-o", "remount,ro", rig.state], check=True)
    rig.documented(rig.start(expect=False))
    subprocess.run(["mount", "-o", "remount,rw", rig.state], check=True)
    rig.start()
    rig.nothing_lost()


CASES = [
    ("read-only disk under the server", read_only_while_running),
    ("full disk under the server", full_while_running),
    ("I/O errors under the server", io_errors_while_running),
    ("syncs that fail", syncs_that_fail),
    ("a slow disk delays no REGISTER", a_slow_disk),
    ("journals deleted under the server", journals_deleted),
    ("directory of bindings deleted under the server", bindings_deleted),
    ("database deleted under the server", database_deleted),
    ("state directory deleted under the server", state_deleted),
    ("a flipped bit in a journal's first record", damaged_journal(lambda used: 70)),
    ("a flipped bit in a journal's middle", damaged_journal(lambda used: used // 2)),
    ("a torn tail is no damage", torn_tail),
    ("damaged heads of journals cost nothing", journal_heads),
    ("journals cut to nothing", journals_cut_to_nothing),
    ("swapped journals", journals_swapped),
    ("foreign files among the journals", foreign_files),
    ("a flipped bit in a snapshot's middle", damaged_snapshot(lambda size: size // 2)),
    ("a flipped bit in a snapshot's end", damaged_snapshot(lambda size: size - 10)),
    ("a damaged head of a snapshot costs nothing", snapshot_head),
    ("directory of bindings missing at a start", bindings_missing),
    ("database missing", refuses_database(lambda rig: os.unlink(rig.file("offhook.db")))),
    ("database empty", refuses_database(cut_database)),
    ("database with a damaged header",
     refuses_database(lambda rig: patch(rig.file("offhook.db"), 3, flip))),
    ("database with a damaged page", refuses_database(damage_pages)),
    ("database of another program", refuses_database(foreign_database)),
    ("database of a newer version", refuses_database(newer_database)),
    ("database damaged under the server", damaged_while_running),
    ("wrong permissions", wrong_permissions),
    ("two servers on one state", two_servers),
    ("clock set back across a restart", clock_back),
    ("clock set forward across a restart", clock_forward),
    ("backups that are damaged", bad_backups),
    ("a restore killed at each of its steps", restores_killed),
    ("a backup killed at each of its steps", backups_killed),
    ("an account's making killed at each of its steps", changes_killed),
    ("a first start killed at each of its steps", first_starts_killed),
    ("a long command keeps nobody waiting", busy),
]

MOUNTS = [
    ("full file system", full_file_system),
    ("first start on a full file system", start_on_full),
    ("start on a read-only file system", start_on_read_only),
]


def run(cases, arguments):
    """Runs cases, or those of them that are named."""
    program, folder, faults, *wanted = arguments
    try:
        page = re.sub(r"\s+", " ", open(PAGE).read().replace("`", ""))
    except OSError:
        page = ""
    failed = 0
    for number, (name, case) in enumerate(cases):
        if wanted and not any(w in name for w in wanted):
            continue
        rig = Rig(program, os.path.join(folder, "%s-%d" % (case.__name__, number)), faults, page)
        began = time.monotonic()
        try:
            case(rig)
            print("ok %s" % name)
        except Skip as why:
            print("skip %s: %s" % (name, why))
        except (Wrong, Silence, OSError, subprocess.SubprocessError) as why:
            failed += 1
            print("not ok %s: %s" % (name, re.sub(r"\s+", " ", str(why))))
        finally:
            rig.kill()
        if os.environ.get("FAULTS_SHOW"):
            print("    %.1f s" % (time.monotonic() - began))
        sys.stdout.flush()
    return failed


def may_mount():
    """Whether a mount namespace of our own is to be had: why not, else None."""
    if os.geteuid() != 0:
        return "only root may mount"
    if not shutil.which("unshare"):
        return "unshare is not installed"
    done = subprocess.run(["unshare", "-m", "true"], stderr=subprocess.PIPE, text=True)
    return done.stderr.strip() if done.returncode else None


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    if sys.argv[1] == "--mounts":
        return 1 if run(MOUNTS, sys.argv[2:]) else 0
    failed = run(CASES, sys.argv[1:])
    why = may_mount()
    if why:
        for name, _ in MOUNTS:
            print("skip %s: %s" % (name, why))
    else:
        sys.stdout.flush()
        failed += subprocess.run(["unshare", "-m", "--propagation", "private", sys.executable,
                                  __file__, "--mounts", *sys.argv[1:]]).returncode
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
