#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the packet vectors: generate.py DIR; or checks that DIR holds just those: --check DIR

One row is one packet into one session: what must come out, for which reason, and what the session
knows afterwards. The rows are in rows_*.py, the rules that they expect in model.py, the format in
README.md. Nothing here is derived from the C code.
"""
import importlib
import pathlib
import sys

sys.dont_write_bytecode = True
import model  # noqa: E402
from model import CLIENTS_IF, NOW, PUBLIC, PUBLIC_SLOT, Session, version  # noqa: E402
from bases import BASES  # noqa: E402
from packets import relayed  # noqa: E402

WORLD = """\
address 0 203.0.113.7
address 1 2001:db8:113::7
address 2 203.0.113.8
generation 1
link 11 11 0 used
link 12 12 0 used
link 13 13 0 used stripped
link 14 12 0 used
lookup 11 0 1500 02:00:00:00:11:fe 02:00:00:00:11:01
"""

BLANK = {**Session().flat(), **{key: "0" for key in Session().flat()}}
BLANK.update({key: "::" for key in BLANK if key.endswith(("addr", "client", "hint"))})
BLANK.update(target="::", upstream="::", current="255")
BLANK.update({f"{hop}.{mac}": "00:00:00:00:00:00" for hop in ("to_target", "to_client")
              for mac in ("dmac", "smac")})


def body_length(octets):
    """How many octets of the payloads' common body (packets.payload) these begin with."""
    count = 0
    while count < len(octets) and octets[count] == (17 + 7 * count) & 0xff:
        count += 1
    return count


def hex_lines(frame):
    """The frame in the lines of its headers, as far as they can be told; spaces mean nothing."""
    cuts = [14]
    if frame[12:14] == b"\x81\x00":
        cuts.append(18)
    kind = frame[cuts[-1] - 2:cuts[-1]]
    if kind in (b"\x08\x00", b"\x86\xdd"):
        cuts.append(cuts[-1] + (20 if kind == b"\x08\x00" else 40))
        cuts.append(cuts[-1] + 8)
    lines, start = [], 0
    for cut in cuts:
        if frame[start:cut]:
            lines.append("\t" + frame[start:cut].hex())
        start = cut
    nonce, rest = frame[start:start + 8], frame[start + 8:]
    body = body_length(rest)
    if nonce:
        lines.append("\t" + nonce.hex() + (f" body:{body}" if body else ""))
    rest = rest[body:]
    lines += ["\t" + rest[i:i + 40].hex() for i in range(0, len(rest), 40)]
    return lines or ["\t-"]


def differences(old, new):
    return [f"{key} {value}" for key, value in new.items() if old[key] != value]


def too_big(dst, dport, slot, hop, d):
    size = len(d.data) + (28 if version(dst) == 4 else 48)
    return "too-big", {"slot": slot, "addr": dst, "port": dport, "ifindex": hop["ifindex"],
                       "detail": size}


