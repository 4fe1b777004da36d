#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""The DPDK dataplane in network namespaces: test_dpdk.py DRIVE MODULE REFUSE-NFT [TEST]...

client -- bastion -- target, three namespaces made here and removed afterwards. DRIVE loads the module
in the bastion's; clients and targets are sockets of this process. Prints TAP. Needs root.
"""

import ctypes
import fcntl
import itertools
import json
import os
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

DRIVE, MODULE, REFUSE_NFT = (os.path.abspath(path) for path in sys.argv[1:4])
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
TAG = f"dpdk{os.getpid()}"
PATIENCE = 30  # seconds until something that must come is given up
TO_CLIENT = 1 << 63
OUTER = ("198.51.100.1/24", "2001:db8:1::1/64")  # the bastion's, towards clients


def run(*words, check=True):
    done = subprocess.run(words, capture_output=True, text=True)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Host:
    """A network namespace."""

    def __init__(self, name):
        self.name = f"{TAG}-{name}"
        run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def words(self, *words):
        return ["nsenter", f"--net=/run/netns/{self.name}", "--", *words]

    def run(self, *words, check=True):
        return run(*self.words(*words), check=check)

    def ip(self, *words):
        return run("ip", "-n", self.name, *words)

    def enter(self):
        with open(f"/run/netns/{self.name}") as file:
            if LIBC.setns(file.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")

    def socket(self, family, kind=socket.SOCK_DGRAM, proto=0):
        """A socket there; this process stays where it is."""
        with open("/proc/self/ns/net") as home:
            self.enter()
            try:
                made = socket.socket(family, kind, proto)
            finally:
                LIBC.setns(home.fileno(), CLONE_NEWNET)
        made.settimeout(PATIENCE)
        return made

    def remove(self):
        run("ip", "netns", "del", self.name, check=False)


class Bed:
    """Three hosts and two cables. Senders' checksums are left to the cards, as they are by default."""

    def __init__(self):
        self.client, self.bastion, self.target = Host("c"), Host("b"), Host("t")
        self.cable(self.client, "b0")
        self.cable(self.target, "b1")
        self.addresses(self.client, "eth0", "198.51.100.9/24", "2001:db8:1::9/64")
        self.addresses(self.target, "eth0", "10.2.0.2/24", "fd02::2/64")

    def cable(self, host, device):
        host.ip("link", "add", "eth0", "type", "veth", "peer", "name", device,
                "netns", self.bastion.name)
        host.ip("link", "set", "eth0", "up")
        self.bastion.ip("link", "set", device, "up")

    @staticmethod
    def addresses(host, device, *addresses):
        for address in addresses:
            host.ip("addr", "add", address, "dev", device, *(["nodad"] if ":" in address else []))

    def bastion_addresses(self, outer, inner):
        self.addresses(self.bastion, outer, *OUTER)
        self.addresses(self.bastion, inner, "10.2.0.1/24", "fd02::1/64")

    def remove(self):
        for host in (self.client, self.bastion, self.target):
            host.remove()


class Drive:
    """The module, driven in the bastion."""

    def __init__(self, bed, *words, env=None):
        self.process = subprocess.Popen(
            bed.bastion.words(DRIVE, MODULE, *words), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, bufsize=0, env={**os.environ, **(env or {})})
        self.events = []
        self.said = b""

    def line(self):
        """What it says next. Read by hand: what a buffer holds, select() doesn't see."""
        while b"\n" not in self.said:
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
            more = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            assert more, "drive says no more"
            self.said += more
        line, self.said = self.said.split(b"\n", 1)
        return line.decode()

    def wait_for(self, start):
        while True:
            line = self.line()
            if line.startswith("event "):
                self.events.append(line)
            if line.startswith(start):
                return line

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def counts(self):
        self.say("")
        counts = {}
        while True:
            words = self.line().split()
            if words[0] == "count":
                counts[words[1]] = int(words[2])
            elif words[0] == "session":
                counts[int(words[1])] = dict(word.split("=") for word in words[2:])
            elif words[0] == "event":
                self.events.append(" ".join(words))
            elif words[0] == "end":
                return counts

    def counted(self, reason, least):
        """Waits until so many packets ended so: the worker may be later than the kernel."""
        deadline = time.monotonic() + PATIENCE
        while self.counts().get(reason, 0) < least:
            assert time.monotonic() < deadline, f"fewer than {least} {reason}"

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(PATIENCE) == 0

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


