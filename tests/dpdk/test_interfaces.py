#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Interfaces that come and go under the DPDK dataplane, and the TAPs of ports of its own."""

import os
import re
import socket
import sys
import threading

from bed import OUTER, PATIENCE, Bed, index_of, mtu, wait_for_carrier
from driven import (COMMON, PACKET, Drive, addresses_on_cables, given, main, set_interface,
                    with_packet)
from talk import both_ways, both_ways_finished


def packet_sockets(bed):
    """Indexes of the interfaces that somebody listens on."""
    lines = bed.bastion.run("cat", "/proc/net/packet").splitlines()[1:]
    return {int(line.split()[4]) for line in lines} - {0}


def rings(bed, *words):
    """Numbers of slots in the rings of the module's packet sockets, both directions of each."""
    with Drive(bed, *PACKET, *words):
        return [int(n) for n in re.findall(r"frm_nr:(\d+)", bed.bastion.run("ss", "-0en"))]


def ring_lengths():
    """has rings of 4 MiB or 512 frames on the kernel's interfaces, or as long ones as it is told"""
    with Bed() as bed:
        addresses_on_cables(bed)
        assert rings(bed) == [2048] * 4
        assert rings(bed, "descriptors=100") == [128] * 4
        mtu(bed.bastion, 9000, "b0", "b1")
        assert rings(bed) == [512] * 4


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
    sender = threading.Thread(target=client.sendall, args=(data,))
    sender.start()
    got = b""
    while len(got) < len(data):
        more = far.recv(1 << 16)
        assert more, "the connection ended"
        got += more
    sender.join()
    assert got == data
    for sock in (server, client, far):
        sock.close()


def taps_with_addresses(bed):
    """As systemd-networkd would: the TAPs are there before, with their addresses."""
    for tap in ("x0", "x1"):
        bed.bastion.ip("tuntap", "add", tap, "mode", "tap")
    bed.bastion_addresses("x0", "x1")


with_taps = given(taps_with_addresses, "vdevs=net_tap0,iface=n0 net_tap1,iface=n1", "interface=x0",
                  "interface=x1", "link=x0", "link=x1", *COMMON)


@with_taps
def owned_port(bed, drive):
    """relays on ports of its own, with SSH's port alive through the TAPs"""
    switch(bed)
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
    switch(bed)
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


sys.exit(main([ring_lengths, interface_again, owned_port, tap_again]))
