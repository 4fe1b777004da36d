#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Datagrams of mosh's shape, for the cases that need no terminal.

  mosh_shape.py answer ADDRESS PORT NAME     a target: answers each datagram with NAME and its text
  mosh_shape.py ask ADDRESS PORT TEXT [SECONDS [OCTETS]]
                                             a client: sends TEXT until an answer comes, prints that;
                                             both are so long at least
  mosh_shape.py strangers ADDRESS PORT COUNT that many clients that get no answer, until killed

The first 8 octets are mosh's nonce: the direction in the top bit, then a sequence number. Nothing is
encrypted, and nothing is checked: whom the datagram belongs to is what the cases are about.
"""
import os
import socket
import struct
import sys
import time

TO_CLIENT = 1 << 63
PATIENCE = 5 * int(os.environ.get("PATIENCE", "1"))  # seconds until an answer is given up


def udp(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.socket(family, socket.SOCK_DGRAM)


def payload(nonce, text, octets=48):
    return (struct.pack("!Q", nonce) + text.encode()).ljust(octets, b"\0")


def text_of(datagram):
    return datagram[8:].rstrip(b"\0").decode()


def answer(address, port, name):
    with udp(address) as sock:
        sock.bind((address, int(port)))
        print("ready", flush=True)
        sequence = 0
        while True:
            datagram, client = sock.recvfrom(2048)
            if len(datagram) < 24:
                continue
            text = f"{name} {text_of(datagram)}"
            sock.sendto(payload(TO_CLIENT | sequence, text, len(datagram)), client)
            sequence += 1


def ask(address, port, text, seconds=PATIENCE, octets=48):
    end = time.monotonic() + float(seconds)
    with udp(address) as sock:
        sock.settimeout(0.25)
        sock.connect((address, int(port)))
        # Ahead of what an earlier client of the same session sent, as a real one's would be.
        sequence = int(time.time() * 10) % (1 << 32)
        while time.monotonic() < end:
            try:
                sock.send(payload(sequence, text, int(octets)))
                sequence += 1
                print(text_of(sock.recv(2048)))
                return 0
            except (socket.timeout, ConnectionRefusedError):
                pass
    return 1


def strangers(address, port, count):
    socks = []
    for _ in range(int(count)):
        sock = udp(address)
        sock.connect((address, int(port)))
        socks.append(sock)
    sequence = 0
    while True:
        for sock in socks:
            sock.send(payload(sequence, "stranger"))
        sequence += 1
        if sequence == 2:
            print("ready", flush=True)
        time.sleep(0.1)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    sys.exit({"answer": answer, "ask": ask, "strangers": strangers}[what](*arguments))
