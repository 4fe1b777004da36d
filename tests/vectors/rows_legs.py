# SPDX-License-Identifier: BSD-2-Clause
"""Legs: who gets a slot, who keeps one, what an answer proves, and what is counted."""
from model import (CLIENT, CLIENTS_IF, HINT, MS, NOW, OPEN, PROVEN, S, TO_CLIENTS,
                   UNPROVEN, Session, leg)
from packets import client_datagram, target_datagram

STRANGER = {4: "198.51.100.77", 6: "2001:db8:c::77"}


def stranger(family=4, seq=100, **changes):
    return client_datagram(family, seq, src=changes.pop("src", STRANGER[family]), **changes)


def other(slot, **fields):
    """A leg of somebody else, told apart by its port."""
    return leg("198.51.100.200", 1000 + slot, **fields)


def crowded(state=UNPROVEN, slots=range(1, 16), target=4, **fields):
    """A session whose other slots are all held, by default for a long while yet."""
    s = Session.attached(4, target).set(rtt_us=1_000_000)
    for slot in slots:
        s.put(slot, other(slot, state=state, **{"claimed": NOW, "client": NOW, **fields}))
    return s


BASES = {"crowd": crowded(), "used": crowded(PROVEN, claimed=NOW - 90 * S),
         "upper": crowded(slots=range(8, 16))}


def known_legs(w):
    w.section("a client that has a leg")
    for pair in ((4, 4), (6, 6), (6, 4), (4, 6)):
        c, t = pair
        w.client(f"{c} to {t}: first datagram of all", client_datagram(c, 0), f"new{t}", 0)
        w.client(f"{c} to {t}: first datagram of all, from the middle of a stream",
                 client_datagram(c, 123456789), f"new{t}", 0)
        w.client(f"{c} to {t}: a new address", stranger(c), f"c{c}t{t}", 1)
    w.client("a client of the other family", client_datagram(6, 100), "c4t4", 1)
    w.client("the same address, another port", client_datagram(4, 100, sport=40001), "c4t4", 1)
    w.client("the same client at another public address",
             client_datagram(4, 100, dst="203.0.113.8"), "c4t4", 1, public_slot=2)
    for slot in (1, 2, 7, 8, 15):
        for state in (UNPROVEN, PROVEN):
            name = "proven" if state == PROVEN else "unproven"
            s = Session.attached(4, 4).put(slot, leg(STRANGER[4], state=state, next_seq=90,
                                                     datagrams=3))
            w.client(f"{name} leg in slot {slot}", stranger(seq=100), s, slot)
            w.client(f"{name} leg in slot {slot}, a late datagram", stranger(seq=80), s, slot)
            w.client(f"{name} leg in slot {slot}, from far ahead", stranger(seq=1 << 40), s, slot)
    ahead = Session.attached(4, 4).put(3, leg(STRANGER[4], state=UNPROVEN, next_seq=120,
                                              datagrams=3))
    for seq in (110, 119, 120, 121):
        w.client(f"a leg whose newest number is 119, number {seq}", stranger(seq=seq), ahead, 3)
    s = Session.attached(4, 4).put(3, leg(STRANGER[4], claimed=NOW - 3600 * S + 3550 * S,
                                          client=NOW - 50 * S, state=UNPROVEN))
    w.client("an old leg that nobody took is served", stranger(seq=100), s, 3)


