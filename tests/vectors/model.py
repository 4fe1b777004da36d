# SPDX-License-Identifier: BSD-2-Clause
"""What the relay should do, written from the rules of the design and not from the C code.

A Session is a dictionary of the record's fields by the names that the .vec files use. The model
knows no packets: packets.py builds those, and scapy computes every checksum from scratch.
"""
import copy
import ipaddress

S = 1_000_000_000  # ns
MS = 1_000_000
NOW = 1000 * S     # the clock of every row that doesn't say otherwise
LEGS = 16
NO_SLOT = 255
EMPTY, UNPROVEN, PROVEN = 0, 1, 2
OPEN, HINT = 1, 2

CLIENTS_IF, TARGETS_IF = 11, 12
BASTION_MAC = {CLIENTS_IF: "02:00:00:00:11:01", TARGETS_IF: "02:00:00:00:12:01"}
ROUTER_MAC = "02:00:00:00:11:fe"
TARGET_MAC = "02:00:00:00:12:02"

PUBLIC = {4: "203.0.113.7", 6: "2001:db8:113::7"}
PUBLIC_SLOT = {4: 0, 6: 1}
PUBLIC_PORT = 60005
CLIENT = {4: "198.51.100.9", 6: "2001:db8:c::9"}
CLIENT_PORT = 40000
TARGET = {4: "10.2.0.2", 6: "fd00:2::2"}
TARGET_PORT = 60001
UPSTREAM = {4: "10.2.0.1", 6: "fd00:2::1"}
UPSTREAM_BASE = 61040


def version(address):
    return ipaddress.ip_address(address).version


def next_hop(ifindex, dmac, vlan=0, mtu=1500, generation=1):
    return {"generation": generation, "ifindex": ifindex, "vlan": vlan, "mtu": mtu, "dmac": dmac,
            "smac": BASTION_MAC[ifindex]}


TO_CLIENTS = next_hop(CLIENTS_IF, ROUTER_MAC)   # what any look-up of a client's next hop gives
TO_TARGETS = next_hop(TARGETS_IF, TARGET_MAC)
NOT_RESOLVED = {"generation": 0, "ifindex": 0, "vlan": 0, "mtu": 0, "dmac": "00:00:00:00:00:00",
                "smac": "00:00:00:00:00:00"}


def empty_leg():
    return {"addr": "::", "port": 0, "state": EMPTY, "public_slot": 0, "datagrams": 0,
            "claimed_ns": 0, "client_ns": 0, "target_ns": 0, "next_seq": 0}


def leg(addr, port=CLIENT_PORT, state=PROVEN, claimed=NOW - 90 * S, client=NOW - S, target=0,
        next_seq=0, datagrams=0):
    return {"addr": addr, "port": port, "state": state, "public_slot": PUBLIC_SLOT[version(addr)],
            "datagrams": datagrams, "claimed_ns": claimed, "client_ns": client,
            "target_ns": target, "next_seq": next_seq}


