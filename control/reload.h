/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reload.h - the configuration read anew while the daemon runs: what changes at once, and what has
 * to wait for the next start.
 */
#ifndef MR_CONTROL_RELOAD_H
#define MR_CONTROL_RELOAD_H

#include "monitor.h"
#include "pools.h"

/** What a reload works on. */
struct mr_reload {
	const struct mr_options *options;
	struct mr_config *config; /* in use; changed */
	struct mr_pool_list *pools;
	struct mr_sessions *sessions;
	const struct mr_netlink *netlink;
	struct mr_monitor *monitor; /* opens the file; NULL: this process may */
};

/** What came of it. */
struct mr_reload_report {
	bool pools_changed;
	int pools_error;     /* they stay as they were, */
	struct mr_why why;   /* because */
	struct mr_why later; /* names of settings that hold from the next start; "" */
	struct mr_why limit; /* what the new ports need of the host and don't have; "" */
};

/**
 * Policy, administrators and log level are taken over, and pools with their addresses and ports if
 * that can be done without a restart.
 * \return 0, or an error of mr_config_load(): then nothing has changed, and `ret_why` says why.
 */
int mr_reload(const struct mr_reload *reload, struct mr_reload_report *ret_report,
	struct mr_why *ret_why);

#endif