def sequences(w):
    w.section("sequence numbers on the current leg")
    for seq, name in ((100, "the next"), (101, "one missing"), (150, "fifty missing"),
                      (99, "the last one again"), (98, "late"), (0, "the first again"),
                      (1 << 40, "a forger's")):
        s = Session.attached(4, 4)
        s.f["from_client"].update(lost=7, reordered=2)
        w.client(f"from the client: {name}", client_datagram(4, seq), s, 0)
        s = Session.attached(4, 4, target_seq=100)
        s.f["from_target"].update(lost=7, reordered=2)
        w.target(f"from the target: {name}", target_datagram(4, 0, seq), s)
    w.client("late, nothing is missing", client_datagram(4, 50), "c4t4", 0)
    w.target("from the target: late, nothing is missing", target_datagram(4, 0, 20), "c4t4")
    fresh = Session.attached(4, 4, target_seq=0)
    w.target("the target's first number need not be zero", target_datagram(4, 0, 77), fresh)
    w.target("the target's first number is zero", target_datagram(4, 0, 0), fresh)
    last = (1 << 63) - 1
    w.client("the largest number there is", client_datagram(4, last), "new4", 0)
    end = Session.attached(4, 4, seq=last, target_seq=last)
    w.client("the client's largest number, after its neighbour", client_datagram(4, last), end, 0)
    w.target("the target's largest number, after its neighbour", target_datagram(4, 0, last), end)


def plausibility(w):
    w.section("how far ahead is plausible: 1,024 and one a millisecond since the last proof")
    limit = 99 + 1024  # the newest proven number is 99
    for since in (0, 1 * MS - 1, 1 * MS, 3 * S, 3600 * S):
        base = Session.attached(4, 4).set(proven_ns=NOW - min(since, 900 * S))
        since = min(since, 900 * S)
        top = limit + since // MS
        for seq in (top - 1, top, top + 1):
            w.client(f"{since} ns since the proof, number {seq}", stranger(seq=seq), base,
                     1 if seq <= top else 8, exact=True)
    for seq, slot in ((0, 8), (98, 8), (99, 8), (100, 1), (101, 1), (1124, 1), (1 << 20, 8),
                      ((1 << 63) - 1, 8)):
        w.client(f"a stranger with number {seq}, newest proven is 99", stranger(seq=seq), "c4t4",
                 slot)
    future = Session.attached(4, 4).set(proven_ns=NOW + MS)
    w.client("proven by a packet whose clock was read later", stranger(seq=limit), future, 1,
             exact=True)
    w.client("... and one number too far", stranger(seq=limit + 1), future, 8, exact=True)
    w.section("what a forger says from the client's own address and port")
    # the client's newest number is 102, a forged 1,099 came just before the target's answer
    pushed = Session.attached(4, 4, seq=1100).set(client_last=103)
    for seq, slot in ((102, 8), (103, 1), (104, 1), (1099, 1), (1100, 1), (1100 + 1023, 1),
                      (1100 + 1024, 8)):
        w.client(f"the proven number was pushed ahead: a stranger with number {seq}",
                 stranger(seq=seq), pushed.copy().set(proven_ns=NOW), slot, exact=True)
    w.client("... the client's next datagram", client_datagram(4, 103), pushed, 0)
    w.client("a forged number, as far ahead as is plausible", client_datagram(4, 100 + 1023),
             Session.attached(4, 4).set(proven_ns=NOW), 0, exact=True)
    w.client("... and one number further", client_datagram(4, 100 + 1024),
             Session.attached(4, 4).set(proven_ns=NOW), 0, exact=True)
    w.client("a forged number from far behind", client_datagram(4, 0),
             Session.attached(4, 4, seq=10000), 0)
    behind = Session.attached(4, 4, seq=10000).set(client_last=1)
    for seq, slot in ((5, 8), (10000 - 4025, 8), (10000 - 4024, 1), (9999, 1), (10000, 1)):
        w.client(f"... a stranger with number {seq} after it", stranger(seq=seq), behind, slot)
    w.target("an answer after it proves the newest number all the same",
             target_datagram(4, 0, 50), behind)
    w.client("implausible, known leg 1 proven", stranger(seq=1 << 40), Session.attached(4, 4).put(
        1, leg(STRANGER[4], next_seq=3)), 1)


def nothing_free(w, what, d, s, exact=False, now=NOW):
    w.row(what, s, d.frame(), CLIENTS_IF, "no_slot", now=now, exact=exact)


