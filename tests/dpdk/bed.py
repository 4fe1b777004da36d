# SPDX-License-Identifier: BSD-2-Clause
"""Three network namespaces, client -- bastion -- target, and what can be asked of and done to them."""

import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
TAG = f"dpdk{os.getpid()}"
PATIENCE = 30  # seconds until something that must come is given up
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

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for host in (self.client, self.bastion, self.target):
            host.remove()


def links(host):
    """Interfaces and what may have been done to them; not their carrier, which comes and goes."""
    fields = ("ifname", "mtu", "address", "promiscuity", "allmulti", "master", "linkinfo")
    found = []
    for link in json.loads(host.run("ip", "-d", "-j", "link")):
        flags = set(link["flags"]) - {"LOWER_UP", "NO-CARRIER"}
        found.append([link.get(field) for field in fields] + sorted(flags))
    return found


def index_of(host, device):
    return json.loads(host.run("ip", "-j", "link", "show", device))[0]["ifindex"]


def mtu(host, number, *devices):
    for device in devices:
        host.ip("link", "set", device, "mtu", str(number))


def bad_checksums(host):
    lines = host.run("nstat", "-asz", "UdpInCsumErrors", "Udp6InCsumErrors").splitlines()
    return sum(int(line.split()[1]) for line in lines if "Csum" in line)


def wait_for_carrier(host, device, wanted):
    deadline = time.monotonic() + PATIENCE
    while ("LOWER_UP" in host.ip("link", "show", device)) != wanted:
        assert time.monotonic() < deadline, f"{device}: the carrier does not follow the cable"


def open_tap(host, name):
    with open("/proc/self/ns/net") as home:
        host.enter()
        try:
            tap = open("/dev/net/tun", "r+b", buffering=0)
        finally:
            LIBC.setns(home.fileno(), CLONE_NEWNET)
    fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x1002))
    return tap
