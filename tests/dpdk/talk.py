# SPDX-License-Identifier: BSD-2-Clause
"""Clients and targets: sockets in their namespaces, and datagrams of mosh's shape between them."""

import itertools
import socket
import struct
import time

from bed import PATIENCE, bad_checksums

TO_CLIENT = 1 << 63


def datagram(direction, number, size=60):
    return struct.pack(">Q", direction | number) + bytes(i % 251 for i in range(size))


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
        wait, end = 0.3, time.monotonic() + PATIENCE
        while time.monotonic() < end:
            newest = send()
            self.sent.add(newest)
            deadline = time.monotonic() + wait
            wait *= 1.3  # for a machine that needs longer than this each time
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


def both_ways(bed, public, port, target, size=60):
    with Talk(bed, public, port, target, size) as talk:
        for _ in range(20):
            talk.forth()
            talk.back()
    assert not bad_checksums(bed.target) and not bad_checksums(bed.client)


def both_ways_finished(bed):
    """On a port of its own no packet socket can see unfinished checksums; no NIC would send any."""
    for host in (bed.client, bed.target):
        host.run("ethtool", "-K", "eth0", "tx", "off")
    both_ways(bed, "198.51.100.1", 60005, "10.2.0.2")
    both_ways(bed, "2001:db8:1::1", 60005, "10.2.0.2")
