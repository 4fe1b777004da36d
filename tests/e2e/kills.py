#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The daemon is killed (-9) at random moments of its life, and what must be true afterwards is.

  kills.py ROUNDS SEED -- DAEMON-COMMAND...

Several owners of sessions open and close them all the time, established ones have traffic, and each
round ends with a kill: in the midst of that work, of a start, of a reload, of a stop, of a detach.
After each new start: every session that was acknowledged is there and forwards, none that was closed
is, the pinned tables and the neighbours hold nothing else, and no datagram of an established session
was lost (but while the dataplane was taken off). Runs on bed.sh's hosts, each named by its namespace.
"""
import ctypes
import json
import mmap
import os
import platform
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

RUN_DIR, PIN_DIR = "/run/moshrelay", "/sys/fs/bpf/moshrelay"
PUBLIC = ("203.0.113.7", "2001:db8::7")
TARGETS = [f"10.2.0.{n}" for n in range(2, 8)]
PORTS = range(60001, 60021)
ESTABLISHED = 5
OWNERS, SESSIONS_EACH = 4, 12
PACE_S = 0.02  # between datagrams of an established session
PATIENCE = 20.0 * int(os.environ.get("PATIENCE", "1"))
TO_CLIENT = 1 << 63
MAX_SESSIONS = 1024

libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def udp_at(host, family=socket.AF_INET):
    """A UDP socket that belongs to that host's network."""
    with open("/proc/self/ns/net", "rb") as here, open(f"/run/netns/{host}", "rb") as there:
        check(libc.setns(there.fileno(), 0) == 0, f"no network of {host}")
        sock = socket.socket(family, socket.SOCK_DGRAM)
        libc.setns(here.fileno(), 0)
    sock.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE: none is lost in the queue
    sock.setblocking(False)
    return sock


def datagram(nonce, text):
    return struct.pack("!Q", nonce) + text.encode().ljust(40, b"\0")


def text_of(data):
    return data[8:].rstrip(b"\0").decode()


class Targets(threading.Thread):
    """Everything that listens at the targets' end: answers with its own endpoint and the text."""

    def __init__(self):
        super().__init__(daemon=True)
        self.poll = select.epoll()
        self.socks, self.sequences = {}, {}
        for address in TARGETS:
            for port in PORTS:
                sock = udp_at("target")
                sock.bind((address, port))
                self.socks[sock.fileno()] = (sock, f"{address}:{port}")
                self.poll.register(sock, select.EPOLLIN)

    def run(self):
        sequence = 0
        while True:
            for fd, _ in self.poll.poll():
                sock, name = self.socks[fd]
                try:
                    while True:
                        data, client = sock.recvfrom(2048)
                        if len(data) >= 24:
                            sock.sendto(datagram(TO_CLIENT | sequence, f"{name} {text_of(data)}"), client)
                            sequence += 1
                except BlockingIOError:
                    pass


class Client:
    """One client of a session: what it has sent, and what has come back."""

    def __init__(self, session, address=0):
        self.session = session
        self.sock = udp_at("client", socket.AF_INET6 if address else socket.AF_INET)
        self.sock.connect((PUBLIC[address], session["public"]["port"]))
        self.sequence = int(time.time() * 100)
        self.waiting, self.heard = set(), False

    def send(self):
        self.waiting.add(self.sequence)
        self.sock.send(datagram(self.sequence, str(self.sequence)))
        self.sequence += 1

    def receive(self):
        try:
            while True:
                name, number = text_of(self.sock.recv(2048)).split()
                target = self.session["target"]
                check(name == f"{target['address']}:{target['port']}", f"an answer by {name} at {target}")
                self.waiting.discard(int(number))
                self.heard = True
        except (BlockingIOError, ConnectionRefusedError):
            pass


class Traffic(threading.Thread):
    """The established sessions' clients, at an even pace."""

    def __init__(self, sessions):
        super().__init__(daemon=True)
        self.clients = [Client(s, n % 2) for n, s in enumerate(sessions)]
        check(reached(self.clients), "no answer by an established session")
        for client in self.clients:
            client.waiting.clear()
        self.lock, self.error = threading.Lock(), None

    def run(self):
        try:
            while True:
                with self.lock:
                    for client in self.clients:
                        client.send()
                        client.receive()
                time.sleep(PACE_S / 2 + random.random() * PACE_S)
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def settle(self):
        """Waits until everything has been answered; what has not is lost."""
        check(not self.error, f"traffic: {self.error}")
        with self.lock:
            answered(self.clients)
            lost = {c.session["id"]: sorted(c.waiting) for c in self.clients if c.waiting}
            for client in self.clients:
                client.waiting.clear()
        return lost


