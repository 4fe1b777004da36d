/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli.h - what every program of the project does alike: exit statuses, errors, arguments.
 *
 * Owns the exit statuses of all programs, the form of an error and the reading of numbers and
 * endpoints. Options themselves are declared with getopt_long() where they belong.
 */
#ifndef MR_TOOLS_CLI_H
#define MR_TOOLS_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Exit statuses, the same in every program; the daemon's error codes are -32000 - status. */
enum mr_exit {
	MR_EXIT_DONE = 0,
	MR_EXIT_FAILED = 1,
	MR_EXIT_USAGE = 2,
	MR_EXIT_DENIED = 3,
	MR_EXIT_NO_SESSION = 4,
	MR_EXIT_UNREACHABLE = 5, /* no daemon */
	MR_EXIT_LIMIT = 6,
};

#define MR_DEFAULT_SOCKET "/run/moshrelay/setup.sock"

/** Longest host name with its final NUL (RFC 1035 says 253 visible octets). */
#define MR_HOST_SIZE 256

/** HOST:PORT as the user wrote it. */
struct mr_host_port {
	char host[MR_HOST_SIZE]; /* without brackets; not looked up */
	uint16_t port;           /* host byte order, never 0 */
	bool bracketed;          /* [host]: can only be an IPv6 address */
};

#define mr_cleanup(fn)            __attribute__((cleanup(fn)))
#define mr_printf(fmt_arg, first) __attribute__((format(printf, fmt_arg, first)))

/** Cleanup for `mr_cleanup(mr_close_fd) int fd = -1;` */
void mr_close_fd(int *fd);

/** Cleanup for `mr_cleanup(mr_free_text) char *text = NULL;` */
void mr_free_text(char **text);

/** Sets the name that errors start with: the last part of `argv0`, or `argv0` if it has no slash.
 */
void mr_cli_init(const char *argv0);

/** The name set by mr_cli_init(). */
const char *mr_cli_program(void);

/** Writes `program: text` and a newline to stderr; control characters in `text` become '?'. */
void mr_cli_error(const char *fmt, ...) mr_printf(1, 2);

/** As mr_cli_error(), names --help, and returns MR_EXIT_USAGE. */
enum mr_exit mr_cli_usage(const char *fmt, ...) mr_printf(1, 2);

/** As mr_cli_error(), and returns `status`. */
enum mr_exit mr_cli_fail(enum mr_exit status, const char *fmt, ...) mr_printf(2, 3);

/**
 * Flushes stdout and returns `status`, or says what is wrong with stdout and returns
 * MR_EXIT_FAILED: "disk full" must not look like success.
 */
enum mr_exit mr_cli_finish(enum mr_exit status);

/** CLOCK_MONOTONIC in milliseconds: for deadlines. */
int64_t mr_cli_clock_ms(void);

/** Reads a decimal number of digits alone. -EINVAL: not one; -ERANGE: outside `lo`..`hi`. */
int mr_cli_number(const char *text, uint64_t lo, uint64_t hi, uint64_t *ret_value);

/**
 * Reads HOST:PORT or [V6]:PORT. The port is a number, 1 to 65535.
 * -EINVAL with one sentence in `*ret_why` (static storage) that says what is wrong.
 */
int mr_cli_host_port(const char *text, struct mr_host_port *ret_value, const char **ret_why);

/** "host:port", or "[host]:port" where `host` contains a colon. `size` of MR_HOST_SIZE + 8 fits. */
void mr_cli_format_endpoint(char *buf, size_t size, const char *host, unsigned port);

/**
 * Copies `text` for a terminal: control characters (C0, DEL, C1) and bytes that are not UTF-8
 * become '?'. Always ends in NUL, never in half a character. Returns the columns it takes, as far
 * as wcwidth() knows them (one a character in a locale that isn't UTF-8).
 */
size_t mr_cli_printable(char *buf, size_t size, const char *text);

#endif