class Session:
    def __init__(self, target=4):
        self.f = {
            "flags": OPEN, "current": NO_SLOT, "public_port": PUBLIC_PORT,
            "target_port": TARGET_PORT, "client_port": 0, "upstream_base": UPSTREAM_BASE,
            "client_public": 0, "target": TARGET[target], "upstream": UPSTREAM[target],
            "client": "::", "to_target": dict(TO_TARGETS), "to_client": dict(NOT_RESOLVED),
            "id": 0x1122334455667788, "rtt_us": 0,
            "from_client": {"datagrams": 0, "bytes": 0, "lost": 0, "reordered": 0},
            "client_seq": 0, "client_last": 0, "client_ns": 0, "claims": 0,
            "roams": 0,
            "from_target": {"datagrams": 0, "bytes": 0, "lost": 0, "reordered": 0},
            "target_seq": 0, "target_ns": 0, "proven_seq": 0, "proven_ns": 0,
            "opened_ns": NOW - 95 * S, "hint": "::",
            "legs": [empty_leg() for _ in range(LEGS)],
        }

    @classmethod
    def attached(cls, client=4, target=4, seq=100, target_seq=50):
        """A session whose client is on leg 0, the current one; both were heard a second ago."""
        s = cls(target)
        s.f["legs"][0] = leg(CLIENT[client], target=NOW - S, next_seq=seq)
        s.f.update(current=0, client=CLIENT[client], client_port=CLIENT_PORT,
                   client_public=PUBLIC_SLOT[client], to_client=dict(TO_CLIENTS), rtt_us=20000,
                   client_seq=seq, client_last=seq, client_ns=NOW - S, target_seq=target_seq, target_ns=NOW - S,
                   proven_seq=seq, proven_ns=NOW - S, claims=1)
        s.f["from_client"].update(datagrams=100, bytes=10000)
        s.f["from_target"].update(datagrams=50, bytes=5000)
        return s

    def copy(self):
        return copy.deepcopy(self)

    def set(self, **fields):
        """set(current=3, to_target__mtu=1280): sub-fields behind a double underscore."""
        for name, value in fields.items():
            first, _, rest = name.partition("__")
            if rest:
                self.f[first][rest] = value
            else:
                self.f[first] = value
        return self

    def put(self, slot, value):
        self.f["legs"][slot] = value
        return self

    # ---- the rules -------------------------------------------------------------------------

    def plausible(self, seq, now):
        """Ahead of the proven number, by no more than 1,024 and one a millisecond since; or ahead
        of the client's last one, and behind the proven one by no more than a forger can have
        pushed it between two heartbeats."""
        f = self.f
        if f["proven_seq"] == 0:
            return True
        newest = f["proven_seq"] - 1
        if seq <= newest:
            return seq >= f["client_last"] and newest + 1 - seq <= 1024 + 3000
        return seq - newest <= 1024 + max(0, now - f["proven_ns"]) // MS

    def takeable_since(self, slot, now):
        """When the slot was last good for something, None if it may not be taken yet."""
        f, lg = self.f, self.f["legs"][slot]
        if slot == f["current"]:
            last = max(f["client_ns"], f["target_ns"])
            return last if now - last >= 60 * S else None
        if lg["state"] == EMPTY:
            return -1
        if lg["state"] == UNPROVEN:
            hold = 2 * 1000 * min(max(f["rtt_us"] or 100_000, 10_000), 1_000_000)
            return lg["claimed_ns"] if now - lg["claimed_ns"] > hold else None
        last = max(lg["client_ns"], lg["target_ns"])
        return last if now - last >= 10 * S else None

    def choose(self, addr, seq, now):
        f = self.f
        allowed = set(range(LEGS) if self.plausible(seq, now) else range(8, LEGS))
        if f["flags"] & HINT:
            allowed.discard(0)
            if addr == f["hint"]:
                allowed.add(0)
        best = [(self.takeable_since(i, now), i) for i in sorted(allowed)
                if self.takeable_since(i, now) is not None]
        return min(best)[1] if best else None

    def from_client(self, addr, port, public_slot, seq, length, now):
        """A good datagram at the public endpoint: the slot, or None where no slot may be taken."""
        f = self.f
        slot = next((i for i, lg in enumerate(f["legs"]) if lg["state"] != EMPTY and
                     (lg["addr"], lg["port"], lg["public_slot"]) == (addr, port, public_slot)),
                    None)
        if slot is None:
            slot = self.choose(addr, seq, now)
            if slot is None:
                return None
            if slot == f["current"]:
                f.update(current=NO_SLOT, client_ns=0, target_ns=0)
            f["legs"][slot] = {**empty_leg(), "addr": addr, "port": port, "state": UNPROVEN,
                               "public_slot": public_slot, "claimed_ns": now}
            f["claims"] += 1
        f["from_client"]["datagrams"] += 1
        f["from_client"]["bytes"] += length
        lg = f["legs"][slot]
        if slot == f["current"]:
            f["client_ns"] = now
            if seq < f["client_seq"]:
                self.late(f["from_client"])
                f["client_last"] = seq + 1
            elif self.plausible(seq, now):
                self.missing(f["from_client"], f["client_seq"], seq)
                f["client_seq"] = f["client_last"] = seq + 1
        else:
            lg["client_ns"] = now
            lg["datagrams"] += 1
            if self.plausible(seq, now):
                lg["next_seq"] = max(lg["next_seq"], seq + 1)
        return slot

    def from_target(self, slot, seq, length, now):
        """A good datagram at the upstream port of `slot`: False if nobody has that slot."""
        f, lg = self.f, self.f["legs"][slot]
        if lg["state"] == EMPTY:
            return False
        f["from_target"]["datagrams"] += 1
        f["from_target"]["bytes"] += length
        if seq < f["target_seq"]:
            self.late(f["from_target"])
        else:
            self.missing(f["from_target"], f["target_seq"], seq)
            f["target_seq"] = seq + 1
        if lg["state"] == UNPROVEN:
            lg["state"] = PROVEN
            f["rtt_us"] = max(1, min((now - lg["claimed_ns"]) // 1000, 2**32 - 1))
        if slot != f["current"]:
            self.switch_to(slot)
            f["proven_seq"] = max(f["proven_seq"], lg["next_seq"])
        else:
            f["proven_seq"] = f["client_seq"]
        f.update(proven_ns=now, target_ns=now)
        return True

    def switch_to(self, slot):
        f, lg = self.f, self.f["legs"][slot]
        if f["current"] != NO_SLOT:
            f["legs"][f["current"]].update(client_ns=f["client_ns"], target_ns=f["target_ns"],
                                           next_seq=f["client_seq"], datagrams=0)
        if lg["next_seq"] > f["client_seq"]:
            gap = lg["next_seq"] - f["client_seq"] - lg["datagrams"]
            if f["client_seq"] and gap > 0:
                f["from_client"]["lost"] += gap
            f["client_seq"] = lg["next_seq"]
        if f["proven_ns"]:
            f["roams"] += 1
        f.update(current=slot, client=lg["addr"], client_port=lg["port"],
                 client_public=lg["public_slot"], client_ns=lg["client_ns"],
                 client_last=lg["next_seq"],
                 to_client=dict(TO_CLIENTS))  # looked up anew

    @staticmethod
    def missing(stats, expected, seq):
        if expected:
            stats["lost"] += seq - expected

    @staticmethod
    def late(stats):
        stats["reordered"] += 1
        if stats["lost"]:
            stats["lost"] -= 1

    # ---- as text ---------------------------------------------------------------------------

    def flat(self):
        """Every field as (path, text). Of the current leg, what lies in the hot lines is left out:
        its copies are stale by definition."""
        rows = {}

        def walk(prefix, value):
            if isinstance(value, dict):
                for key, part in value.items():
                    walk(f"{prefix}.{key}" if prefix else key, part)
            elif isinstance(value, list):
                for index, part in enumerate(value):
                    walk(f"{prefix}.{index}", part)
            else:
                rows[prefix] = str(value)
        walk("", self.f)
        return rows