SESSION4 = "session=-1,60005,10.2.0.2,60001,10.2.0.1,3900"
SESSION6 = "session=-1,60006,fd02::2,60001,fd02::1,3901"
COMMON = ["address=198.51.100.1", "address=2001:db8:1::1", SESSION4, SESSION6]
PACKET = ["interface=b0", "interface=b1", "link=b0", "link=b1", *COMMON]


def datagram(direction, number, size=60):
    return struct.pack(">Q", direction | number) + bytes(i % 251 for i in range(size))


def links(host):
    """Interfaces and what may have been done to them; not their carrier, which comes and goes."""
    fields = ("ifname", "mtu", "address", "promiscuity", "allmulti", "master", "linkinfo")
    found = []
    for link in json.loads(host.run("ip", "-d", "-j", "link")):
        flags = set(link["flags"]) - {"LOWER_UP", "NO-CARRIER"}
        found.append([link.get(field) for field in fields] + sorted(flags))
    return found


class Talk:
    """A client socket and a target socket, and what goes between them."""

    def __init__(self, bed, public, port, target, size=60):
        self.size = size
        self.client = self.make(bed.client, public)
        self.client.connect((public, port))
        self.target = self.make(bed.target, target)
        self.target.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.target.bind((target, 60001))
        self.number = 0
        self.sent = set()

    @staticmethod
    def make(host, address):
        return host.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()
        self.target.close()

    def forth(self, client=None):
        """A datagram to the target; again until it is there: neighbours may have to be found."""
        client = client or self.client

        def send():
            sent = datagram(0, self.number, self.size)
            self.number += 1
            client.send(sent)
            return sent

        self.upstream = self.carried(send, self.target, "to the target")

    def back(self, client=None):
        numbers = itertools.count()

        def send():
            sent = datagram(TO_CLIENT, next(numbers), self.size)
            self.target.sendto(sent, self.upstream)
            return sent

        self.carried(send, client or self.client, "back to the client")

    def carried(self, send, receiver, way):
        """Sends until the newest has come: earlier ones that come late are nobody's fault. Its sender."""
        for _ in range(30):
            newest = send()
            self.sent.add(newest)
            deadline = time.monotonic() + 0.3
            while (left := deadline - time.monotonic()) > 0:
                receiver.settimeout(left)
                try:
                    got, sender = receiver.recvfrom(65536)
                except TimeoutError:
                    break
                assert got in self.sent, "the payload has changed"
                if got == newest:
                    return sender
        raise AssertionError(f"nothing comes {way}")


def bad_checksums(host):
    lines = host.run("nstat", "-asz", "UdpInCsumErrors", "Udp6InCsumErrors").splitlines()
    return sum(int(line.split()[1]) for line in lines if "Csum" in line)


def both_ways(bed, public, port, target, size=60):
    with Talk(bed, public, port, target, size) as talk:
        for _ in range(20):
            talk.forth()
            talk.back()
    assert not bad_checksums(bed.target) and not bad_checksums(bed.client)


def with_packet(test):
    """A test that gets a bed and the module on net_af_packet."""
    def wrapped():
        bed = Bed()
        drive = None
        try:
            bed.bastion_addresses("b0", "b1")
            drive = Drive(bed, *PACKET)
            drive.wait_for("ready")
            test(bed, drive)
        finally:
            if drive:
                drive.kill()
            bed.remove()
    wrapped.__doc__ = test.__doc__
    return wrapped


@with_packet
def relays(bed, drive):
    """relays between all families with senders' checksums unfinished"""
    offload = bed.client.run("ethtool", "-k", "eth0")
    assert "tx-checksumming: on" in offload, "the cable would hide what is tested"
    both_ways(bed, "198.51.100.1", 60005, "10.2.0.2")
    both_ways(bed, "2001:db8:1::1", 60006, "fd02::2")
    both_ways(bed, "2001:db8:1::1", 60005, "10.2.0.2")
    both_ways(bed, "198.51.100.1", 60006, "fd02::2")
    drive.counted("to_target", 80)
    drive.counted("to_client", 80)
    drive.stop()


