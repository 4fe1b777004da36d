#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A stand-in for the daemon, for tests of what talks to it: fake_daemon.py SOCKET LOG

Answers by its table below, appends each request line to LOG, and prints "ready" when it listens.
It checks nothing and keeps no state; what is asked for chooses the answer, misbehaviour included.
"""
import json
import os
import re
import socket
import sys
import threading

SESSION = {
    "id": "00000000000000aa", "owner": {"uid": 1000, "name": "alice"}, "label": "web1",
    "state": "active",
    "public": {"addresses": ["203.0.113.7", "2001:db8::7"], "port": 60005},
    "target": {"address": "fd00::2", "port": 60001},
    "upstream": {"address": "fd00::1", "ports": [61040, 61055]},
    "opened_at": "2026-01-01T00:00:00Z", "last_client_at": "2026-01-01T00:00:01.5Z",
    "last_target_at": None, "idle_timeout_s": 90061,
    "to_target": {"datagrams": 7, "bytes": 700, "lost": 3, "reordered": 1},
    "to_client": {"datagrams": 5, "bytes": 500, "lost": 2, "reordered": 0},
    "roams": 4,
}
LEGS = [
    {"slot": 0, "address": "198.51.100.9", "port": 40000, "state": "current",
     "first_seen_at": "2026-01-01T00:00:00Z", "last_client_at": "2026-01-01T00:00:01Z",
     "last_target_at": None},
    {"slot": 11, "address": "2001:db8::9", "port": 40001, "state": "unproven",
     "first_seen_at": "2026-01-01T00:00:00Z", "last_client_at": "2026-01-01T00:00:01Z",
     "last_target_at": None},
]
HOSTILE = "\"}{\\r\u00e4d\u001b[31m\nfake row\u202etxt"
ERRORS = {  # what a session's identifier or a target's port asks for
    "denied": (-32003, "alice may not: the rule \"dev\" allows 10.0.0.0/8"),
    "missing": (-32004, "there is no session 0000000000000004"),
    "limit": (-32006, "20 sessions is the limit of the rule \"dev\""),
    "failed": (-32001, "the store is full"),
}
BY_ID = {"0000000000000003": "denied", "0000000000000004": "missing",
         "0000000000000001": "failed"}
BY_PORT = {"60003": "denied", "60006": "limit"}


def reverse(value):
    """With the members of objects in the opposite order."""
    if not isinstance(value, dict):
        return value
    return {key: reverse(value[key]) for key in reversed(value)}


def answer(method, params):
    """(result, error name), one of them None."""
    if "id" in params and not re.fullmatch("[0-9a-f]{16}", params["id"]):
        return None, "missing"
    if method == "open":
        name = BY_PORT.get(params["target"].rsplit(":", 1)[1])
        label = params.get("label")
        return ({**SESSION, "state": "waiting", "label": label}, None) if not name else (None, name)
    if method == "close":
        name = BY_ID.get(params["id"])
        return ({"id": params["id"]}, None) if not name else (None, name)
    if method == "show":
        name = BY_ID.get(params["id"])
        return ({**SESSION, "legs": LEGS}, None) if not name else (None, name)
    if method == "list":
        rows = [SESSION, {**SESSION, "id": "00000000000000bb", "label": HOSTILE, "state": "silent",
                          "owner": {"uid": 12345, "name": "b\u00f6b"}}]
        if params.get("state") == "waiting":  # the same, in another order
            rows = [reverse(row) for row in rows]
        return {"sessions": rows if "user" not in params else []}, None
    if method == "stats":
        return {"sessions": 2, "reasons": {"to_target": 12345, "runt": 0, "no_slot": 7}}, None
    if method == "status":
        return {"dataplane": "xdp-native", "interfaces": ["eth0", "eth1"], "sessions": 2,
                "max_sessions": 65536, "draining": False, "version": "1.2.3", "refused": [],
                "pools": [{"name": "", "addresses": ["203.0.113.7", "203.0.113.8"],
                           "ports": "1-2"}, {"name": "b", "addresses": None}]}, None
    if method == "policy":
        if params["user"] == "mallory":
            return {"allowed": False, "rule": None, "why": "no rule names mallory"}, None
        return {"allowed": True, "rule": "dev", "why": "rule \"dev\""}, None
    if method == "doctor":
        good = params.get("target") != "192.0.2.1"
        return {"ok": good, "checks": [
            {"name": "kernel", "status": "ok", "detail": "6.1", "advice": None},
            {"name": "neighbour", "status": "ok" if good else "fail", "detail": "192.0.2.1",
             "advice": None if good else "switch the target on"}]}, None
    if method in ("drain", "detach", "watch"):
        return {}, None
    return None, "failed"


EVENTS = [
    {"time": "2026-01-01T00:00:00Z", "event": "opened", "id": "00000000000000aa"},
    {"time": "2026-01-01T00:00:01Z", "event": "leg", "id": "00000000000000aa",
     "address": "198.51.100.9", "port": 40000, "slot": 0},
    {"time": "2026-01-01T00:00:02Z", "event": "closed", "id": "00000000000000aa",
     "why": "by \u001b[2Jalice"},
]


def misbehave(params, request, out):
    """Bytes for what a broken daemon might send, by the asked-for identifier; None: behave."""
    ok = {"jsonrpc": "2.0", "id": request["id"], "result": {}}
    if str(params.get("user", "")).startswith("cut"):  # a list that ends after so many octets
        text = json.dumps({"sessions": [{**SESSION, "label": HOSTILE}]}, separators=(",", ":"))
        return ('{"jsonrpc":"2.0","id":%d,"result":%s}\n'
                % (request["id"], text[:int(params["user"][3:])])).encode()
    return {
        "dead000000000001": b"this is not JSON\n",
        "dead000000000002": b"",                                         # closes at once
        "dead000000000003": json.dumps({**ok, "id": 99}).encode() + b"\n",
        "dead000000000004": b"[1, 2]\n",
        "dead000000000005": json.dumps({"jsonrpc": "2.0", "id": 1}).encode() + b"\n",
        "dead000000000006": b'{"jsonrpc": "2.0", "id": 1, "res',         # half a line, then closes
        "dead000000000007": b'{"jsonrpc":"2.0","id":1,"result":{"id":"\xff\xfe"}}\n',
    }.get(params.get("id"))


def serve(connection, log):
    with connection, connection.makefile("rb") as lines, connection.makefile("wb") as out:
        for line in lines:
            log.write(line)
            log.flush()
            request = json.loads(line)
            method, params = request["method"], request.get("params", {})
            broken = misbehave(params, request, out)
            if broken is not None:
                out.write(broken)
                return
            result, name = answer(method, params)
            reply = {"jsonrpc": "2.0", "id": request["id"]}
            if name:
                reply["error"] = {"code": ERRORS[name][0], "message": ERRORS[name][1]}
            else:
                reply["result"] = result
            # as the daemon does, or as another implementation might
            loose = params.get("state") == "closing"
            out.write(json.dumps(reply, separators=None if loose else (",", ":"),
                                 ensure_ascii=loose).encode() + b"\n")
            if method == "watch" and not name:
                for event in EVENTS:
                    note = {"jsonrpc": "2.0", "method": "event", "params": event}
                    out.write(json.dumps(note).encode() + b"\n")
                return
            out.flush()


def main():
    path, log = sys.argv[1], open(sys.argv[2], "ab")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(16)
    print("ready", flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, log), daemon=True).start()


if __name__ == "__main__":
    main()