def answered(clients, seconds=PATIENCE / 4):
    end = time.monotonic() + seconds
    poll = select.poll()
    for client in clients:
        poll.register(client.sock, select.POLLIN)
    by_fd = {client.sock.fileno(): client for client in clients}
    while any(c.waiting for c in clients) and time.monotonic() < end:
        for fd, _ in poll.poll(100):
            by_fd[fd].receive()


def reached(clients):
    """Each sends until it is answered: what comes before a neighbour is known is dropped."""
    end = time.monotonic() + PATIENCE / 4
    while (silent := [c for c in clients if not c.heard]) and time.monotonic() < end:
        for client in silent:
            client.send()
        answered(silent, 0.5)
    return all(c.heard for c in clients)


class Refused(Exception):
    pass


class Setup:
    """A connection to the setup socket."""

    def __init__(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(f"{RUN_DIR}/setup.sock")
        self.lines = self.sock.makefile("rb")

    def call(self, method, **params):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self.sock.sendall(json.dumps(request).encode() + b"\n")
        line = self.lines.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"]["message"])
        return answer["result"]

    def close(self):
        self.lines.close()
        self.sock.close()


class Owner(threading.Thread):
    """Opens and closes without end while it may; knows what it was promised."""

    def __init__(self, number):
        super().__init__(daemon=True)
        self.number, self.count = number, 0
        self.open, self.closing, self.closed = {}, {}, set()
        self.labels = set()  # of opens that were never answered
        self.go, self.idle = threading.Event(), threading.Event()
        self.error = None

    def step(self, setup):
        if len(self.open) < SESSIONS_EACH and (not self.open or random.random() < 0.55):
            self.count += 1
            label = f"{self.number}.{self.count}"
            self.labels.add(label)
            target = f"{random.choice(TARGETS)}:{random.choice(PORTS)}"
            try:
                session = setup.call("open", target=target, label=label)
            except Refused:
                return
            self.labels.discard(label)
            self.open[session["id"]] = session
        else:
            session = self.open.pop(random.choice(list(self.open)))
            self.closing[session["id"]] = session
            try:
                setup.call("close", id=session["id"])
            except Refused:  # it stops: whether it has done so much still is not said
                return
            self.closed.add(self.closing.pop(session["id"])["id"])

    def run(self):
        try:
            while True:
                self.idle.set()
                self.go.wait()
                self.idle.clear()
                setup = None
                try:
                    setup = Setup()
                    while self.go.is_set():
                        self.step(setup)
                except (OSError, ConnectionError):
                    self.go.clear()  # until somebody says that the daemon is there again
                if setup:
                    setup.close()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error
            self.idle.set()

    def pause(self):
        self.go.clear()
        check(self.idle.wait(PATIENCE) and not self.error, f"owner {self.number}: {self.error}")


class Daemon:
    def __init__(self, command):
        self.command, self.process = command, None
        self.log = open("/run/bed/moshrelayd.log", "ab")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind("/run/bed/notify")
        os.chmod("/run/bed/notify", 0o666)  # as systemd's

    def spawn(self):
        self.notify.setblocking(False)
        try:
            while True:
                self.notify.recv(4096)
        except BlockingIOError:
            pass
        environment = dict(os.environ, NOTIFY_SOCKET="/run/bed/notify")
        self.process = subprocess.Popen(
            self.command, env=environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def wait_ready(self):
        end = time.monotonic() + PATIENCE
        self.notify.settimeout(0.2)
        while time.monotonic() < end:
            try:
                if b"READY=1" in self.notify.recv(4096):
                    return
            except socket.timeout:
                check(self.process.poll() is None, f"the daemon ended: {self.process.returncode}")
        raise Failure("the daemon does not come up")

    def kill(self):
        self.process.kill()
        status = self.process.wait()
        check(status in (-signal.SIGKILL, 0), f"the daemon ended by itself: {status}")


class Tables:
    """The pinned maps, read past the daemon."""

    SYSCALL = {"x86_64": 321, "aarch64": 280}[platform.machine()]

    def __init__(self):
        self.ports = mmap.mmap(self.get("ports"), 64 * 65536 * 4, prot=mmap.PROT_READ)
        self.buckets = mmap.mmap(self.get("buckets"), self.n_buckets() * 64, prot=mmap.PROT_READ)
        self.sessions = self.get("sessions")

    def bpf(self, command, attr):
        buf = ctypes.create_string_buffer(attr, 128)
        return libc.syscall(self.SYSCALL, command, buf, 128)

    def get(self, name):
        path = ctypes.create_string_buffer(f"{PIN_DIR}/{name}".encode())
        fd = self.bpf(7, struct.pack("=QII", ctypes.addressof(path), 0, 0))
        check(fd >= 0, f"no pinned {name}")
        return fd

    def n_buckets(self):
        n = 1
        while n < MAX_SESSIONS // 7 * 2 + 1:
            n *= 2
        return n

    def record(self, index):
        key, value = ctypes.create_string_buffer(struct.pack("=I", index)), ctypes.create_string_buffer(1216)
        attr = struct.pack("=IIQQQ", self.sessions, 0, ctypes.addressof(key), ctypes.addressof(value), 0)
        check(self.bpf(1, attr) == 0, f"no record {index}")
        identity, _, flags, _, public, _, _, base = struct.unpack_from("=QIBBHHHH", value.raw)
        return f"{identity:016x}", bool(flags & 1), socket.ntohs(public), base

    def check(self, live):
        records = {i: self.record(i) for i in range(MAX_SESSIONS)}
        opened = {r[0] for r in records.values() if r[1]}
        check(opened == set(live), f"records differ: {opened ^ set(live)}")
        keys = 0
        for slot in range(64):
            line = self.ports[slot << 18 : slot + 1 << 18]
            if line.count(0) == len(line):
                continue
            for at, entry in enumerate(struct.unpack("=65536I", line)):
                if entry:
                    identity, is_open, port, _ = records[entry - 1]
                    check(is_open and identity in live and port == at, f"port key {at} to {identity}")
                    keys += 1
        check(keys == 2 * len(live), f"{keys} public keys of {len(live)} sessions")
        entries = []
        for at in range(0, len(self.buckets), 64):
            entries += [e for e in struct.unpack_from("=7I", self.buckets, at + 28) if e]
        check(len(entries) == len(set(entries)) == len(live), f"{len(entries)} target keys of {len(live)} sessions")
        for entry in entries:
            check(records[entry - 1][0] in live, f"a target key to {records[entry - 1]}")

    def close(self):
        self.ports.close()
        self.buckets.close()
        os.close(self.sessions)


def nsenter(*command):
    return subprocess.run(("nsenter", "--net=/run/netns/bastion", "--") + command, check=True,
                          stdout=subprocess.PIPE, text=True).stdout


def kept_neighbours():
    return {line.split()[0] for line in nsenter("ip", "neigh", "show", "dev", "eth1").splitlines()
            if "managed" in line}


def check_host(sessions):
    """Links, sockets and neighbours are those of the sessions that there are."""
    links = sorted(n for n in os.listdir(PIN_DIR) if n.startswith("link-"))
    check(links == ["link-eth0", "link-eth1"], f"pins: {os.listdir(PIN_DIR)}")
    bound = {int(line.split()[3].rsplit(":", 1)[1]) for line in nsenter("ss", "-Huln").splitlines()}
    wanted = {s["public"]["port"] for s in sessions.values()}
    check(bound == wanted, f"ports that are held for nobody, or not held: {bound ^ wanted}")
    wanted = {s["target"]["address"] for s in sessions.values()}
    end = time.monotonic() + PATIENCE
    while (kept := kept_neighbours()) != wanted:  # many at once are taken up little by little
        check(time.monotonic() < end, f"neighbours that are kept for nobody, or not kept: {kept ^ wanted}")


def settled(setup):
    """The sessions by their ids, when the closes that a kill cut short have been finished."""
    end = time.monotonic() + PATIENCE
    while True:
        listed = {s["id"]: s for s in setup.call("list")["sessions"]}
        closing = [i for i, s in listed.items() if s["state"] == "closing"]
        if not closing:
            return listed
        check(time.monotonic() < end, f"closing without an end: {closing}")
        time.sleep(0.01)


class World:
    def __init__(self, command):
        self.daemon = Daemon(command)
        self.targets = Targets()
        self.targets.start()
        self.daemon.spawn()
        self.daemon.wait_ready()
        setup = Setup()
        self.fixed = {}
        for n in range(ESTABLISHED):
            session = setup.call("open", target=f"{TARGETS[n]}:{PORTS[n]}", label=f"established {n}")
            self.fixed[session["id"]] = session
        setup.close()
        self.traffic = Traffic(self.fixed.values())
        self.traffic.start()
        self.owners = [Owner(n) for n in range(OWNERS)]
        for owner in self.owners:
            owner.start()

    def work(self, seconds):
        for owner in self.owners:
            owner.go.set()
        time.sleep(seconds)

    def pause(self):
        for owner in self.owners:
            owner.pause()

    def reconcile(self):
        """What there is is what was promised; what was asked for and not answered may be either."""
        setup = Setup()
        listed = settled(setup)
        promised = dict(self.fixed)
        for owner in self.owners:
            promised.update(owner.open)
            check(not owner.closed & set(listed), f"closed, and there again: {owner.closed & set(listed)}")
            owner.closed.clear()
            for identity in list(owner.closing):
                if identity in listed:
                    owner.open[identity] = owner.closing[identity]
                    promised[identity] = owner.open[identity]
            owner.closing.clear()
        for identity, session in promised.items():
            check(identity in listed, f"session {identity} is gone: {session}")
            for field in ("public", "target", "upstream", "label", "opened_at"):
                check(listed[identity][field] == session[field], f"{identity}: another {field}")
        for identity in set(listed) - set(promised):
            owner = next((o for o in self.owners if listed[identity]["label"] in o.labels), None)
            check(owner, f"a session that nobody asked for: {listed[identity]}")
            owner.open[identity] = listed[identity]
        for owner in self.owners:
            owner.labels.clear()
        setup.close()
        return listed

    def check(self, was_detached):
        sessions = self.reconcile()
        clients = [Client(s) for i, s in sessions.items() if i not in self.fixed]
        check(reached(clients), f"no answer: {[c.session for c in clients if not c.heard]}")
        for client in clients:
            client.sock.close()
        lost = self.traffic.settle()
        check(was_detached or not lost, f"lost: {lost}")
        tables = Tables()
        tables.check(sessions)
        tables.close()
        check_host(sessions)
        return len(sessions)


def die_while(world, what):
    """One kind of death."""
    daemon = world.daemon
    world.work(random.uniform(0.02, 0.2))
    if what == "reload":
        for _ in range(random.randint(1, 3)):
            daemon.process.send_signal(signal.SIGHUP)
        time.sleep(random.uniform(0, 0.02))
    elif what == "stop":
        daemon.process.send_signal(signal.SIGTERM)
        time.sleep(random.uniform(0, 0.03))
    elif what == "detach":
        setup = Setup()
        setup.sock.sendall(b'{"jsonrpc": "2.0", "id": 1, "method": "detach", "params": {}}\n')
        time.sleep(random.uniform(0, 0.06))
        setup.close()
    daemon.kill()
    world.pause()
    while what == "start":
        daemon.spawn()
        time.sleep(random.uniform(0, 0.4))
        daemon.kill()
        if random.random() < 0.5:
            break


def main():
    rounds, seed = int(sys.argv[1]), int(sys.argv[2])
    random.seed(seed)
    world = World(sys.argv[4:])
    kinds = ["work", "start", "reload", "detach", "stop"]
    for n in range(rounds):
        what = kinds[n % len(kinds)]
        try:
            die_while(world, what)
            world.daemon.spawn()
            world.daemon.wait_ready()
            alive = world.check(what == "detach")
        except Failure as failure:
            print(f"round {n} of seed {seed}, killed in the midst of {what}: {failure}")
            return 1
        print(f"round {n}: killed in the midst of {what}, {alive} sessions", flush=True)
    world.daemon.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
