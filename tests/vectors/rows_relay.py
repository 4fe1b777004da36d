# SPDX-License-Identifier: BSD-2-Clause
"""Datagrams that are relayed: translation, marks, lifetimes, checksums, VLANs, sizes."""
import ipaddress

from model import CLIENTS_IF, ROUTER_MAC, TARGETS_IF, TARGET_MAC, Session, next_hop
from bases import BASES
from packets import client_datagram, payload, relayed, target_datagram

PAIRS = [(4, 4), (6, 6), (6, 4), (4, 6)]  # client's family, target's family


def both(w, what, pair, client=None, target=None, session=None, reason=None, **changes):
    """The same datagram once in each direction of a pair."""
    c, t = pair
    session = session or f"c{c}t{t}"
    more = {"reason": reason} if reason else {}
    w.client(f"{c} to {t}: {what}", client_datagram(c, **{**changes, **(client or {})}), session,
             0, **more)
    w.target(f"{t} back to {c}: {what}", target_datagram(t, **{**changes, **(target or {})}),
             session, **more)


def vary_csum(make, wanted, fix=lambda d: d):
    """The datagram whose last two octets make its right checksum `wanted`; `fix` says of which
    datagram (it may be the relayed one)."""
    d = make(b"\0\0")
    have = fix(d).right_csum()
    # the sum of the zeroed datagram is ~have; two octets more bring it to ~wanted
    missing = (0xffff ^ wanted) - (0xffff ^ have)
    word = missing % 0xffff
    d = make(word.to_bytes(2, "big"))
    assert fix(d).right_csum() in (wanted, wanted or 0xffff)
    return d


def checksums(w):
    w.section("UDP checksums")
    for pair in PAIRS:
        c, t = pair
        both(w, "wrong checksum stays as wrong", pair, csum=0x1234)
        both(w, "checksum of ones", pair, csum=0xffff)
        both(w, "checksum 0x0001", pair, csum=1)
        both(w, "checksum 0xfffe", pair, csum=0xfffe)
        for length in (24, 25, 26, 27, 28, 29, 101):
            both(w, f"payload of {length}", pair, length=length)
            if c == 4:
                w.client(f"{c} to {t}: no checksum, payload of {length}",
                         client_datagram(c, csum=0, length=length), f"c{c}t{t}", 0)
            if t == 4:
                w.target(f"{t} back to {c}: no checksum, payload of {length}",
                         target_datagram(t, csum=0, length=length), f"c{c}t{t}")
    w.section("a computed checksum of zero goes out as ones")
    for c, t in PAIRS:
        f = BASES[f"c{c}t{t}"].f

        def to_target(d):
            return relayed(d.but(csum=None), f["upstream"], f["upstream_base"], f["target"],
                           f["target_port"], f["to_target"])

        for csum, name in ((None, "right"), (0, "no")) if c == 4 else ((None, "right"),):
            d = vary_csum(lambda tail: client_datagram(
                c, data=payload(100, False, 62) + tail), 0, to_target)
            assert to_target(d).right_csum() == 0xffff
            w.client(f"{c} to {t}: {name} checksum in, zero computed", d.but(csum=csum),
                     f"c{c}t{t}", 0)
        d = vary_csum(lambda tail: client_datagram(
            c, data=payload(100, False, 62) + tail), 0)
        w.client(f"{c} to {t}: zero was computed by the sender", d, f"c{c}t{t}", 0)
    w.section("IPv4 header checksums at their corners")
    for ident in list(range(0, 0x10000, 0x1fff)) + [0xffff]:
        both(w, f"identification {ident:#06x}", (4, 4), ident=ident)
    for c, t in ((4, 4), (6, 4)):
        for goal, name in ((0, "zero"), (1, "one"), (0xfffe, "fffe")):
            d = header_csum_becomes(c, t, goal)
            if d:
                w.client(f"{c} to {t}: the new header's checksum is {name}", d, f"c{c}t{t}", 0)


def header_csum_becomes(c, t, goal):
    """A datagram whose relayed IPv4 header has this checksum, found by its identification."""
    f = BASES[f"c{c}t{t}"].f
    for value in range(0x10000):
        seq = 100 if c == 4 else 100 + value    # the identification, made from the number
        if seq > 1000:
            return None
        d = client_datagram(c, seq, ident=value)
        header = relayed(d, f["upstream"], f["upstream_base"], f["target"], f["target_port"],
                         f["to_target"])
        if ip_header_csum(header) == goal:
            return d
    return None


def ip_header_csum(d):
    """Summed up here, because building a packet 65,536 times takes scapy too long."""
    length = 28 + len(d.data)
    words = [0x4500 | d.tos, length, d.ident, d.flags << 13, d.ttl << 8 | 17]
    for address in (d.src, d.dst):
        number = int(ipaddress.ip_address(address))
        words += [number >> 16, number & 0xffff]
    total = sum(words)
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return 0xffff ^ total


