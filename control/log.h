/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h - the daemon's log: one line an event to stderr, with sd-daemon level prefixes where the
 * journal reads them.
 *
 * Only main, api and the event handlers log; everything below them returns errors.
 */
#ifndef MR_CONTROL_LOG_H
#define MR_CONTROL_LOG_H

#include <stdarg.h>
#include <stdbool.h>

/** Levels, with the values of syslog(3). */
enum mr_log_level {
	MR_LOG_ERROR = 3,
	MR_LOG_WARNING = 4,
	MR_LOG_NOTICE = 5,
	MR_LOG_INFO = 6,
	MR_LOG_DEBUG = 7,
};

/** Sets what is written from now on (default: MR_LOG_INFO) and finds out who reads stderr. */
void mr_log_init(enum mr_log_level level);

/** Is a line of this level written? For callers whose text is dear to make. */
bool mr_log_wants(enum mr_log_level level);

/** Parses "error", "warning", "notice", "info" or "debug". Returns 0 or -EINVAL. */
int mr_log_parse_level(const char *name, enum mr_log_level *ret_level);

/**
 * Writes one line. Control characters in what the arguments bring along (labels, names of clients)
 * are shown as '?', so that nobody can forge a line. Safe from every thread.
 */
void mr_log(enum mr_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define mr_log_error(...)   mr_log(MR_LOG_ERROR, __VA_ARGS__)
#define mr_log_warning(...) mr_log(MR_LOG_WARNING, __VA_ARGS__)
#define mr_log_notice(...)  mr_log(MR_LOG_NOTICE, __VA_ARGS__)
#define mr_log_info(...)    mr_log(MR_LOG_INFO, __VA_ARGS__)
#define mr_log_debug(...)   mr_log(MR_LOG_DEBUG, __VA_ARGS__)

#endif