@with_packet
def roams(bed, drive):
    """moves to the client that the target answers"""
    with Talk(bed, "198.51.100.1", 60005, "10.2.0.2") as talk:
        talk.forth()
        talk.back()
        other = talk.make(bed.client, "198.51.100.1")
        other.connect(("198.51.100.1", 60005))
        talk.forth(other)
        talk.back(other)
        port = other.getsockname()[1]
        other.close()
    event = drive.wait_for("event roamed")
    assert f"port={port}" in event, event


@with_packet
def kernel_is_silent(bed, drive):
    """the kernel answers nothing for the relay's ports, and everything else"""
    icmp = bed.target.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    stranger = bed.target.socket(socket.AF_INET)
    local = bed.bastion.socket(socket.AF_INET)
    with Talk(bed, "198.51.100.1", 60005, "10.2.0.2") as talk:
        talk.forth()
        for _ in range(20):
            talk.back()
        # a local program in the upstream range gets what is meant for it
        local.bind(("10.2.0.1", 62405))
        stranger.sendto(b"for the local program", ("10.2.0.1", 62405))
        assert local.recv(64) == b"for the local program"
        # nobody is here, and no session either: the first ICMP error of all
        stranger.sendto(b"for nobody", ("10.2.0.1", 61500))
    answer = icmp.recv(256)
    assert answer[20:22] == b"\x03\x03", answer.hex()
    assert struct.unpack(">H", answer[50:52])[0] == 61500, "the kernel answered for the relay"
    drive.counted("no_session", 2)


@with_packet
def idles(bed, drive):
    """sleeps when there is nothing to do"""
    with Talk(bed, "198.51.100.1", 60005, "10.2.0.2") as talk:
        talk.forth()
        talk.back()
    drive.wait_for("event proven")
    drive.counts()
    assert burns(drive) <= 5, "more than 5 % of a CPU, idle"


@with_packet
def crash(bed, drive):
    """killed, it leaves the host's network as it was"""
    assert "moshrelay-" in bed.bastion.run("nft", "list", "tables")
    with Talk(bed, "198.51.100.1", 60005, "10.2.0.2") as talk:
        talk.forth()
        talk.back()
    before = links(bed.bastion)
    drive.kill()
    assert bed.bastion.run("nft", "list", "tables") == ""
    assert links(bed.bastion) == before
    again = Drive(bed, *PACKET)
    try:
        again.wait_for("ready")
        both_ways(bed, "198.51.100.1", 60005, "10.2.0.2")
    finally:
        again.kill()


def neighbours(host, device):
    """Address, hardware address and how it got there, of those that somebody has set."""
    found = []
    for one in json.loads(host.run("ip", "-d", "-j", "neigh", "show", "dev", device)):
        by_hand = "PERMANENT" in one["state"] or "managed" in one or "extern_learn" in one
        found.append((one["dst"], None if "managed" in one else one.get("lladdr"), by_hand,
                      "managed" in one, "extern_learn" in one))
    return sorted(found, key=str)


def keeps_neighbours():
    """leaves the kernel's neighbours and the interface's mode as they were when it starts"""
    bed = Bed()
    drive = None
    try:
        bed.bastion_addresses("b0", "b1")
        for address, *words in (
                ("198.51.100.9", "lladdr", "02:00:00:00:00:09", "nud", "permanent"),
                ("2001:db8:1::9", "lladdr", "02:00:00:00:00:09", "nud", "permanent"),
                ("198.51.100.8", "lladdr", "02:00:00:00:00:08", "nud", "permanent", "protocol", "zebra"),
                ("198.51.100.7", "managed"),
                ("198.51.100.6", "lladdr", "02:00:00:00:00:06", "extern_learn"),
                ("198.51.100.5", "lladdr", "02:00:00:00:00:05", "nud", "stale"),
                ("2001:db8:1::5", "lladdr", "02:00:00:00:00:05", "nud", "stale", "router")):
            bed.bastion.ip("neigh", "add", address, "dev", "b0", *words)
        bed.bastion.ip("neigh", "add", "proxy", "198.51.100.4", "dev", "b0")
        bed.bastion.ip("link", "set", "b0", "promisc", "on")
        before, flags = neighbours(bed.bastion, "b0"), links(bed.bastion)
        assert len(before) >= 7, before
        drive = Drive(bed, *PACKET)
        drive.wait_for("ready")
        # others may have been found out meanwhile
        lost = set(before) - set(neighbours(bed.bastion, "b0"))
        assert not lost, lost
        assert links(bed.bastion) == flags, (links(bed.bastion), flags)
        assert "198.51.100.4" in bed.bastion.ip("neigh", "show", "proxy")
        assert "PROMISC" not in bed.bastion.ip("link", "show", "b1")
        drive.stop()
    finally:
        if drive:
            drive.kill()
        bed.remove()


