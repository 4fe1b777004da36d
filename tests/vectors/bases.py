# SPDX-License-Identifier: BSD-2-Clause
"""The sessions that rows start from; a file of rows may add its own."""
from model import Session

BASES = {
    "new4": Session(4), "new6": Session(6),
    "c4t4": Session.attached(4, 4), "c6t4": Session.attached(6, 4),
    "c4t6": Session.attached(4, 6), "c6t6": Session.attached(6, 6),
}
