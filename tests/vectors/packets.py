# SPDX-License-Identifier: BSD-2-Clause
"""Frames, built by scapy from a description of the datagram; scapy computes every checksum."""
import dataclasses
import struct

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Padding, Raw

from model import (BASTION_MAC, CLIENT, CLIENT_PORT, CLIENTS_IF, PUBLIC, PUBLIC_PORT, ROUTER_MAC,
                   TARGET, TARGET_MAC, TARGET_PORT, TARGETS_IF, UPSTREAM, UPSTREAM_BASE, version)

TO_CLIENT = 1 << 63


def payload(seq, to_client=False, length=100):
    """Mosh's shape: the nonce, and bytes that a shifted copy or a swapped word would show."""
    nonce = struct.pack("!Q", seq | (TO_CLIENT if to_client else 0))
    body = bytes((17 + 7 * i) & 0xff for i in range(max(0, length - 8)))
    return (nonce + body)[:length]


@dataclasses.dataclass
class Datagram:
    src: str
    sport: int
    dst: str
    dport: int
    data: bytes
    smac: str
    dmac: str
    tos: int = 0
    ttl: int = 64
    ident: int = 0x1234
    flags: int = 2            # IPv4: 1 more fragments, 2 don't fragment, 4 reserved
    flow: int = 0xabcde
    tci: int = None           # of an 802.1Q tag, None: untagged
    csum: int = None          # None: the right one; else what stands there
    padding: bytes = b""      # behind the IP packet

    def l3(self):
        udp = UDP(sport=self.sport, dport=self.dport)
        if self.csum is not None:
            udp.chksum = self.csum
        if version(self.src) == 4:
            ip = IP(src=self.src, dst=self.dst, tos=self.tos, ttl=self.ttl, id=self.ident,
                    flags=self.flags)
        else:
            ip = IPv6(src=self.src, dst=self.dst, tc=self.tos, hlim=self.ttl, fl=self.flow)
        return ip / udp / Raw(self.data)

    def eth(self):
        eth = Ether(src=self.smac, dst=self.dmac)
        if self.tci is not None:
            eth /= Dot1Q(prio=self.tci >> 13, id=self.tci >> 12 & 1, vlan=self.tci & 0xfff)
        return eth

    def frame(self):
        frame = self.eth() / self.l3()
        if self.padding:
            frame /= Padding(self.padding)
        return bytes(frame)

    def right_csum(self):
        """The UDP checksum that belongs there."""
        whole = dataclasses.replace(self, csum=None, padding=b"")
        return (IP if version(self.src) == 4 else IPv6)(bytes(whole.l3()))[UDP].chksum

    def but(self, **changes):
        return dataclasses.replace(self, **changes)


def client_datagram(client=4, seq=100, **changes):
    """From the client on leg 0 of Session.attached(client)."""
    data = changes.pop("data", payload(seq, False, changes.pop("length", 100)))
    d = Datagram(CLIENT[client], CLIENT_PORT, PUBLIC[client], PUBLIC_PORT, data, ROUTER_MAC,
                 BASTION_MAC[CLIENTS_IF])
    return d.but(**changes)


def target_datagram(target=4, slot=0, seq=50, **changes):
    data = changes.pop("data", payload(seq, True, changes.pop("length", 100)))
    d = Datagram(TARGET[target], TARGET_PORT, UPSTREAM[target], UPSTREAM_BASE + slot, data,
                 TARGET_MAC, BASTION_MAC[TARGETS_IF])
    return d.but(**changes)


def ones_add(a, b):
    total = a + b
    return (total & 0xffff) + (total >> 16)


def relayed(d, src, sport, dst, dport, hop):
    """What must leave for `d` that came: new endpoints, the next hop's link layer, all else kept."""
    seq = struct.unpack("!Q", d.data[:8])[0]
    out = d.but(src=src, sport=sport, dst=dst, dport=dport, smac=hop["smac"], dmac=hop["dmac"],
                ttl=d.ttl - 1, padding=b"", csum=None,
                tci=(((d.tci or 0) & 0xf000) | hop["vlan"]) if hop["vlan"] else None)
    was, now = version(d.src), version(src)
    if (was, now) == (4, 6):
        out.flow = 0
    elif (was, now) == (6, 4):     # RFC 7915, 5.1
        out.flags = 2 if len(d.data) + 28 > 1260 else 0
        out.ident = 0 if out.flags else seq & 0xffff
    if d.csum == 0 and was == 4:
        out.csum = 0 if now == 4 else out.right_csum()
    elif d.csum is not None:
        # a wrong checksum stays as wrong as it was: the difference to the right one is kept
        error = ones_add(d.csum, 0xffff ^ d.right_csum())
        out.csum = ones_add(out.right_csum(), error) or 0xffff
    return out
