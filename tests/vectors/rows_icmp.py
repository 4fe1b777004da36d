# SPDX-License-Identifier: BSD-2-Clause
"""ICMP and ICMPv6 errors: hints about relayed datagrams, and everything else, which is the host's."""
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6PacketTooBig,
                                ICMPv6ParamProblem, ICMPv6TimeExceeded, IPv6)
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from model import (BASTION_MAC, CLIENT, CLIENT_PORT, PUBLIC, PUBLIC_PORT, Session,
                   TARGET, TARGET_MAC, TARGET_PORT, TARGETS_IF, UPSTREAM, UPSTREAM_BASE)
from packets import payload

ROUTER = {4: "10.9.9.9", 6: "fd00:9::9"}


def quoted(t, src=None, sport=UPSTREAM_BASE, dst=None, dport=TARGET_PORT, ip=None, l4=None):
    """The relayed datagram that the error is about."""
    src, dst = src or UPSTREAM[t], dst or TARGET[t]
    header = IP(src=src, dst=dst, **(ip or {})) if t == 4 else IPv6(src=src, dst=dst, **(ip or {}))
    return bytes(header / (l4 or UDP(sport=sport, dport=dport) / Raw(payload(100))))


def error4(kind, code, inner, **fields):
    return bytes(outer(TARGET_MAC) / IP(src=ROUTER[4], dst=UPSTREAM[4]) /
                 ICMP(type=kind, code=code, **fields) / Raw(inner))


def error6(layer, inner):
    return bytes(outer(TARGET_MAC) / IPv6(src=ROUTER[6], dst=UPSTREAM[6]) / layer / Raw(inner))


def outer(smac, tci=None):
    eth = Ether(src=smac, dst=BASTION_MAC[TARGETS_IF])
    return eth if tci is None else eth / Dot1Q(vlan=tci)


def hint(w, what, session, frame, ingress=TARGETS_IF, slot=0, detail=0):
    """An error about a relayed datagram: consumed, and the daemon is told what it says."""
    t = 4 if session == "c4t4" else 6
    at = frame.index(b"\x08\x00" if t == 4 else b"\x86\xdd", 12) + 2 + (20 if t == 4 else 40)
    quoted_payload = frame[at + 8 + (28 if t == 4 else 48):at + 16 + (28 if t == 4 else 48)]
    length = int.from_bytes(frame[at - 18:at - 16], "big") - 20 if t == 4 else None
    if t == 4:      # what is behind the IP packet is padding
        quoted_payload = quoted_payload[:max(0, length - 36)]
    if len(quoted_payload) < 8:
        quoted_payload = bytes(8)
    w.row(what, session, frame, ingress, "icmp_hint", events=[("icmp", {
        "slot": slot, "addr": ROUTER[t], "type": frame[at], "code": frame[at + 1],
        "ifindex": ingress, "detail": detail,
        "payload": quoted_payload.hex() if any(quoted_payload) else ""})])