def worker_waits(drive):
    """How often each packet thread has slept so far."""
    found = []
    for task in os.listdir(f"/proc/{drive.process.pid}/task"):
        with open(f"/proc/{drive.process.pid}/task/{task}/status") as file:
            status = dict(line.split(":", 1) for line in file.read().splitlines())
        if "worker" in status["Name"]:
            found.append(int(status["voluntary_ctxt_switches"]))
    return found


def settled_counts(drive):
    """The counts when all that came is in them: a burst is counted behind its sending, in a session before."""
    ways = ("to_target", "to_client")
    deadline = time.monotonic() + PATIENCE
    while True:
        counts = drive.counts()
        came = sum(int(counts[name][way]) for name in counts if isinstance(name, int) for way in ways)
        if sum(counts.get(reason, 0) for reason in (*ways, "no_neighbour")) == came:
            return counts
        assert time.monotonic() < deadline, counts


def rally(talk, clients, other):
    """A few datagrams from each client to the target, an answer to each, and nothing of it is lost."""
    window = 4
    expected = set()
    for client in clients:
        for _ in range(window):
            sent = datagram(0, talk.number)
            talk.number += 1
            client.send(sent)
            expected.add(sent)
        other.send(datagram(0, talk.number))
    for _ in range(window * len(clients)):
        got, upstream = talk.target.recvfrom(2048)
        expected.remove(got)
        talk.target.sendto(datagram(TO_CLIENT, talk.number), upstream)
    assert not expected
    for client in clients:
        for _ in range(window):
            client.recv(2048)


def workers():
    """two workers lose and miscount nothing while sessions and routes come and go"""
    rounds, number = 150, 8
    bed = Bed()
    drive = None
    try:
        bed.bastion_addresses("b0", "b1")
        drive = Drive(bed, *PACKET, "session=-1,60007,10.2.0.2,60002,10.2.0.1,3902", "workers=2")
        drive.wait_for("ready")
        with Talk(bed, "198.51.100.1", 60005, "10.2.0.2") as talk:
            clients = [talk.make(bed.client, "198.51.100.1") for _ in range(number)]
            other = talk.make(bed.client, "198.51.100.1")
            other.connect(("198.51.100.1", 60007))
            for client in clients:
                client.connect(("198.51.100.1", 60005))
                talk.forth(client)
                talk.back(client)
            talk.target.settimeout(PATIENCE)
            for client in clients:
                client.settimeout(PATIENCE)
            before, waits = settled_counts(drive), worker_waits(drive)
            assert len(waits) == 2, waits
            for i in range(rounds):
                if i % 10 == 0:
                    drive.say("churn 30")
                    bed.bastion.ip("route", "add", f"10.77.{i}.0/24", "via", "10.2.0.2")
                rally(talk, clients, other)
                if i % 10 == 9:
                    drive.counts()
            after = drive.counts()
            for client in (*clients, other):
                client.close()
        least = min(b - a for a, b in zip(waits, worker_waits(drive)))
        assert least > rounds / 10, f"a worker had little to do: {least}"
        assert not bad_checksums(bed.target) and not bad_checksums(bed.client)
        went = rounds * number * 4
        for way, more in (("to_target", rounds * number), ("to_client", 0)):
            # those of `other` go to the target when its session happens to be there
            drive.counted(way, before[way] + went)
            done = drive.counts()[way] - before[way]
            assert done <= went + more, f"{done} of {went} {way}"
            # a session's own count may miss datagrams that two workers carry at once: quick.h
            done = int(after[0][way]) - int(before[0][way])
            assert 0.9 * went < done <= went, f"{done} of {went} {way} in the session's record"
        drive.stop()
    finally:
        if drive:
            drive.kill()
        bed.remove()


