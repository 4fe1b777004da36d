// SPDX-License-Identifier: BSD-2-Clause
/*
 * profile.c - see profile.h. Sizes are payloads: mosh's 8 octets of nonce, 4 of timestamps, 10 of
 * fragment header, a compressed protobuf, up to 16 of random chaff, and 16 of tag.
 */
#include "profile.h"

#include <errno.h>
#include <string.h>

#define MS UINT64_C(1000000)

#define HEARTBEAT_MS   3000 /* mosh: ACK_INTERVAL */
#define FRAME_MIN_MS   20   /* mosh: SEND_INTERVAL_MIN */
#define FRAME_MAX_MS   250  /* mosh: SEND_INTERVAL_MAX */
#define PASTE_FRAMES   50   /* a second's worth */
#define PASTE_REST_MS  4000
#define PASTE_DATAGRAM 1200

static const char *const names[] = {"idle", "typing", "paste", "flood"};

int mr_profile_parse(const char *name, enum mr_profile *ret_profile)
{
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret_profile = (enum mr_profile)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *mr_profile_name(enum mr_profile profile)
{
	return names[profile];
}

static uint16_t between(struct mr_random *random, unsigned lo, unsigned hi)
{
	return (uint16_t)(lo + mr_random_below(random, hi - lo + 1));
}

struct mr_profile_step mr_profile_next(
	enum mr_profile profile, uint32_t *phase, struct mr_random *random)
{
	struct mr_profile_step step = {0, 100, 100};

	switch (profile) {
	case MR_PROFILE_IDLE:
		step.delay_ns = HEARTBEAT_MS * MS;
		step.size = between(random, 60, 76);
		step.answer = between(random, 60, 76);
		break;
	case MR_PROFILE_TYPING:
		step.delay_ns = between(random, FRAME_MIN_MS, FRAME_MAX_MS) * MS;
		step.size = between(random, 64, 96);
		step.answer = between(random, 80, 400);
		break;
	case MR_PROFILE_PASTE:
		step.delay_ns = FRAME_MIN_MS * MS;
		step.size = PASTE_DATAGRAM;
		step.answer = between(random, 200, 800);
		if (++*phase % PASTE_FRAMES == 0)
			step.delay_ns = PASTE_REST_MS * MS;
		break;
	case MR_PROFILE_FLOOD:
		break;
	}
	return step;
}

uint64_t mr_profile_period_ns(enum mr_profile profile)
{
	switch (profile) {
	case MR_PROFILE_IDLE:
		return HEARTBEAT_MS * MS;
	case MR_PROFILE_TYPING:
		return FRAME_MAX_MS * MS;
	case MR_PROFILE_PASTE:
		return (PASTE_REST_MS + PASTE_FRAMES * FRAME_MIN_MS) * MS;
	case MR_PROFILE_FLOOD:
		break;
	}
	return 1;
}
