/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * monitor.h - a process that stays root for a daemon that doesn't, and answers two questions.
 *
 * The configuration may be for root's eyes only, and is read again on SIGHUP. A capability for that
 * (CAP_DAC_READ_SEARCH) would open every file of the host to whoever takes the daemon over. So the
 * monitor opens that one file and hands its descriptor on; and it removes the empty directory of
 * pins, which lies where only root may write. Questions have no arguments: both paths are fixed
 * before the daemon has given anything up. It ends with the daemon, however that ends.
 */
#ifndef MR_CONTROL_MONITOR_H
#define MR_CONTROL_MONITOR_H

#include "backend.h"

struct mr_monitor;

/**
 * Starts it, as a child that keeps root and CAP_DAC_READ_SEARCH alone; `filtered`: and few
 * system calls. Before the first thread. 0 or -errno.
 */
int mr_monitor_start(const char *config_file, const char *pin_dir, bool filtered,
	struct mr_monitor **ret_monitor);

/** The configuration, opened for reading. -errno: of open(2), or -EPIPE: the monitor is gone. */
int mr_monitor_open_config(struct mr_monitor *monitor);

/** Removes the directory of pins, if it is empty. 0 or -errno. */
int mr_monitor_remove_pin_dir(struct mr_monitor *monitor);

/** Ends it. NULL is allowed. */
void mr_monitor_stop(struct mr_monitor *monitor);

#endif
