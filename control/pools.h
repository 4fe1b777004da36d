/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pools.h - the configuration's pools in the form that the session manager takes, with the texts
 * that clients dial.
 */
#ifndef MR_CONTROL_POOLS_H
#define MR_CONTROL_POOLS_H

#include "config.h"
#include "sessions.h"

/** Points into the configuration that it was made from, which must outlive it. */
struct mr_pool_list {
	struct mr_session_pool *pools;
	size_t n;
	char **dialled; /* texts of addresses */
	size_t n_dialled;
};

/** Addresses are filled in. 0 or -ENOMEM, then the list is empty. */
int mr_pool_list_make(const struct mr_config *config, struct mr_pool_list *ret_list);

/** Leaves the list empty. */
void mr_pool_list_clear(struct mr_pool_list *list);

#endif
