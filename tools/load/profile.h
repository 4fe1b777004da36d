/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * profile.h - when a simulated user sends, and how much: the timing of mosh, as its sources have
 * it.
 */
#ifndef MR_LOAD_PROFILE_H
#define MR_LOAD_PROFILE_H

#include <stdint.h>

#include "net.h"

enum mr_profile {
	MR_PROFILE_IDLE,   /* nobody types: a heartbeat every 3 s */
	MR_PROFILE_TYPING, /* a frame every 20 to 250 ms */
	MR_PROFILE_PASTE,  /* a second of full datagrams at mosh's fastest, four seconds of rest */
	MR_PROFILE_FLOOD,  /* no timing: as fast as it goes, or evenly at a rate */
};

#define MR_PROFILE_NAMES "idle, typing, paste or flood"

/** One datagram to come. */
struct mr_profile_step {
	uint64_t delay_ns; /* after the one before */
	uint16_t size;     /* octets of payload */
	uint16_t answer;
};

/** -EINVAL: no profile has that name. */
int mr_profile_parse(const char *name, enum mr_profile *ret_profile);

const char *mr_profile_name(enum mr_profile profile);

/** The session's next datagram; `*phase` is the profile's memory, 0 at first. */
struct mr_profile_step mr_profile_next(
	enum mr_profile profile, uint32_t *phase, struct mr_random *random);

/** Longest delay of the profile: sessions start spread over it. */
uint64_t mr_profile_period_ns(enum mr_profile profile);

#endif
