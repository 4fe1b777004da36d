/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * proc.h - runs other programs, inside network namespaces and on chosen cores, and reads what
 * processor time they took.
 */
#ifndef MR_LOAD_PROC_H
#define MR_LOAD_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cli.h"

/** What the last failed program wrote to stderr, first line. */
#define MR_PROC_WHY_SIZE 256

struct mr_proc_why {
	char text[MR_PROC_WHY_SIZE];
};

/**
 * Runs a command line, given as printf() would, split at blanks (no quoting), and waits for it.
 * `input` (may be NULL) becomes its stdin. 0, -errno, or -EPROTO: it ended with another status.
 */
int mr_proc_run(const char *input, struct mr_proc_why *ret_why, const char *fmt, ...)
	mr_printf(3, 4);

/**
 * Goes on in a child with a session of its own; the parent passes SIGINT and SIGTERM on and ends as
 * the child does. Where the kernel gives each session an equal share (autogroup), priorities count
 * only inside one: the new session gets a high priority as well. 0 in the child, or -errno.
 */
int mr_proc_own_session(void);

/** Sets the share of this process's session where each session has one: 19 the least, -19 much. */
void mr_proc_share_session(int nice);

/** How a program is started that runs until it is stopped. */
struct mr_proc_options {
	int netns_fd;    /* its network namespace, -1: ours */
	int cpu;         /* its only core, with preference there; -1: any */
	const char *log; /* file for stdout and stderr, NULL: nowhere */
	const char *out; /* file for stdout instead, NULL: as `log` */
	const char *cwd; /* NULL: ours */
};

/** Starts it in a process group of its own; it dies with us. */
int mr_proc_start(const struct mr_proc_options *options, char *const argv[], pid_t *ret_pid);

/** Ends the process group with SIGTERM, after two seconds with SIGKILL, and waits. 0: fine. */
void mr_proc_stop(pid_t *pid);

/** Is a program of that name in PATH or in the system's directories? */
bool mr_proc_have(const char *program);

/** Enters the namespace, in this thread. 0 or -errno. */
int mr_netns_enter(int fd);

/** Allows this thread, or thread `tid`, to run on `cpu` alone. */
int mr_proc_pin(pid_t tid, int cpu);

/** Puts thread `tid` (0: this one) before all that runs with common priority, still sharing. */
void mr_proc_prefer(pid_t tid);

/** Realtime priorities: each comes before those above it here. */
enum mr_proc_rank {
	MR_PROC_COMMON,   /* none */
	MR_PROC_WORKS,    /* what is measured */
	MR_PROC_MEASURES, /* mostly asleep, but punctual */
};

/** Lets nothing of a lower rank interrupt thread `tid` (0: this one). */
void mr_proc_realtime(pid_t tid, enum mr_proc_rank rank);

/** Processor time of every thread of process `pid`, in nanoseconds; 0: it is gone. */
uint64_t mr_proc_cpu_ns(pid_t pid);

/**
 * Finds kernel threads and programs whose name begins with `prefix`. Returns how many were stored
 * in `pids`, at most `max`.
 */
unsigned mr_proc_find(const char *prefix, pid_t *pids, unsigned max);

/** Processes of the group `group` that are alive now, at most `max`; returns how many. */
unsigned mr_proc_group(pid_t group, pid_t *pids, unsigned max);

#endif
