#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A router that lies: "fragmentation needed" and "packet too big" about packets that it never saw.

  forge.py BASTION FROM TO PORT MTU

tells BASTION that a packet FROM there TO somebody is over MTU: an echo reply, and a UDP datagram from
PORT. The one needs no socket there, and nothing has to be guessed but addresses.
"""
import socket
import struct
import sys


def checksum(octets):
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def quoted4(source, destination, protocol, head):
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 1400, 1, 0x4000, 60, protocol, 0) + addresses
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + head


def quoted6(source, destination, protocol, head):
    addresses = b"".join(socket.inet_pton(socket.AF_INET6, a) for a in (source, destination))
    return struct.pack("!IHBB", 6 << 28, 1360, protocol, 60) + addresses + head


def forge4(bastion, source, destination, udp, mtu):
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        echo_reply = struct.pack("!BBHHH", 0, 0, 0xFFFF, 0, 0)
        for protocol, head in (socket.IPPROTO_UDP, udp), (socket.IPPROTO_ICMP, echo_reply):
            quoted = quoted4(source, destination, protocol, head)
            error = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + quoted
            error = error[:2] + struct.pack("!H", checksum(error)) + error[4:]
            sock.sendto(error, (bastion, 0))


def forge6(bastion, source, destination, udp, mtu):
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
        echo_reply = struct.pack("!BBHHH", 129, 0, 0, 0, 0)
        for protocol, head in (socket.IPPROTO_UDP, udp), (socket.IPPROTO_ICMPV6, echo_reply):
            quoted = quoted6(source, destination, protocol, head)
            sock.sendto(struct.pack("!BBHI", 2, 0, 0, mtu) + quoted, (bastion, 0))


if __name__ == "__main__":
    to, quoted_source, quoted_destination, port, size = sys.argv[1:]
    datagram = struct.pack("!HHHH", int(port), 40000, 1360, 0)
    forge = forge6 if ":" in to else forge4
    forge(to, quoted_source, quoted_destination, datagram, int(size))
