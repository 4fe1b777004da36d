/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quota.h - how fast each user may open sessions: a token bucket a user.
 *
 * Owns the buckets and nothing else; rates come from the rules of policy.h, the clock from the
 * caller.
 */
#ifndef MR_CONTROL_QUOTA_H
#define MR_CONTROL_QUOTA_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** Users with a bucket that isn't full, at most; one more is told to wait. */
#define MR_QUOTA_USERS 4096

/** One user's bucket, in the form of the virtual scheduling algorithm (ITU-T I.371, annex A). */
struct mr_quota_bucket {
	uid_t uid;
	uint64_t full_at_ns; /* when the bucket is full again */
};

/** Zero-initialized: nobody has opened anything. */
struct mr_quota {
	struct mr_quota_bucket *buckets;
	size_t n;
};

/**
 * Takes a token: `per_minute` (>= 1) a minute, and that many at once. `now_ns`: CLOCK_MONOTONIC.
 * \return 0; -EAGAIN, and how long until there is one; -ENOMEM. A failure takes nothing.
 */
int mr_quota_take(struct mr_quota *quota, uid_t uid, uint32_t per_minute, uint64_t now_ns,
	uint64_t *ret_wait_ns);

/** Puts a token back that wasn't needed after all. */
void mr_quota_return(struct mr_quota *quota, uid_t uid, uint32_t per_minute);

/** Frees the buckets. */
void mr_quota_clear(struct mr_quota *quota);

#endif
