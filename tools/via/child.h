/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * child.h - the programs that are run, ssh most of all, and the signals that end all of it.
 *
 * Every wait of the program is in here, so that a signal is seen wherever it comes and the caller
 * can clean up. Portable POSIX; one child is waited for at a time.
 */
#ifndef MR_VIA_CHILD_H
#define MR_VIA_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/** Which of the child's descriptors are not ours. */
enum {
	MR_CHILD_NO_INPUT = 1,  /* standard input is /dev/null */
	MR_CHILD_NO_OUTPUT = 2, /* standard output and standard error are /dev/null */
	MR_CHILD_CAPTURE = 4,   /* standard output is a pipe to us */
	MR_CHILD_ERRORS = 8,    /* standard error is another */
	MR_CHILD_DEAF = 16,     /* signals that we note don't end it: it cleans up after one */
};

struct mr_child {
	pid_t pid;
	bool deaf;
	int out, err; /* with MR_CHILD_CAPTURE and _ERRORS: the readers' ends, non-blocking; else -1
		       */
};

/** Something else to read while a child is waited for. */
struct mr_child_reader {
	int fd; /* non-blocking; -1: nothing */
	void (*take)(void *context, const char *data, size_t size);
	void *context;
};

/**
 * From now on SIGHUP, SIGINT and SIGTERM are noted instead of ending the program, SIGPIPE is
 * ignored, and children can be waited for. Call it once, first.
 */
int mr_child_init(void);

/** The first signal that was noted, or 0. */
int mr_child_signal(void);

/**
 * For a forked process that is to outlive its parent and the terminal: a session of its own, deaf
 * to those signals, standard streams on /dev/null, and waits that aren't shared with the parent.
 */
int mr_child_detach(void);

/**
 * Runs `argv` with the environment `environment` (NULL: ours), signals as at our own start.
 * -ENOENT and others: it can't be run; nothing is left behind then.
 */
int mr_child_start(char *const *argv, char *const *environment, int flags, struct mr_child *ret);

/**
 * Waits until the child has ended. What it writes goes to `output` and `errors` (their fds are
 * ignored; NULL: dropped), what can be read meanwhile elsewhere to `other` (or NULL).
 *
 * `*ret_status` is the exit status, 128 + N if signal N killed it. A noted signal is passed on to
 * the child, unless it is deaf; once that has ended: -EINTR, with the status. With `timeout_ms` of
 * 0 or more the child is killed when the time is up: -ETIMEDOUT.
 */
int mr_child_wait(struct mr_child *child, const struct mr_child_reader *output,
	const struct mr_child_reader *errors, const struct mr_child_reader *other, int timeout_ms,
	int *ret_status);

/** Starts the child, waits for it, and drops its output. As mr_child_wait(). */
int mr_child_run(char *const *argv, int flags, int timeout_ms, int *ret_status);

/** Reads what is there at once and hands it to `reader`; 0 at the end of the file, else 1. */
int mr_child_read(const struct mr_child_reader *reader);

#endif