def holds(w):
    w.section("nothing may be taken")
    nothing_free(w, "all unproven and young", stranger(), crowded())
    nothing_free(w, "all proven and in use", stranger(), crowded(PROVEN, claimed=NOW - 90 * S))
    nothing_free(w, "implausible: the lower seven are no use", stranger(seq=5),
                 crowded(slots=range(8, 16)))
    nothing_free(w, "implausible: old ones below are no use", stranger(seq=5),
                 crowded(slots=range(8, 16)).put(2, other(2, state=UNPROVEN, claimed=NOW - 80 * S,
                                                          client=NOW - 80 * S)))
    w.client("plausible: the lower seven are", stranger(), crowded(slots=range(8, 16)), 1)

    w.section("an unproven leg keeps its slot for twice the round trip")
    for rtt_us, hold in ((0, 200 * MS), (1, 20 * MS), (9_999, 20 * MS), (10_000, 20 * MS),
                         (10_001, 20_002_000), (50_000, 100 * MS), (999_999, 1_999_998_000),
                         (1_000_000, 2 * S), (1_000_001, 2 * S), (2**32 - 1, 2 * S)):
        for age in (hold - 1, hold, hold + 1):
            s = crowded().set(rtt_us=rtt_us).put(5, other(
                5, state=UNPROVEN, claimed=NOW - age, client=NOW))
            for slot in range(1, 16):
                if slot != 5:
                    s.f["legs"][slot].update(claimed_ns=NOW)
            name = f"round trip {rtt_us} us, claimed {age} ns ago"
            if age > hold:
                w.client(name, stranger(), s, 5, exact=True)
            else:
                nothing_free(w, name, stranger(), s, exact=True)
    w.client("unproven for ten seconds", stranger(), crowded().put(
        5, other(5, state=UNPROVEN, claimed=NOW - 10 * S, client=NOW)), 5)
    nothing_free(w, "claimed by a packet whose clock was read later", stranger(),
                 crowded(claimed=NOW + MS, client=NOW + MS), exact=True)

    w.client("a slot that is taken keeps nothing of its former leg", stranger(seq=100),
             crowded().put(5, other(5, state=UNPROVEN, claimed=NOW - 10 * S, client=NOW - 4 * S,
                                    target=NOW - 5 * S, next_seq=130, datagrams=9)), 5)
    w.section("a proven leg keeps its slot for ten seconds after its last use")
    for age in (10 * S - 1, 10 * S, 10 * S + 1):
        for who, client, target in (("client", age, 50 * S), ("target", 50 * S, age),
                                    ("both", age, age)):
            s = crowded().put(6, other(6, claimed=NOW - 90 * S, client=NOW - client,
                                       target=NOW - target))
            name = f"last used {age} ns ago by its {who}"
            if age >= 10 * S:
                w.client(name, stranger(), s, 6, exact=True)
            else:
                nothing_free(w, name, stranger(), s, exact=True)
    w.client("proven, unused for twelve seconds", stranger(), crowded().put(
        6, other(6, client=NOW - 12 * S, target=NOW - 12 * S)), 6)
    nothing_free(w, "proven, its client silent, the target answered five seconds ago", stranger(),
                 crowded().put(6, other(6, client=NOW - 80 * S, target=NOW - 5 * S)))

    w.section("the current leg keeps its slot for a minute")
    for age in (60 * S - 1, 60 * S, 60 * S + 1):
        for who, client, target in (("client", age, 80 * S), ("target", 80 * S, age)):
            s = crowded().set(client_ns=NOW - client, target_ns=NOW - target,
                              proven_ns=NOW - 80 * S)
            name = f"current leg last used {age} ns ago by its {who}"
            if age >= 60 * S:
                w.client(name, stranger(), s, 0, exact=True)
            else:
                nothing_free(w, name, stranger(), s, exact=True)
    gone = crowded().set(client_ns=NOW - 70 * S, target_ns=NOW - 65 * S, proven_ns=NOW - 65 * S)
    w.client("current leg, unused for 65 s", stranger(), gone, 0)
    nothing_free(w, "current leg, unused for 65 s, is below the implausible ones' slots",
                 stranger(seq=5), gone)
    nothing_free(w, "current leg: 30 s are not enough", stranger(), crowded().set(
        client_ns=NOW - 30 * S, target_ns=NOW - 31 * S))
    upper = crowded(slots=range(0, 16)).set(current=9, client_ns=NOW - 70 * S,
                                            target_ns=NOW - 65 * S)
    upper.put(9, leg(CLIENT[4], client=NOW - 70 * S, target=NOW - 65 * S, next_seq=100))
    w.client("implausible: a current leg among the upper eight, unused for 65 s", stranger(seq=5),
             upper, 9)