def trouble():
    """tells once when nftables refuses, and makes up for it"""
    bed = Bed()
    drive = None
    with tempfile.TemporaryDirectory() as directory:
        refuse_now = f"{directory}/refuse"
        try:
            bed.bastion_addresses("b0", "b1")
            drive = Drive(bed, *PACKET, env={"LD_PRELOAD": REFUSE_NFT, "REFUSE_NFT": refuse_now})
            drive.wait_for("ready")
            deadline = time.monotonic() + PATIENCE
            while "60006" not in bed.bastion.run("nft", "list", "ruleset"):
                assert time.monotonic() < deadline, "nftables is not told of the ports"
            with open(refuse_now, "w"):
                pass
            drive.say("close 0")
            line = drive.wait_for("trouble")
            assert "nftables" in line and "refused for a test" in line, line
            assert "60005" in bed.bastion.run("nft", "list", "ruleset")
            drive.say("close 1")
            drive.counts()
            os.unlink(refuse_now)
            assert drive.wait_for("trouble") == "trouble -", "told again of the same"
            rules = bed.bastion.run("nft", "list", "ruleset")
            assert "60005" not in rules and "60006" not in rules, rules
            drive.stop()
        finally:
            if drive:
                drive.kill()
            bed.remove()


def set_interface(drive, name, wanted="0 -"):
    """Tells the module that an interface has become another one, and what comes of that."""
    drive.say(f"set {name}")
    line = drive.wait_for(f"set {name} ")
    assert re.search(rf"^set {name} \d+ {wanted}", line), line


def packet_sockets(bed):
    """Indexes of the interfaces that somebody listens on."""
    lines = bed.bastion.run("cat", "/proc/net/packet").splitlines()[1:]
    return {int(line.split()[4]) for line in lines} - {0}


def index_of(host, device):
    return json.loads(host.run("ip", "-j", "link", "show", device))[0]["ifindex"]


