#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A setup socket that does what it is told, with a plain UDP relay behind it.

For what mosh-via does with answers that a real daemon gives rarely, and without its privileges.
Writes one line for each request: METHOD UID PARAMS.
"""

import argparse
import json
import os
import selectors
import socket
import struct


def endpoint(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


def udp(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return sock


class Relay:
    def __init__(self, args):
        self.args = args
        self.poll = selectors.DefaultSelector()
        self.sessions = {}
        self.next_id = 1
        self.listener = socket.socket(socket.AF_UNIX)
        os.makedirs(os.path.dirname(args.socket), exist_ok=True)
        self.listener.bind(args.socket)
        os.chmod(args.socket, 0o666)
        self.listener.listen()
        self.poll.register(self.listener, selectors.EVENT_READ, self.accept)

    def run(self):
        while True:
            for key, _ in self.poll.select():
                key.data(key.fileobj)

    def accept(self, listener):
        conn, _ = listener.accept()
        cred = conn.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        uid = struct.unpack("iII", cred)[1]
        buffer = b""

        def readable(conn):
            nonlocal buffer
            data = conn.recv(65536)
            if not data:
                self.poll.unregister(conn)
                conn.close()
                return
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                answer = self.answer(json.loads(line), uid)
                conn.sendall(json.dumps(answer).encode() + b"\n")

        self.poll.register(conn, selectors.EVENT_READ, readable)

    def answer(self, request, uid):
        method, params = request["method"], request.get("params")
        print(method, uid, json.dumps(params), flush=True)
        answer = {"jsonrpc": "2.0", "id": request["id"]}
        if self.args.refuse.get(method):
            code, message = self.args.refuse[method]
            answer["error"] = {"code": -32000 - int(code), "message": message}
        elif method == "open":
            answer["result"] = self.open(params)
        elif method == "close":
            answer["result"] = self.close(params["id"])
        else:
            answer["result"] = {"dataplane": "fake"}
        return answer

    def open(self, params):
        for session in self.sessions.values():
            if session["key"] == (params["target"], params.get("label")):
                return session["json"]
        number = f"{self.next_id:016x}"
        port = 60100 + self.next_id
        self.next_id += 1
        target = endpoint(params["target"])
        session = {"key": (params["target"], params.get("label")), "legs": {}, "sockets": []}
        session["json"] = {
            "id": number,
            "state": "waiting",
            "public": {"addresses": self.args.advertise or self.args.listen, "port": port},
        }
        for address in self.args.listen:
            public = udp(address)
            public.bind((address, port))
            session["sockets"].append(public)
            self.poll.register(public, selectors.EVENT_READ, self.client_leg(session, target))
        self.sessions[number] = session
        return session["json"]

    def client_leg(self, session, target):
        def readable(public):
            data, client = public.recvfrom(65536)
            session["json"]["state"] = "active"
            leg = session["legs"].get(client)
            if not leg:
                leg = session["legs"][client] = udp(target[0])
                leg.connect(target)
                session["sockets"].append(leg)
                self.poll.register(
                    leg, selectors.EVENT_READ, lambda s: self.back(s, public, client)
                )
            try:
                leg.send(data)
            except OSError:
                pass

        return readable

    @staticmethod
    def back(leg, public, client):
        try:
            public.sendto(leg.recv(65536), client)
        except OSError:
            pass

    def close(self, number):
        session = self.sessions.pop(number)
        for sock in session["sockets"]:
            self.poll.unregister(sock)
            sock.close()
        return {"id": number}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", default="/run/moshrelay/setup.sock")
    parser.add_argument("--listen", action="append", required=True, help="public address")
    parser.add_argument("--advertise", action="append", help="what to say instead")
    parser.add_argument("--refuse", action="append", nargs=3, default=[],
                        metavar=("METHOD", "STATUS", "MESSAGE"))
    args = parser.parse_args()
    args.refuse = {method: rest for method, *rest in args.refuse}
    Relay(args).run()


main()
