#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Bad manners at the setup socket.

  abuse.py garbage SOCKET     bad requests on one connection: each is answered by an error, and a good
                              one after each of them by a result
  abuse.py half SOCKET        connections with half a line, or whose answers are never read
  abuse.py idle SOCKET COUNT  that many connections that say nothing, until killed
  abuse.py watch SOCKET COUNT the same, that watch; stops asking where one is refused
"""
import json
import os
import signal
import socket
import sys

PATIENCE = 10 * int(os.environ.get("PATIENCE", "1"))  # seconds until an answer is given up
GOOD = b'{"jsonrpc": "2.0", "id": 7, "method": "status", "params": {}}'
GARBAGE = [
    b"garbage",
    b"",
    b"{",
    b"[]",
    b"null",
    b"7",
    b'"text"',
    b"\xff\xfe\x00\x80",
    b'{"jsonrpc": "2.0", "id": 1, "method": "open", "params": {"target": "\xc3\x28:60001"}}',
    b'{"jsonrpc": "2.0", "id": 1}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "frobnicate", "params": {}}',
    b'{"jsonrpc": "2.0", "id": 1, "method": 7, "params": {}}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "open", "params": 7}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "open", "params": {}}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "open", "params": {"target": 7}}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "open", "params": {"target": "10.2.0.2:99999"}}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "open", "params": {"target": "10.2.0.2:60001", "idle": "x"}}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "show", "params": {"id": "../../etc/passwd"}}',
    b'{"jsonrpc": "2.0", "id": 1, "method": "close", "params": {"id": null}}',
    b"[" * 2000,
    b"x" * (65 * 1024),
]


def connect(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(PATIENCE)
    sock.connect(path)
    return sock


def garbage(path):
    sock = connect(path)
    lines = sock.makefile("rb")
    for bad in GARBAGE:
        sock.sendall(bad + b"\n")
        if bad:
            answer = json.loads(lines.readline())
            if "error" not in answer or not answer["error"]["message"]:
                sys.exit(f"no error for {bad[:60]!r}: {answer}")
        sock.sendall(GOOD + b"\n")
        while True:
            answer = json.loads(lines.readline())
            if answer.get("id") == 7:
                break
            if bad:
                sys.exit(f"after {bad[:60]!r}: {answer}")
        if "result" not in answer:
            sys.exit(f"no result after {bad[:60]!r}: {answer}")


def half(path):
    halves = []
    for text in (b"{", GOOD[:20], b"x" * 60000):
        sock = connect(path)
        sock.sendall(text)
        halves.append(sock)
    # Requests without end whose answers nobody reads: the daemon stops reading or hangs up.
    deaf = connect(path)
    deaf.settimeout(2)
    sent = 0
    try:
        while sent < 200_000_000:
            sent += deaf.send((GOOD + b"\n") * 100)
    except (socket.timeout, BrokenPipeError, ConnectionResetError):
        pass
    if sent >= 200_000_000:
        sys.exit("the daemon takes requests without end from one who reads no answer")
    other = connect(path)
    other.sendall(GOOD + b"\n")
    if "result" not in json.loads(other.makefile("rb").readline()):
        sys.exit("no answer for another user meanwhile")


def idle(path, count):
    socks = []
    for _ in range(int(count)):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(PATIENCE)
        try:
            sock.connect(path)
        except OSError as error:
            print(f"connection {len(socks)}: {error}", flush=True)
            break
        socks.append(sock)
    print(f"ready {len(socks)}", flush=True)
    signal.pause()


def watch(path, count):
    socks, code = [], 0
    while len(socks) < int(count) and not code:
        sock = connect(path)
        sock.sendall(b'{"jsonrpc": "2.0", "id": 1, "method": "watch"}\n')
        answer = json.loads(sock.makefile("rb").readline())
        code = answer.get("error", {}).get("code", 0)
        socks += [] if code else [sock]
    print(f"ready {len(socks)}, then {code}", flush=True)
    signal.pause()


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    {"garbage": garbage, "half": half, "idle": idle, "watch": watch}[what](*arguments)