def vlans(w):
    w.section("802.1Q")
    for c, t in PAIRS:
        for tag_in, tag_out in ((None, 5), (7, None), (7, 5), (4094, 1), (0, None), (0, 5)):
            for prio in (0, 0xe000) if tag_in is not None else (0,):
                tci = None if tag_in is None else tag_in | prio
                name = "untagged" if tci is None else f"tag {tag_in} priority {prio >> 13}"
                name += f" in, {'untagged' if tag_out is None else f'tag {tag_out}'} out"
                s = Session.attached(c, t)
                s.set(to_target=next_hop(TARGETS_IF, TARGET_MAC, tag_out or 0),
                      to_client=next_hop(CLIENTS_IF, ROUTER_MAC, tag_out or 0))
                w.client(f"{c} to {t}: {name}", client_datagram(c, tci=tci), s, 0)
                s = Session.attached(c, t)
                s.set(to_target=next_hop(TARGETS_IF, TARGET_MAC, tag_in or 0),
                      to_client=next_hop(CLIENTS_IF, ROUTER_MAC, tag_out or 0))
                w.target(f"{t} back to {c}: {name}", target_datagram(t, tci=tci), s)
    s = Session.attached(4, 4)
    w.client("drop eligible bit goes with the tag", client_datagram(4, tci=0x1007), s.set(
        to_target=next_hop(TARGETS_IF, TARGET_MAC, 5)), 0)


def sizes(w):
    w.section("size against the next hop's MTU")
    for mtu in (576, 1280, 1300, 1500):
        for c, t in PAIRS:
            for side, (was, now) in (("client", (c, t)), ("target", (t, c))):
                biggest = mtu - (28 if now == 4 else 48)
                for length in (biggest - 1, biggest, biggest + 1, biggest + 20):
                    if 14 + length + (28 if was == 4 else 48) > 1514 + 40:
                        continue
                    s = Session.attached(c, t)
                    s.set(to_target__mtu=mtu, to_client__mtu=mtu)
                    size = f"payload of {length}, MTU {mtu}"
                    fits = length <= biggest
                    if side == "client":
                        w.client(f"{c} to {t}: {size}", client_datagram(c, length=length), s, 0,
                                 "to_target" if fits else "too_big")
                    else:
                        w.target(f"{t} back to {c}: {size}", target_datagram(t, length=length), s,
                                 "to_client" if fits else "too_big")
    w.section("from IPv6 to IPv4: fragmentable up to 1260 octets, DF above (RFC 7915, 5.1)")
    for length in (1231, 1232, 1233):
        w.client(f"6 to 4: IPv4 packet of {length + 28}", client_datagram(6, length=length),
                 "c6t4", 0)
        w.target(f"6 back to 4: IPv4 packet of {length + 28}", target_datagram(6, length=length),
                 "c4t6")


def write(w):
    for pair in PAIRS:
        w.section(f"client IPv{pair[0]}, target IPv{pair[1]}")
        both(w, "plain", pair)
        for tos, name in ((0x02, "ECT(0)"), (0x01, "ECT(1)"), (0x03, "CE"), (0xb8, "DSCP EF"),
                          (0xbb, "DSCP EF with CE"), (0xff, "every bit")):
            both(w, name, pair, tos=tos)
        for ttl in (2, 255):
            both(w, f"lifetime {ttl}", pair, ttl=ttl)
        for ttl in (0, 1):
            c, t = pair
            w.row(f"{c} to {t}: lifetime {ttl}", f"c{c}t{t}", client_datagram(c, ttl=ttl).frame(),
                  CLIENTS_IF, "ttl_expired")
            w.row(f"{t} back to {c}: lifetime {ttl}", f"c{c}t{t}",
                  target_datagram(t, ttl=ttl).frame(), TARGETS_IF, "ttl_expired")
        for padding in (1, 2, 4, 18):
            both(w, f"short, {padding} octets of padding", pair, padding=b"\xee" * padding,
                 length=24)
        both(w, "flow label of ones", pair, flow=0xfffff)
        both(w, "flow label zero", pair, flow=0)
        if 4 in pair:
            both(w, "may be fragmented", pair, flags=0)
            both(w, "may be fragmented, identification zero", pair, flags=0, ident=0)
        w.client(f"{pair[0]} to {pair[1]}: both on one interface", client_datagram(pair[0]),
                 Session.attached(*pair).set(to_target=next_hop(CLIENTS_IF, TARGET_MAC)), 0)
        w.target(f"{pair[1]} back to {pair[0]}: both on one interface",
                 target_datagram(pair[1]), Session.attached(*pair).set(
                     to_target=next_hop(CLIENTS_IF, TARGET_MAC)), ingress=CLIENTS_IF)
    checksums(w)
    vlans(w)
    sizes(w)