def burns(drive, seconds=1):
    """Ticks of a CPU that the module takes while nothing is to be done."""
    def ticks():
        with open(f"/proc/{drive.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    assert not select.select([drive.process.stdout], [], [], seconds)[0], "an event out of nothing"
    return ticks() - before


@with_packet
def interface_again(bed, drive):
    """goes on with an interface that is made anew, and with another of its name"""
    def cable(device):
        bed.cable(bed.target, device)
        bed.addresses(bed.target, "eth0", "10.2.0.2/24", "fd02::2/64")

    both_ways(bed, "198.51.100.1", 60005, "10.2.0.2")
    set_interface(drive, "b1")  # nothing has happened
    set_interface(drive, "lo", "-2 lo: not one of the relay's interfaces")
    for _ in range(3):
        bed.bastion.ip("link", "del", "b1")
        set_interface(drive, "b1")
        set_interface(drive, "b1")
        assert packet_sockets(bed) == {index_of(bed.bastion, "b0")}
        cable("b1")
        bed.addresses(bed.bastion, "b1", "10.2.0.1/24", "fd02::1/64")
        set_interface(drive, "b1")
        assert packet_sockets(bed) == {index_of(bed.bastion, name) for name in ("b0", "b1")}
        both_ways(bed, "198.51.100.1", 60005, "10.2.0.2")
        both_ways(bed, "198.51.100.1", 60006, "fd02::2")
    bed.bastion.ip("link", "set", "b1", "down", "name", "old1")
    set_interface(drive, "b1")
    bed.bastion.ip("link", "del", "old1")
    cable("new1")
    mtu(bed.bastion, 9000, "new1")
    bed.bastion.ip("link", "set", "new1", "down", "name", "b1")
    bed.addresses(bed.bastion, "b1", "10.2.0.1/24")
    set_interface(drive, "b1", "-100 b1: is down: ip link set b1 up")
    bed.bastion.ip("link", "set", "b1", "up")
    set_interface(drive, "b1", "-90 b1: its MTU of 9000 is more than DPDK's buffers")
    mtu(bed.bastion, 1500, "b1")
    set_interface(drive, "b1")
    both_ways(bed, "198.51.100.1", 60005, "10.2.0.2")
    drive.stop()


@with_packet
def sleeps_when_down(bed, drive):
    """sleeps while an interface is down, and goes on when it is up again"""
    both_ways(bed, "198.51.100.1", 60005, "10.2.0.2")
    drive.counts()
    bed.bastion.ip("link", "set", "b1", "down")
    drive.counts()
    assert burns(drive) <= 5, "more than 5 % of a CPU while an interface is down"
    bed.bastion.ip("link", "set", "b1", "up")
    both_ways(bed, "198.51.100.1", 60005, "10.2.0.2")
    drive.stop()


def switch(bed):
    """Ties the far ends of the net_tap devices to the cables."""
    for i in (0, 1):
        bed.bastion.ip("link", "add", f"br{i}", "type", "bridge", "forward_delay", "0")
        # it would answer for the TAP's addresses, and take what is meant for the TAP
        bed.bastion.run("sysctl", "-qw", f"net.ipv4.conf.br{i}.arp_ignore=1")
        # a bridge keeps frames for its own port's address
        bed.bastion.ip("link", "set", f"n{i}", "address", f"02:00:00:00:ff:0{i}")
        for device in (f"n{i}", f"b{i}", f"br{i}"):
            bed.bastion.ip("link", "set", device, "addrgenmode", "none")
            if not device.startswith("br"):
                bed.bastion.ip("link", "set", device, "master", f"br{i}")
            bed.bastion.ip("link", "set", device, "up")


def tcp_through(bed):
    """A TCP connection to the bastion's address, with more than a window of data each way."""
    server = bed.bastion.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.bind(("198.51.100.1", 22))
    server.listen()
    client = bed.client.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.connect(("198.51.100.1", 22))
    far, _ = server.accept()
    far.settimeout(PATIENCE)
    data = os.urandom(1 << 20)
    if not os.fork():
        client.sendall(data)
        os._exit(0)
    got = b""
    while len(got) < len(data):
        got += far.recv(1 << 16)
    os.wait()
    assert got == data
    for sock in (server, client, far):
        sock.close()


def wait_for_carrier(host, device, wanted):
    deadline = time.monotonic() + PATIENCE
    while ("LOWER_UP" in host.ip("link", "show", device)) != wanted:
        assert time.monotonic() < deadline, f"{device}: the carrier does not follow the cable"


def with_taps(test):
    """A test that gets a bed and the module on ports of its own."""
    def wrapped():
        bed = Bed()
        drive = None
        try:
            # as systemd-networkd would: the TAPs are there before, with their addresses
            for tap in ("x0", "x1"):
                bed.bastion.ip("tuntap", "add", tap, "mode", "tap")
            bed.bastion_addresses("x0", "x1")
            drive = Drive(bed, "vdevs=net_tap0,iface=n0 net_tap1,iface=n1", "interface=x0",
                          "interface=x1", "link=x0", "link=x1", *COMMON)
            drive.wait_for("ready")
            switch(bed)
            test(bed, drive)
        finally:
            if drive:
                drive.kill()
            bed.remove()
    wrapped.__doc__ = test.__doc__
    return wrapped


@with_taps
def owned_port(bed, drive):
    """relays on ports of its own, with SSH's port alive through the TAPs"""
    bed.client.run("ping", "-c", "1", "-w", str(PATIENCE), "198.51.100.1")
    bed.client.run("ping", "-c", "1", "-w", str(PATIENCE), "2001:db8:1::1")
    tcp_through(bed)
    both_ways_finished(bed)
    bed.bastion.ip("link", "set", "n0", "down")
    wait_for_carrier(bed.bastion, "x0", False)
    bed.bastion.ip("link", "set", "n0", "up")
    wait_for_carrier(bed.bastion, "x0", True)
    drive.stop()
    assert "198.51.100.1" in bed.bastion.ip("addr", "show", "x0"), "the TAP's address is gone"


@with_taps
def tap_again(bed, drive):
    """takes a TAP that is made anew, and no interface of another kind"""
    both_ways_finished(bed)
    wait_for_carrier(bed.bastion, "x0", True)
    for _ in range(2):
        bed.bastion.ip("link", "del", "x0")
        set_interface(drive, "x0")
        bed.bastion.ip("link", "add", "x0", "type", "bridge")
        set_interface(drive, "x0", "-22 x0 is to be the TAP for net_tap0, but is another kind")
        bed.bastion.ip("link", "del", "x0")
        bed.bastion.ip("tuntap", "add", "x0", "mode", "tap")
        bed.addresses(bed.bastion, "x0", *OUTER)
        set_interface(drive, "x0")
        bed.client.run("ping", "-c", "1", "-w", str(PATIENCE), "198.51.100.1")
        both_ways_finished(bed)
    bed.bastion.ip("link", "set", "n0", "down")
    wait_for_carrier(bed.bastion, "x0", False)
    bed.bastion.ip("link", "del", "x0")
    set_interface(drive, "x0")
    bed.bastion.ip("tuntap", "add", "x0", "mode", "tap")
    set_interface(drive, "x0")
    assert "LOWER_UP" not in bed.bastion.ip("link", "show", "x0"), "a carrier without a cable"
    bed.bastion.ip("link", "set", "n0", "up")
    wait_for_carrier(bed.bastion, "x0", True)
    drive.stop()


def both_ways_finished(bed):
    """On a port of its own no packet socket can see unfinished checksums; no NIC would send any."""
    for host in (bed.client, bed.target):
        host.run("ethtool", "-K", "eth0", "tx", "off")
    both_ways(bed, "198.51.100.1", 60005, "10.2.0.2")
    both_ways(bed, "2001:db8:1::1", 60005, "10.2.0.2")


def mtu(host, number, *devices):
    for device in devices:
        host.ip("link", "set", device, "mtu", str(number))


def jumbo():
    """relays jumbo frames, and tells of what is too long for the way on"""
    bed = Bed()
    drive = None
    try:
        mtu(bed.bastion, 9000, "b0", "b1")
        mtu(bed.client, 9000, "eth0")
        mtu(bed.target, 9000, "eth0")
        bed.bastion_addresses("b0", "b1")
        drive = Drive(bed, *PACKET)
        drive.wait_for("ready")
        for size in (4000, 8800):
            both_ways(bed, "198.51.100.1", 60005, "10.2.0.2", size)
            both_ways(bed, "2001:db8:1::1", 60005, "10.2.0.2", size)
            both_ways(bed, "198.51.100.1", 60006, "fd02::2", size)
        with Talk(bed, "198.51.100.1", 60006, "fd02::2") as talk:
            talk.client.send(datagram(0, 1000, 8960))  # 20 octets more, as IPv6
        drive.counted("too_big", 1)
        drive.stop()
    finally:
        if drive:
            drive.kill()
        bed.remove()


# What is wrong, the words of the command line, what must be said of it.
WRONG = [
    ("no such interface", ["interface=nowhere"], "nowhere: no such interface"),
    ("an interface that is down", ["interface=down0"], "down0: is down: ip link set down0 up"),
    ("the loopback", ["interface=lo"], "lo: not an Ethernet interface"),
    ("no such PCI device", ["interface=x0", "devices=0000:ff:1f.7"],
     "0000:ff:1f.7: no such PCI device"),
    ("not a PCI address", ["interface=x0", "devices=eth0"], "want PCI addresses"),
    ("too few huge pages", ["interface=b0", "hugepages=required", "memory=1000000"],
     "MiB are free, 1000000 are needed"),
    ("an unknown option", ["interface=b0", "cores=1"], "there is none of this name"),
    ("a wrong value", ["interface=b0", "workers=many"], "want 1 to 32"),
    ("a CPU that isn't there", ["interface=b0", "lcores=1000"], "CPU 1000 is not among those"),
    ("more devices than interfaces", ["interface=x0", "vdevs=net_tap0,iface=n0 net_tap1,iface=n1"],
     "name an interface for each device"),
    ("a TAP where the kernel listens", ["interface=b0", "exception=tap"], "leave it out"),
    ("no TAP where it doesn't", ["interface=x0", "vdevs=net_tap0", "exception=kernel"],
     "leave it out"),
    ("an unknown virtual device", ["interface=x0", "vdevs=net_nothing0"], "net_nothing0"),
    ("wrong arguments of a device", ["interface=b0", "vdevs=net_af_packet0,iface=b0,qpairs=0"],
     "net_af_packet0 (b0): DPDK can't make it: "),
    ("another interface than the device's", ["interface=b0", "vdevs=net_af_packet0,iface=b1"],
     "net_af_packet0: listens on another interface than b0"),
    ("a TAP that is a cable", ["interface=b0", "vdevs=net_tap0,iface=n0"],
     "another kind of interface"),
    ("a TAP whose frames the port can't take",
     ["interface=big0", "vdevs=net_tap0,iface=n0"],
     "big0: has an MTU of 9000, and net_tap0 takes no more than 15"),
    ("a busy TAP", ["interface=held0", "vdevs=net_tap0,iface=n0"], "another program has it open"),
    ("more workers than queues", ["interface=b0", "vdevs=net_af_packet0,iface=b0", "workers=2"],
     "net_af_packet0 (b0): has 1 queues, but there are 2 workers"),
    ("an unknown argument of EAL", ["interface=b0", "eal=--nonsense"], "DPDK does not start"),
    ("too little memory", ["interface=b0", "memory=32", "descriptors=8192"], "memory"),
]


def open_tap(host, name):
    with open("/proc/self/ns/net") as home:
        host.enter()
        try:
            tap = open("/dev/net/tun", "r+b", buffering=0)
        finally:
            LIBC.setns(home.fileno(), CLONE_NEWNET)
    fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1002))
    return tap


