#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the DPDK dataplane does with datagrams, between sockets and through two workers."""

import sys

from bed import PATIENCE, bad_checksums, mtu
from driven import (PACKET, addresses_on_cables, burns, given, main, settled_counts, with_packet,
                    worker_waits)
from talk import TO_CLIENT, Talk, both_ways, datagram


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


def large_frames(bed):
    mtu(bed.bastion, 9000, "b0", "b1")
    mtu(bed.client, 9000, "eth0")
    mtu(bed.target, 9000, "eth0")
    addresses_on_cables(bed)


@given(large_frames, *PACKET)
def jumbo(bed, drive):
    """relays jumbo frames, and tells of what is too long for the way on"""
    for size in (4000, 8800):
        both_ways(bed, "198.51.100.1", 60005, "10.2.0.2", size)
        both_ways(bed, "2001:db8:1::1", 60005, "10.2.0.2", size)
        both_ways(bed, "198.51.100.1", 60006, "fd02::2", size)
    with Talk(bed, "198.51.100.1", 60006, "fd02::2") as talk:
        talk.client.send(datagram(0, 1000, 8960))  # 20 octets more, as IPv6
    drive.counted("too_big", 1)
    drive.stop()


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


@given(addresses_on_cables, *PACKET, "session=-1,60007,10.2.0.2,60002,10.2.0.1,3902", "workers=2")
def workers(bed, drive):
    """two workers lose and miscount nothing while sessions and routes come and go"""
    rounds, number = 150, 8
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


sys.exit(main([relays, roams, jumbo, workers, idles, sleeps_when_down]))
