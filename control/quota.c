/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quota.c - a token bucket a user.
 */
#include "quota.h"

#include <errno.h>
#include <stdlib.h>

#define MINUTE_NS 60000000000ull

/* Full buckets are the same as none. */
static void forget_full(struct mr_quota *quota, uint64_t now_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < quota->n; i++) {
		if (quota->buckets[i].full_at_ns > now_ns)
			quota->buckets[kept++] = quota->buckets[i];
	}
	quota->n = kept;
}

static int find(
	struct mr_quota *quota, uid_t uid, uint64_t now_ns, struct mr_quota_bucket **ret_bucket)
{
	for (size_t i = 0; i < quota->n; i++) {
		if (quota->buckets[i].uid == uid) {
			*ret_bucket = &quota->buckets[i];
			return 0;
		}
	}
	if (!quota->buckets) {
		quota->buckets = calloc(MR_QUOTA_USERS, sizeof(*quota->buckets));
		if (!quota->buckets)
			return -ENOMEM;
	}
	if (quota->n == MR_QUOTA_USERS)
		forget_full(quota, now_ns);
	if (quota->n == MR_QUOTA_USERS)
		return -EAGAIN;
	quota->buckets[quota->n] = (struct mr_quota_bucket){uid, now_ns};
	*ret_bucket = &quota->buckets[quota->n++];
	return 0;
}

int mr_quota_take(struct mr_quota *quota, uid_t uid, uint32_t per_minute, uint64_t now_ns,
	uint64_t *ret_wait_ns)
{
	uint64_t token_ns = MINUTE_NS / per_minute;
	uint64_t depth_ns = token_ns * per_minute;
	struct mr_quota_bucket *bucket;
	uint64_t full_at_ns;
	int r = find(quota, uid, now_ns, &bucket);

	if (r == -EAGAIN)
		*ret_wait_ns = MINUTE_NS;
	if (r)
		return r;
	full_at_ns = bucket->full_at_ns > now_ns ? bucket->full_at_ns : now_ns;
	full_at_ns += token_ns;
	if (full_at_ns - now_ns > depth_ns) {
		*ret_wait_ns = full_at_ns - now_ns - depth_ns;
		return -EAGAIN;
	}
	bucket->full_at_ns = full_at_ns;
	return 0;
}

void mr_quota_return(struct mr_quota *quota, uid_t uid, uint32_t per_minute)
{
	for (size_t i = 0; i < quota->n; i++) {
		if (quota->buckets[i].uid == uid)
			quota->buckets[i].full_at_ns -= MINUTE_NS / per_minute;
	}
}

void mr_quota_clear(struct mr_quota *quota)
{
	free(quota->buckets);
	*quota = (struct mr_quota){0};
}