def refuse(bed, what, words, pattern, prefix=()):
    before = links(bed.bastion)
    done = subprocess.run(bed.bastion.words(*prefix, DRIVE, MODULE, *words), capture_output=True,
                          text=True, stdin=subprocess.DEVNULL, timeout=60)
    lines = done.stderr.splitlines()
    assert done.returncode == 1, f"{what}: status {done.returncode}: {done.stderr}"
    assert len(lines) == 1 and not done.stdout, f"{what}: {done.stdout}{done.stderr}"
    assert re.search(pattern, lines[0]), f"{what}: {lines[0]}"
    assert links(bed.bastion) == before, f"{what}: left something behind"
    assert bed.bastion.run("nft", "list", "tables") == "", f"{what}: left a table behind"


def refusals():
    """what is wrong is refused in one line and leaves nothing behind"""
    bed = Bed()
    try:
        bed.bastion.ip("link", "add", "down0", "type", "veth", "peer", "name", "down1")
        bed.bastion.ip("tuntap", "add", "big0", "mode", "tap")
        mtu(bed.bastion, 9000, "big0")
        with open_tap(bed.bastion, "held0"):
            for what, words, pattern in WRONG:
                refuse(bed, what, words, re.escape(pattern))
        # still root by its number: the build may lie where nobody else may look
        unprivileged = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
        refuse(bed, "no privileges", ["interface=b0"], "no right to open a packet socket",
               unprivileged)
        refuse(bed, "no privileges", ["interface=x9", "vdevs=net_null0"],
               "no right to make it", unprivileged)
    finally:
        bed.remove()


TESTS = [relays, roams, kernel_is_silent, idles, crash, keeps_neighbours, workers, trouble, interface_again, sleeps_when_down, owned_port, tap_again, jumbo, refusals]


def main():
    failed = 0
    if os.geteuid():
        print("Bail out! needs root")
        return 1
    wanted = sys.argv[4:]
    for number, test in enumerate(TESTS, 1):
        if wanted and test.__doc__.split()[0] not in wanted:
            continue
        try:
            test()
            print(f"ok {number} - {test.__doc__}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {number} - {test.__doc__}")
            print("# " + traceback.format_exc().strip().replace("\n", "\n# "), flush=True)
    print(f"1..{len(TESTS)}")
    return 1 if failed else 0


sys.exit(main())
