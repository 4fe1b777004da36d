#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the DPDK dataplane leaves alone on its host, what it says to it, and what it refuses."""

import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time

from bed import PATIENCE, Bed, links, mtu, open_tap
from driven import DRIVE, MODULE, PACKET, Drive, addresses_on_cables, main, with_packet
from talk import Talk, both_ways

REFUSE_NFT = os.path.join(os.path.dirname(DRIVE), "refuse-nft.so")


def silenced(bed, *ports, wanted=True):
    """Waits until the kernel's copies of what comes to these are dropped, or are not any longer."""
    deadline = time.monotonic() + PATIENCE
    while True:
        dropped = re.findall(r"\d+", bed.bastion.run("nft", "list", "ruleset"))
        if all((port in dropped) == wanted for port in ports):
            return
        assert time.monotonic() < deadline, f"nftables is not told of {ports}"


def answered(ask, sock):
    """What comes when it is asked for: the kernel has one budget of ICMP errors for all who run here."""
    deadline = time.monotonic() + PATIENCE
    sock.settimeout(1)
    while True:
        ask()
        try:
            return sock.recv(256)
        except TimeoutError:
            assert time.monotonic() < deadline, "no answer"


@with_packet
def kernel_is_silent(bed, drive):
    """the kernel answers nothing for the relay's ports, and everything else"""
    icmp = bed.target.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    stranger = bed.target.socket(socket.AF_INET)
    local = bed.bastion.socket(socket.AF_INET)
    # nftables is told of ports soon, not at once
    silenced(bed, "60005", "62400")
    with Talk(bed, "198.51.100.1", 60005, "10.2.0.2") as talk:
        talk.forth()
        for _ in range(20):
            talk.back()
        # a local program in the upstream range gets what is meant for it
        local.bind(("10.2.0.1", 62405))
        stranger.sendto(b"for the local program", ("10.2.0.1", 62405))
        assert local.recv(64) == b"for the local program"
        # nobody is here, and no session either: the first ICMP error of all
        answer = answered(lambda: stranger.sendto(b"for nobody", ("10.2.0.1", 61500)), icmp)
    assert answer[20:22] == b"\x03\x03", answer.hex()
    assert struct.unpack(">H", answer[50:52])[0] == 61500, "the kernel answered for the relay"
    drive.counted("no_session", 2)


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
    with Drive(bed, *PACKET):
        both_ways(bed, "198.51.100.1", 60005, "10.2.0.2")


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
    with Bed() as bed:
        addresses_on_cables(bed)
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
        with Drive(bed, *PACKET) as drive:
            # others may have been found out meanwhile
            lost = set(before) - set(neighbours(bed.bastion, "b0"))
            assert not lost, lost
            assert links(bed.bastion) == flags, (links(bed.bastion), flags)
            assert "198.51.100.4" in bed.bastion.ip("neigh", "show", "proxy")
            assert "PROMISC" not in bed.bastion.ip("link", "show", "b1")
            drive.stop()


def trouble():
    """tells once when nftables refuses, and makes up for it"""
    with tempfile.TemporaryDirectory() as directory, Bed() as bed:
        refuse_now = f"{directory}/refuse"
        addresses_on_cables(bed)
        with Drive(bed, *PACKET, env={"LD_PRELOAD": REFUSE_NFT, "REFUSE_NFT": refuse_now}) as drive:
            silenced(bed, "60005", "60006")
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
            silenced(bed, "60005", "60006", wanted=False)
            drive.stop()


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
    with Bed() as bed:
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


sys.exit(main([kernel_is_silent, crash, keeps_neighbours, trouble, refusals]))
