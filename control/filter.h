/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * filter.h - which system calls the daemon may make once it is set up (seccomp).
 *
 * A list of what is allowed, for all threads; what is not on it fails with EPERM and is logged by
 * the kernel. It fails rather than kills: libraries of the host's user database run in this
 * process, differ from host to host, and try what they can do without.
 */
#ifndef MR_CONTROL_FILTER_H
#define MR_CONTROL_FILTER_H

#include "backend.h"

/** Whose list it is. */
enum mr_filter {
	MR_FILTER_XDP,
	MR_FILTER_DPDK,    /* its drivers come along, and theirs */
	MR_FILTER_MONITOR, /* monitor.h */
};

/**
 * Puts the filter on every thread of the process, for good. Takes no_new_privs or CAP_SYS_ADMIN.
 * -errno, in words: nothing is filtered.
 */
int mr_filter_install(enum mr_filter filter, struct mr_why *ret_why);

#endif