def order(w):
    w.section("which one is taken: an empty one, else the oldest")
    s = crowded().put(4, other(4, client=NOW - 20 * S, target=NOW - 20 * S))
    s.put(12, other(12, client=NOW - 30 * S, target=NOW - 30 * S))
    w.client("the one unused for longer", stranger(), s, 12)
    s.put(13, other(13, state=UNPROVEN, claimed=NOW - 25 * S, client=NOW))
    w.client("unproven ones stand in the same line", stranger(), s, 12)
    s.put(13, other(13, state=UNPROVEN, claimed=NOW - 35 * S, client=NOW))
    w.client("an unproven one counts from its claim", stranger(), s, 13)
    s.put(14, Session().f["legs"][0])
    w.client("an empty one before any old one", stranger(), s, 14)
    s.put(3, Session().f["legs"][0])
    w.client("the first of two empty ones", stranger(), s, 3)
    w.client("implausible: the first empty one among the upper eight", stranger(seq=5), s, 14)
    same = crowded()
    for slot in (7, 11):
        same.put(slot, other(slot, client=NOW - 20 * S, target=NOW - 20 * S))
    w.client("the first of two equally old ones", stranger(), same, 7)
    w.client("implausible: the upper of two equally old ones", stranger(seq=5), same, 11)


def hints(w):
    w.section("the slot that is kept for where SSH came from")
    new = Session(4).set(flags=OPEN | HINT, hint="198.51.100.50")
    w.client("a stranger doesn't get it", stranger(), new, 1)
    w.client("the hinted address gets it", client_datagram(4, 0, src="198.51.100.50"), new, 0)
    taken = Session.attached(4, 4).set(flags=OPEN | HINT, hint="198.51.100.50")
    taken.put(0, leg("198.51.100.50", next_seq=100, target=NOW - S)).set(client="198.51.100.50")
    w.client("another port of the hinted address, while it is in use",
             client_datagram(4, 100, src="198.51.100.50", sport=40001), taken, 1)
    full = crowded().set(flags=OPEN | HINT, hint="198.51.100.50", current=255, client="::",
                         client_port=0, client_ns=0, target_ns=0)
    full.put(0, Session().f["legs"][0])
    nothing_free(w, "a stranger doesn't get it, though it is all there is", stranger(), full)
    w.client("the hinted address gets it, in a crowd",
             client_datagram(4, 100, src="198.51.100.50"), full, 0)
    w.client("the hinted address gets it, implausible as it may be",
             client_datagram(4, 5, src="198.51.100.50"), full, 0)
    six = Session(6).set(flags=OPEN | HINT, hint=CLIENT[6])
    w.client("an IPv6 hint", client_datagram(6, 0), six, 0)
    w.client("an IPv6 hint, a stranger", client_datagram(4, 0), six, 1)


