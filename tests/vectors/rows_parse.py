# SPDX-License-Identifier: BSD-2-Clause
"""What is no session's datagram passes byte for byte, and what is malformed is never relayed."""
import struct

from scapy.layers.inet import IP, TCP, UDP, IPOption_NOP, IPOption_Router_Alert
from scapy.layers.inet6 import (IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                IPv6ExtHdrRouting)
from scapy.layers.l2 import ARP, Dot1Q, Dot3, Ether
from scapy.packet import Raw

from model import (BASTION_MAC, CLIENT, CLIENT_PORT, CLIENTS_IF, PUBLIC, PUBLIC_PORT, ROUTER_MAC,
                   TARGETS_IF, TARGET_MAC, Session, next_hop)
from packets import client_datagram, payload, target_datagram

IP4, IP6 = 14, 14  # where the IP header starts in an untagged frame


def patched(frame, offset, data, header_csum=True):
    """The frame with some octets replaced, and the IPv4 header's checksum made right again."""
    frame = frame[:offset] + data + frame[offset + len(data):]
    if header_csum and frame[12:14] == b"\x08\x00":
        size = (frame[14] & 15) * 4
        header = bytearray(frame[14:14 + size])
        header[10:12] = b"\0\0"
        total = sum(struct.unpack(f"!{len(header) // 2}H", header[:len(header) // 2 * 2]))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        frame = frame[:24] + struct.pack("!H", 0xffff ^ total) + frame[26:]
    return frame


def number(value):
    return struct.pack("!H", value & 0xffff)


def eth(**fields):
    return Ether(src=ROUTER_MAC, dst=BASTION_MAC[CLIENTS_IF], **fields)


def truncations(w):
    w.section("truncated at every octet")
    frames = [
        ("IPv4", "c4t4", client_datagram(4, length=24).frame(), CLIENTS_IF),
        ("IPv6", "c6t6", client_datagram(6, length=24).frame(), CLIENTS_IF),
        ("IPv4 with a tag", "c4t4", client_datagram(4, length=24, tci=7).frame(), CLIENTS_IF),
        ("IPv6 with a tag", "c6t6", client_datagram(6, length=24, tci=7).frame(), CLIENTS_IF),
        ("IPv4 from the target", "c4t4", target_datagram(4, length=24).frame(), TARGETS_IF),
        ("IPv6 from the target", "c6t6", target_datagram(6, length=24).frame(), TARGETS_IF),
    ]
    for name, session, frame, ingress in frames:
        for cut in range(len(frame)):
            w.row(f"{name}, frame of {cut} octets", session, frame[:cut], ingress, "truncated")


def lengths(w):
    w.section("lengths that contradict each other")
    d4, d6 = client_datagram(4).frame(), client_datagram(6).frame()
    udp_len, ip_len = 108, 128
    for name, session, frame, at in (("IPv4", "c4t4", d4, 38), ("IPv6", "c6t6", d6, 58)):
        for value in (0, 7, 8, udp_len - 1, udp_len + 1, 0xffff):
            w.row(f"{name}: UDP length {value} instead of {udp_len}", session,
                  patched(frame, at, number(value)), CLIENTS_IF, "bad_length")
    for value in (0, 19, 20, 27, 28, ip_len - 1):
        w.row(f"IPv4: total length {value} instead of {ip_len}", "c4t4",
              patched(d4, 16, number(value)), CLIENTS_IF, "bad_length")
    for value in (ip_len + 1, 0xffff):
        w.row(f"IPv4: total length {value}, more than the frame", "c4t4",
              patched(d4, 16, number(value)), CLIENTS_IF, "truncated")
    for value in (0, 7, 8, udp_len - 1):
        w.row(f"IPv6: payload length {value} instead of {udp_len}", "c6t6",
              patched(d6, 18, number(value)), CLIENTS_IF, "bad_length")
    for value in (udp_len + 1, 0xffff):
        w.row(f"IPv6: payload length {value}, more than the frame", "c6t6",
              patched(d6, 18, number(value)), CLIENTS_IF, "truncated")
    for length in (0, 7):
        w.row(f"IPv4: UDP length and IP payload agree on {length}", "c4t4",
              patched(patched(d4, 38, number(length)), 16, number(20 + length)), CLIENTS_IF,
              "bad_length")
        w.row(f"IPv6: UDP length and IP payload agree on {length}", "c6t6",
              patched(patched(d6, 58, number(length)), 18, number(length)), CLIENTS_IF,
              "bad_length")
    w.row("IPv4: total length reaches into the padding", "c4t4",
          patched(d4 + bytes(4), 16, number(ip_len + 2)), CLIENTS_IF, "bad_length")
    for ihl in (0, 4):
        w.row(f"IPv4: header length {ihl}", "c4t4", patched(d4, 14, bytes([0x40 | ihl])),
              CLIENTS_IF, "bad_length")
    for version in (0, 6, 15):
        w.row(f"IPv4's Ethernet type, version {version}", "c4t4",
              patched(d4, 14, bytes([version << 4 | 5])), CLIENTS_IF, "bad_version")
    for version in (0, 4, 15):
        w.row(f"IPv6's Ethernet type, version {version}", "c6t6",
              patched(d6, 14, bytes([version << 4])), CLIENTS_IF, "bad_version")

    w.section("payload against mosh's least")
    for length in (0, 1, 7, 8, 16, 23):
        w.row(f"IPv4: payload of {length}", "c4t4", client_datagram(4, length=length).frame(),
              CLIENTS_IF, "runt")
        w.row(f"IPv6 from the target: payload of {length}", "c6t6",
              target_datagram(6, length=length).frame(), TARGETS_IF, "runt")
    for length in (24, 25):
        w.client(f"IPv4: payload of {length}", client_datagram(4, length=length), "c4t4", 0)
        w.target(f"IPv6 from the target: payload of {length}", target_datagram(6, length=length),
                 "c6t6")


def headers(w):
    w.section("IPv4 headers")
    d = client_datagram(4).frame()
    for flip in (0x0001, 0x8000, 0xffff):
        wrong = struct.unpack("!H", d[24:26])[0] ^ flip
        w.row(f"header checksum wrong by {flip:#06x}", "c4t4",
              patched(d, 24, number(wrong), header_csum=False), CLIENTS_IF, "bad_ip_checksum")
    for bits, name in ((0x2000, "first fragment"), (0x2001, "middle fragment"),
                       (0x0001, "last fragment"), (0x1fff, "last fragment, far"),
                       (0x6000, "first fragment that forbids it"), (0x4010, "last, forbids it")):
        w.row(name, "c4t4", patched(d, 20, number(bits)), CLIENTS_IF, "fragment")
    for flags in (4, 6):
        w.client(f"reserved bit, flags {flags}", client_datagram(4, flags=flags), "c4t4", 0)
        w.client(f"reserved bit, flags {flags}, to IPv6", client_datagram(4, flags=flags), "c4t6",
                 0)
    for options, name in (([IPOption_NOP()] * 4, "four no-operations"),
                          ([IPOption_Router_Alert()], "router alert")):
        frame = bytes(eth() / IP(src=CLIENT[4], dst=PUBLIC[4], options=options) /
                      UDP(sport=CLIENT_PORT, dport=PUBLIC_PORT) / Raw(payload(100)))
        w.row(f"IPv4 options: {name}", "c4t4", frame, CLIENTS_IF, "ip_options")
    for proto in (0, 2, 6, 41, 47, 50, 136, 255):
        w.row(f"IPv4 protocol {proto}", "c4t4", patched(d, 23, bytes([proto])), CLIENTS_IF,
              "not_udp")
    frame = bytes(eth() / IP(src=CLIENT[4], dst=PUBLIC[4]) / TCP(sport=CLIENT_PORT, dport=22))
    w.row("SSH", "c4t4", frame, CLIENTS_IF, "not_udp")

    w.section("IPv6 headers")
    ip6 = eth() / IPv6(src=CLIENT[6], dst=PUBLIC[6])
    udp = UDP(sport=CLIENT_PORT, dport=PUBLIC_PORT) / Raw(payload(100))
    for layer, name in ((IPv6ExtHdrHopByHop(), "hop-by-hop"), (IPv6ExtHdrRouting(), "routing"),
                        (IPv6ExtHdrFragment(m=1), "first fragment"),
                        (IPv6ExtHdrFragment(offset=1), "later fragment"),
                        (IPv6ExtHdrFragment(), "atomic fragment"),
                        (IPv6ExtHdrDestOpt(), "destination options")):
        w.row(f"extension header: {name}", "c6t6", bytes(ip6 / layer / udp), CLIENTS_IF,
              "ext_header")
    d = client_datagram(6).frame()
    for proto in (50, 51, 135, 139, 140):
        w.row(f"extension header {proto}", "c6t6", patched(d, 20, bytes([proto])), CLIENTS_IF,
              "ext_header")
    for proto in (1, 6, 59, 89, 255):
        w.row(f"IPv6 next header {proto}", "c6t6", patched(d, 20, bytes([proto])), CLIENTS_IF,
              "not_udp")
    w.row("IPv6 UDP without a checksum", "c6t6", client_datagram(6, csum=0).frame(), CLIENTS_IF,
          "zero_checksum")
    w.row("IPv6 UDP without a checksum, from the target", "c6t6",
          target_datagram(6, csum=0).frame(), TARGETS_IF, "zero_checksum")

    w.section("link layer")
    inner = bytes(client_datagram(4).l3())
    w.row("ARP", "c4t4", bytes(eth() / ARP()), CLIENTS_IF, "not_ip")
    w.row("802.3", "c4t4", bytes(Dot3(src=ROUTER_MAC, dst=BASTION_MAC[11]) / Raw(bytes(46))),
          CLIENTS_IF, "not_ip")
    for kind in (0x0000, 0x05ff, 0x0801, 0x86dc, 0x8847, 0x88cc, 0xffff):
        w.row(f"Ethernet type {kind:#06x}", "c4t4", bytes(eth(type=kind)) + inner, CLIENTS_IF,
              "not_ip")
    w.row("tagged ARP", "c4t4", bytes(eth() / Dot1Q(vlan=7) / ARP()), CLIENTS_IF, "not_ip")
    w.row("two tags", "c4t4", bytes(eth() / Dot1Q(vlan=7) / Dot1Q(vlan=8)) + inner, CLIENTS_IF,
          "vlan_stack")
    w.row("802.1ad tag", "c4t4", bytes(eth(type=0x88a8) / Dot1Q(vlan=7, type=0x0800)) + inner,
          CLIENTS_IF, "vlan_stack")
    w.row("802.1ad behind a tag", "c4t4", bytes(
        eth() / Dot1Q(vlan=7, type=0x88a8)) + bytes(4) + inner, CLIENTS_IF, "vlan_stack")


def endpoints(w):
    w.section("sources that no answer could be sent to")
    for addr in ("0.0.0.0", "0.1.2.3", "0.255.255.255", "127.0.0.1", "127.255.255.255",
                 "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"):
        w.row(f"from {addr}", "c4t4", client_datagram(4, src=addr).frame(), CLIENTS_IF,
              "bad_source")
    for addr in ("::", "::1", "::102:304", "::ffff:1.2.3.4", "fe80::1", "febf::1", "ff02::1",
                 "ff0e::1"):
        w.row(f"from {addr}", "c6t6", client_datagram(6, src=addr).frame(), CLIENTS_IF,
              "bad_source")
    for family in (4, 6):
        w.row(f"IPv{family}: from port 0", f"c{family}t{family}",
              client_datagram(family, sport=0).frame(), CLIENTS_IF, "bad_source")
    w.section("their neighbours, to which it could")
    for addr in ("1.0.0.1", "126.255.255.255", "128.0.0.1", "223.255.255.255"):
        w.client(f"from {addr}", client_datagram(4, src=addr), "c4t4", 1)
    for addr in ("fe7f::1", "fec0::1", "fc00::1", "64:ff9b::102:304", "1::ffff:0:0", "::1:0:0:0"):
        w.client(f"from {addr}", client_datagram(6, src=addr), "c6t6", 1)
    for port in (1, 65535):
        w.client(f"from port {port}", client_datagram(4, sport=port), "c4t4", 1)

    w.section("no session there")
    for what, d, ingress in (
            ("another port", client_datagram(4, dport=PUBLIC_PORT + 1), CLIENTS_IF),
            ("another address", client_datagram(4, dst="203.0.113.9"), CLIENTS_IF),
            ("port 22", client_datagram(4, dport=22), CLIENTS_IF),
            ("broadcast", client_datagram(4, dst="255.255.255.255"), CLIENTS_IF),
            ("IPv6, another address", client_datagram(6, dst="2001:db8:113::8"), CLIENTS_IF),
            ("from the target's address, another port",
             target_datagram(4, sport=60002), TARGETS_IF),
            ("from another target", target_datagram(4, src="10.2.0.3"), TARGETS_IF),
            ("the block above", target_datagram(4, slot=16), TARGETS_IF),
            ("the block below", target_datagram(4, slot=-1), TARGETS_IF),
            ("to another of the bastion's addresses", target_datagram(4, dst="10.2.0.9"),
             TARGETS_IF),
            ("a stranger to the upstream port", target_datagram(4, src=CLIENT[4]), CLIENTS_IF)):
        w.row(f"no session: {what}", "c4t4", d.frame(), ingress, "no_session")
    w.section("an IPv4 address mapped into IPv6, which the tables hold and no wire may carry")
    for name, d, ingress in (
            ("c4t4", client_datagram(6, dst=f"::ffff:{PUBLIC[4]}"), CLIENTS_IF),
            ("c4t6", client_datagram(6, dst=f"::ffff:{PUBLIC[4]}"), CLIENTS_IF),
            ("c6t4", client_datagram(6, dst=f"::ffff:{PUBLIC[4]}"), CLIENTS_IF)):
        w.row(f"{name}: to the public address, mapped", name, d.frame(), ingress, "no_session")
    w.section("what a session refuses")
    for c, t in ((4, 4), (6, 6), (6, 4), (4, 6)):
        name = f"c{c}t{t}"
        w.row(f"{name}: direction bit set in the client's", name,
              client_datagram(c, data=payload(100, True)).frame(), CLIENTS_IF, "direction")
        w.row(f"{name}: direction bit clear in the target's", name,
              target_datagram(t, data=payload(50, False)).frame(), TARGETS_IF, "direction")
        closed = Session.attached(c, t).set(flags=0)
        w.row(f"{name}: closed, from the client", closed, client_datagram(c).frame(), CLIENTS_IF,
              "session_closed")
        w.row(f"{name}: closed, from the target", closed, target_datagram(t).frame(), TARGETS_IF,
              "session_closed")
        for slot in (1, 7, 15):
            w.row(f"{name}: answer to slot {slot}, which is empty", name,
                  target_datagram(t, slot=slot).frame(), TARGETS_IF, "empty_slot")


def interfaces(w):
    w.section("the target's interface")
    for ingress in (CLIENTS_IF, 13):
        w.row(f"answer by interface {ingress}", "c4t4", target_datagram(4).frame(), ingress,
              "wrong_interface")
    w.target("answer by a bond's member", target_datagram(4), "c4t4", ingress=14)
    tagged = Session.attached(4, 4).set(to_target=next_hop(12, TARGET_MAC, 5))
    w.row("answer without the VLAN's tag", tagged, target_datagram(4).frame(), TARGETS_IF,
          "wrong_interface")
    w.row("answer by another VLAN", tagged, target_datagram(4, tci=6).frame(), TARGETS_IF,
          "wrong_interface")
    w.row("answer with a tag where none belongs", "c4t4", target_datagram(4, tci=5).frame(),
          TARGETS_IF, "wrong_interface")
    hop = {**next_hop(12, TARGET_MAC, 5), "ifindex": 13}
    stripped = Session.attached(4, 4).set(to_target=hop)
    w.target("answer whose tag the interface took off", target_datagram(4), stripped, ingress=13)
    w.target("answer whose tag it left", target_datagram(4, tci=5), stripped, ingress=13)
    w.row("answer by another VLAN, where tags may be taken off", stripped,
          target_datagram(4, tci=6).frame(), 13, "wrong_interface")


def write(w):
    truncations(w)
    lengths(w)
    headers(w)
    endpoints(w)
    interfaces(w)
