/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * identity.h - who is at the other end of a socket: name and groups of a uid.
 *
 * User databases may be on the network and slow, so they are asked on a worker thread, and what
 * they said is kept for a short time. Knows nothing of rules.
 */
#ifndef MR_CONTROL_IDENTITY_H
#define MR_CONTROL_IDENTITY_H

#include <uv.h>

#include "policy.h"

/** How long an answer is believed, and how many are kept. */
#define MR_IDENTITY_TTL_NS 5000000000ull
#define MR_IDENTITY_MAX    256

struct mr_identities;

/** `error` 0, or -ENOENT (no such user), -EIO, ...; `who` is good for the length of the call. */
typedef void mr_identity_fn(void *context, int error, const struct mr_identity *who);

/** NULL: no memory. */
struct mr_identities *mr_identities_new(uv_loop_t *loop);

/**
 * Makes the threads that ask, and lets them find their libraries, by asking for root. For whoever
 * gives up rights after that. 0 or -errno.
 */
int mr_identities_prepare(struct mr_identities *identities);

/**
 * Frees. Lookups under way are answered with -ECANCELED when their threads are done; the loop must
 * run until then. NULL is allowed.
 */
void mr_identities_free(struct mr_identities *identities);

/**
 * Looks up a uid; one that has no name is an identity too: the number in decimal, and no groups.
 * Calls `fn` exactly once, from within this call when the answer is known.
 * \return 0 or -errno; then `fn` is not called.
 */
int mr_identity_by_uid(
	struct mr_identities *identities, uid_t uid, mr_identity_fn *fn, void *context);

/** As above, for a name or a number in decimal; here, who doesn't exist is -ENOENT. */
int mr_identity_by_name(
	struct mr_identities *identities, const char *name, mr_identity_fn *fn, void *context);

/** A copy, to be cleared with mr_identity_clear(). 0 or -ENOMEM. */
int mr_identity_copy(const struct mr_identity *who, struct mr_identity *ret_copy);

#endif