class Writer:
    """One .vec file."""

    def __init__(self):
        self.lines, self.names, self.used = [], set(), []

    def section(self, text):
        self.lines += ["", f"# ---- {text}"]

    def row(self, what, session, frame, ingress, reason, out=None, egress=None, after=None,
            now=NOW, exact=False, events=()):
        """`session`: name of a base, or a Session; `exact`: rows about single nanoseconds or
        milliseconds, which a binding that can't set its clock has to leave out."""
        assert what not in self.names, what
        self.names.add(what)
        before = BASES[session] if isinstance(session, str) else session
        base = session if isinstance(session, str) else self.nearest(before)
        if base not in self.used:
            self.used.append(base)
        add = self.lines.append
        add("")
        add(f"row {what}")
        add(f"session {base}")
        for line in differences(BASES[base].flat(), before.flat()):
            add(f"set {line}")
        if now != NOW:
            add(f"clock {now}")
        if exact:
            add("exact")
        add(f"in {ingress}")
        self.lines += hex_lines(frame)
        add(f"reason {reason}")
        if out is not None:
            add(f"out {egress}")
            self.lines += hex_lines(out)
        for kind, fields in events:
            add(" ".join([f"event {kind}"] + [f"{k}={v}" for k, v in fields.items() if v]))
        for line in differences(before.flat(), (after or before).flat()):
            add(f"after {line}")
        add("end")

    @staticmethod
    def nearest(session):
        return min(BASES, key=lambda name: len(differences(BASES[name].flat(), session.flat())))

    # ---- what most rows are -----------------------------------------------------------------

    def client(self, what, d, session, slot, reason="to_target", now=NOW, exact=False,
               ingress=CLIENTS_IF, public_slot=None):
        """A client's datagram that must take (or have) `slot`; `reason` may be one that drops it
        after it has been counted, or no_slot with slot None."""
        before = BASES[session] if isinstance(session, str) else session
        after, hop = before.copy(), before.f["to_target"]
        seq = int.from_bytes(d.data[:8], "big")
        if public_slot is None:
            public_slot = PUBLIC_SLOT[version(d.dst)]
        got = after.from_client(d.src, d.sport, public_slot, seq, len(d.data), now)
        assert got == slot, f"{what}: the model says slot {got}"
        out, events = None, []
        if after.f["claims"] > before.f["claims"]:
            events.append(("leg", {"slot": slot, "addr": d.src, "port": d.sport}))
        if reason == "too_big":
            events.append(too_big(before.f["target"], before.f["target_port"], slot, hop, d))
        if reason == "to_target":
            out = relayed(d, before.f["upstream"], before.f["upstream_base"] + slot,
                          before.f["target"], before.f["target_port"], hop).frame()
        self.row(what, session, d.frame(), ingress, reason, out, hop["ifindex"], after, now, exact,
                 events)

    def target(self, what, d, session, reason="to_client", now=NOW, exact=False,
               ingress=model.TARGETS_IF, public=None):
        """A target's datagram; its port says which slot."""
        before = BASES[session] if isinstance(session, str) else session
        after = before.copy()
        slot = d.dport - before.f["upstream_base"]
        seq = int.from_bytes(d.data[:8], "big") & (1 << 63) - 1
        assert after.from_target(slot, seq, len(d.data), now), what
        out, f, events = None, after.f, []
        news = {"slot": slot, "addr": f["client"], "port": f["client_port"]}
        if before.f["legs"][slot]["state"] == model.UNPROVEN:
            events.append(("proven", news))
        if slot != before.f["current"] and before.f["proven_ns"]:
            events.append(("roamed", news))
        if reason == "too_big":
            events.append(too_big(f["client"], f["client_port"], slot, f["to_client"], d))
        if reason == "to_client":
            out = relayed(d, public or PUBLIC[version(f["client"])], f["public_port"], f["client"],
                          f["client_port"], f["to_client"]).frame()
        self.row(what, session, d.frame(), ingress, reason, out, f["to_client"]["ifindex"], after,
                 now, exact, events)

    def text(self, title):
        head = ["# SPDX-License-Identifier: BSD-2-Clause", f"# {title}",
                "# Made by generate.py; README.md explains the format.", "", WORLD.rstrip()]
        for name in self.used:
            head += ["", f"base {name}"]
            head += [f"set {line}" for line in differences(BLANK, BASES[name].flat())]
            head.append("end")
        return "\n".join(head + self.lines) + "\n"


def main():
    check = sys.argv[1] == "--check"
    where = pathlib.Path(sys.argv[-1])
    wrong = 0
    for name in ("relay", "parse", "legs", "icmp"):
        rows = importlib.import_module(f"rows_{name}")
        BASES.update(getattr(rows, "BASES", {}))
        writer = Writer()
        rows.write(writer)
        text, path = writer.text(rows.__doc__.splitlines()[0]), where / f"{name}.vec"
        if not check:
            path.write_text(text)
            print(f"{path}: {len(writer.names)} rows")
        elif not path.exists() or path.read_text() != text:
            print(f"{path}: not what generate.py makes; run it and look at the difference")
            wrong = 1
    return wrong


if __name__ == "__main__":
    sys.exit(main())