def write(w):
    inner4, inner6 = quoted(4), quoted(6)
    w.section("errors about relayed datagrams are consumed, and change nothing")
    for kind, code, name in ((3, 0, "net unreachable"), (3, 1, "host unreachable"),
                             (3, 3, "port unreachable"), (3, 4, "fragmentation needed"),
                             (3, 13, "prohibited"), (4, 0, "source quench"),
                             (11, 0, "TTL exceeded"), (11, 1, "reassembly time exceeded"),
                             (12, 0, "parameter problem")):
        hint(w, f"ICMP {name}", "c4t4", error4(kind, code, inner4))
        hint(w, f"ICMP {name}, from an interface that isn't the target's", "c4t4",
             error4(kind, code, inner4), 11)
    hint(w, "ICMP fragmentation needed with an MTU", "c4t4",
         error4(3, 4, inner4, nexthopmtu=1400), detail=1400)
    for layer, name, *mtu in ((ICMPv6DestUnreach(code=0), "no route"),
                        (ICMPv6DestUnreach(code=1), "prohibited"),
                        (ICMPv6DestUnreach(code=3), "address unreachable"),
                        (ICMPv6DestUnreach(code=4), "port unreachable"),
                        (ICMPv6PacketTooBig(mtu=1400), "packet too big", 1400),
                        (ICMPv6PacketTooBig(mtu=0xffffffff), "packet too big, MTU of ones",
                         0xffffffff),
                        (ICMPv6TimeExceeded(code=0), "hop limit exceeded"),
                        (ICMPv6ParamProblem(code=1), "parameter problem")):
        hint(w, f"ICMPv6 {name}", "c6t6", error6(layer, inner6), detail=mtu[0] if mtu else 0)
    for slot in (1, 15):
        hint(w, f"ICMP about slot {slot}, where no leg is", "c4t4",
             error4(3, 3, quoted(4, sport=UPSTREAM_BASE + slot)), slot=slot)
    hint(w, "ICMP about a first fragment", "c4t4", error4(3, 3, quoted(4, ip={"flags": "MF"})))
    frame = bytes(outer(TARGET_MAC, 7) / IP(src=ROUTER[4], dst=UPSTREAM[4]) /
                  ICMP(type=3, code=3) / Raw(inner4))
    hint(w, "ICMP behind a VLAN tag", "c4t4", frame)
    hint(w, "ICMP with Ethernet padding", "c4t4", error4(3, 3, inner4[:28]) + bytes(4))
    hint(w, "ICMP with Ethernet padding that looks like a payload", "c4t4",
         error4(3, 3, inner4[:28]) + bytes(range(1, 30)))

    w.section("the quotation cut short, with lengths that agree")
    for cut in range(0, 45):
        frame = error4(3, 3, inner4[:cut])
        if cut >= 28:
            hint(w, f"ICMP quoting {cut} octets", "c4t4", frame)
        else:
            w.row(f"ICMP quoting {cut} octets", "c4t4", frame, TARGETS_IF, "truncated")
    for cut in range(0, 65):
        frame = error6(ICMPv6DestUnreach(code=4), inner6[:cut])
        if cut >= 48:
            hint(w, f"ICMPv6 quoting {cut} octets", "c6t6", frame)
        else:
            w.row(f"ICMPv6 quoting {cut} octets", "c6t6", frame, TARGETS_IF, "truncated")
    for cut in (0, 19, 20, 27):
        w.row(f"ICMP quoting {cut} octets, the rest is padding", "c4t4",
              error4(3, 3, inner4[:cut]) + inner4[cut:cut + 40], TARGETS_IF, "truncated")
    for cut in (0, 39, 40, 47):
        w.row(f"ICMPv6 quoting {cut} octets, the rest is padding", "c6t6",
              error6(ICMPv6DestUnreach(code=4), inner6[:cut]) + inner6[cut:cut + 60], TARGETS_IF,
              "truncated")
    w.section("the frame cut short")
    whole = error4(3, 3, inner4)
    for cut in range(14, len(whole)):
        w.row(f"ICMP, frame of {cut} octets", "c4t4", whole[:cut], TARGETS_IF, "truncated")
    for cut in range(0, 8):
        frame = bytes(outer(TARGET_MAC) / IP(src=ROUTER[4], dst=UPSTREAM[4], proto=1) /
                      Raw(bytes([3, 3, 0, 0, 0, 0, 0, 0])[:cut]))
        w.row(f"ICMP header of {cut} octets", "c4t4", frame, TARGETS_IF, "truncated")

    w.section("somebody else's")
    others = {
        "another upstream block": quoted(4, sport=UPSTREAM_BASE + 16),
        "the block below": quoted(4, sport=UPSTREAM_BASE - 1),
        "another target port": quoted(4, dport=TARGET_PORT + 1),
        "another target": quoted(4, dst="10.2.0.3"),
        "another source address": quoted(4, src="10.2.0.9"),
        "not UDP": quoted(4, l4=TCP(sport=UPSTREAM_BASE, dport=TARGET_PORT)),
        "a later fragment": quoted(4, ip={"frag": 1}),
        "IPv4 options": quoted(4, ip={"options": [IPOption_NOP()] * 4}),
        "IPv6 inside": inner6,
        "an answer to the client": quoted(4, src=PUBLIC[4], sport=PUBLIC_PORT, dst=CLIENT[4],
                                          dport=CLIENT_PORT),
        "a header with options, by its length": b"\x46" + inner4[1:],
        "a header shorter than any": b"\x44" + inner4[1:],
        "a header of another version": b"\x65" + inner4[1:],
        "zeros": bytes(40),
    }
    for name, inner in others.items():
        w.row(f"ICMP about {name}", "c4t4", error4(3, 3, inner), TARGETS_IF, "not_for_us")
    mapped = quoted(6, src=f"::ffff:{UPSTREAM[4]}", dst=f"::ffff:{TARGET[4]}")
    w.row("ICMPv6 about an IPv4 datagram, its addresses mapped", "c4t4",
          error6(ICMPv6DestUnreach(code=4), mapped), TARGETS_IF, "not_for_us")
    others = {
        "another upstream block": quoted(6, sport=UPSTREAM_BASE + 16),
        "another target": quoted(6, dst="fd00:2::3"),
        "another source address": quoted(6, src="fd00:2::9"),
        "not UDP": quoted(6, l4=TCP(sport=UPSTREAM_BASE, dport=TARGET_PORT)),
        "an answer to the client": quoted(6, src=PUBLIC[6], sport=PUBLIC_PORT, dst=CLIENT[6],
                                          dport=CLIENT_PORT),
        "zeros": bytes(60),
    }
    for name, inner in others.items():
        w.row(f"ICMPv6 about {name}", "c6t6", error6(ICMPv6DestUnreach(code=4), inner),
              TARGETS_IF, "not_for_us")
    closed = Session.attached(4, 4).set(flags=0)
    w.row("ICMP about a closed session", closed, error4(3, 3, inner4), TARGETS_IF, "not_for_us")

    w.section("not errors")
    for kind in (0, 5, 8, 9, 10, 13, 14, 17):
        frame = bytes(outer(TARGET_MAC) / IP(src=ROUTER[4], dst=UPSTREAM[4], proto=1) /
                      Raw(bytes([kind, 0, 0, 0, 0, 0, 0, 0]) + inner4))
        w.row(f"ICMP type {kind}", "c4t4", frame, TARGETS_IF, "not_udp")
    w.row("ICMPv6 echo request", "c6t6", error6(ICMPv6EchoRequest(), inner6), TARGETS_IF,
          "not_udp")
    for kind in (0, 5, 127, 129, 133, 134, 135, 136, 137):
        frame = bytes(outer(TARGET_MAC) / IPv6(src=ROUTER[6], dst=UPSTREAM[6], nh=58) /
                      Raw(bytes([kind, 0, 0, 0, 0, 0, 0, 0]) + inner6))
        w.row(f"ICMPv6 type {kind}", "c6t6", frame, TARGETS_IF, "not_udp")