def answers(w):
    w.section("what an answer proves")
    for slot in (0, 1, 7, 8, 15):
        s = Session(4).put(slot, leg(CLIENT[4], state=UNPROVEN, claimed=NOW - 2 * S,
                                     client=NOW - S, next_seq=5, datagrams=3))
        s.f["claims"] = 1
        w.target(f"the first answer, slot {slot}", target_datagram(4, slot, 0), s)
    for state, name in ((UNPROVEN, "a roam"), (PROVEN, "back to a leg of before")):
        for c, t in ((4, 4), (6, 6), (6, 4), (4, 6)):
            s = Session.attached(c, t).put(2, leg(STRANGER[c], state=state, claimed=NOW - 2 * S,
                                                  next_seq=120, datagrams=20))
            w.target(f"{t} back to {c}: {name}", target_datagram(t, 2, 50), s)
    s = Session.attached(4, 4).put(2, leg(STRANGER[6], 40009, state=UNPROVEN, claimed=NOW - 2 * S,
                                          next_seq=120, datagrams=20))
    w.target("a roam to another family", target_datagram(4, 2, 50), s)
    s = Session.attached(4, 4)
    s.put(2, {**leg(STRANGER[4], state=UNPROVEN, claimed=NOW - 2 * S, next_seq=110,
                    datagrams=10), "public_slot": 2})
    w.target("a roam to another public address", target_datagram(4, 2, 50), s,
             public="203.0.113.8")
    s = Session.attached(4, 4).put(2, leg(STRANGER[4], next_seq=120, datagrams=20))
    s.set(to_client={**TO_CLIENTS, "dmac": "02:00:00:00:11:77", "mtu": 1280})
    w.target("a roam asks for the next hop anew", target_datagram(4, 2, 50), s)
    s.set(client_seq=105, client_ns=NOW - 2 * S, target_ns=NOW - 3 * S)
    w.target("a roam keeps what is known of the former leg", target_datagram(4, 2, 50), s)
    w.target("an answer proves the newest number on its leg", target_datagram(4, 0, 50), s)
    w.section("losses across a roam")
    for next_seq, datagrams, name in ((110, 10, "none"), (110, 4, "six"), (110, 30, "repeats"),
                                      (90, 10, "the new leg is behind"),
                                      (0, 1, "only implausible ones"), (101, 1, "one datagram")):
        s = Session.attached(4, 4).put(2, leg(STRANGER[4], state=UNPROVEN, claimed=NOW - 2 * S,
                                              next_seq=next_seq, datagrams=datagrams))
        w.target(f"lost on the way: {name}", target_datagram(4, 2, 50), s)
    w.section("the round trip is measured from claim to first answer")
    for age, name in ((0, "none"), (999, "under a microsecond"), (1000, "one microsecond"),
                      (20 * MS, "20 ms"), (900 * S, "900 s")):
        s = Session.attached(4, 4).put(2, leg(STRANGER[4], state=UNPROVEN, claimed=NOW - age,
                                              next_seq=110, datagrams=10))
        w.target(f"round trip: {name}", target_datagram(4, 2, 50), s, exact=True)
    later = Session.attached(4, 4).put(2, leg(STRANGER[4], state=UNPROVEN, claimed=NOW + MS,
                                              next_seq=110, datagrams=10))
    w.target("round trip: the claim's clock was read later", target_datagram(4, 2, 50), later,
             exact=True)
    w.section("a slot that was taken from the current leg")
    s = Session.attached(4, 4).set(current=255, client_ns=0, target_ns=0, proven_ns=NOW - 70 * S)
    s.put(0, leg(STRANGER[4], state=UNPROVEN, claimed=NOW - S, next_seq=110, datagrams=1))
    w.target("its first answer", target_datagram(4, 0, 50), s)
    w.client("its second datagram", stranger(seq=110), s, 0)
    w.client("the former client comes back", client_datagram(4, 111), s, 1)


def write(w):
    known_legs(w)
    sequences(w)
    plausibility(w)
    holds(w)
    order(w)
    hints(w)
    answers(w)
