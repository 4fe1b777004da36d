// SPDX-License-Identifier: BSD-2-Clause
/*
 * cli.c - see cli.h. Portable POSIX.
 */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#define MESSAGE_SIZE 1024

static const char *program = "moshrelay";

void mr_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void mr_free_text(char **text)
{
	free(*text);
	*text = NULL;
}

void mr_cli_init(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;

	if (slash)
		program = slash + 1;
	else if (argv0)
		program = argv0;
}

const char *mr_cli_program(void)
{
	return program;
}

static void error_line(const char *fmt, va_list args, const char *tail)
{
	char message[MESSAGE_SIZE], printable[MESSAGE_SIZE];

	vsnprintf(message, sizeof(message), fmt, args);
	mr_cli_printable(printable, sizeof(printable), message);
	fflush(stdout); /* in the order in which things happened */
	fprintf(stderr, "%s: %s%s\n", program, printable, tail);
}

void mr_cli_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	error_line(fmt, args, "");
	va_end(args);
}

enum mr_exit mr_cli_usage(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	error_line(fmt, args, " (--help shows the usage)");
	va_end(args);
	return MR_EXIT_USAGE;
}

enum mr_exit mr_cli_fail(enum mr_exit status, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	error_line(fmt, args, "");
	va_end(args);
	return status;
}

enum mr_exit mr_cli_finish(enum mr_exit status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno != EPIPE) /* a reader such as head(1) has simply seen enough */
		mr_cli_error("cannot write to standard output: %s", strerror(errno));
	return status == MR_EXIT_DONE ? MR_EXIT_FAILED : status;
}

int64_t mr_cli_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int mr_cli_number(const char *text, uint64_t lo, uint64_t hi, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (!*text)
		return -EINVAL;
	for (const char *c = text; *c; c++) {
		unsigned digit = (unsigned)*c - '0';

		if (digit > 9)
			return -EINVAL;
		/* once too large, it stays too large: what follows must only be digits */
		if (value > (UINT64_MAX - digit) / 10)
			value = UINT64_MAX;
		else
			value = value * 10 + digit;
	}
	if (value < lo || value > hi)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int mr_cli_host_port(const char *text, struct mr_host_port *ret_value, const char **ret_why)
{
	struct mr_host_port value = {0};
	const char *host = text, *colon = strrchr(text, ':');
	uint64_t port;
	size_t length;

	*ret_why = "it must be HOST:PORT, or [ADDRESS]:PORT for IPv6";
	if (text[0] == '[') {
		const char *end = strchr(text, ']');

		if (!end || end[1] != ':')
			return -EINVAL;
		host = text + 1;
		length = (size_t)(end - host);
		colon = end + 1;
		value.bracketed = true;
	} else {
		if (!colon)
			return -EINVAL;
		length = (size_t)(colon - text);
		if (memchr(host, ':', length)) {
			*ret_why = "an IPv6 address needs brackets: [ADDRESS]:PORT";
			return -EINVAL;
		}
	}
	if (length == 0) {
		*ret_why = "the host is missing: HOST:PORT";
		return -EINVAL;
	}
	if (length >= sizeof(value.host)) {
		*ret_why = "no host name is that long";
		return -EINVAL;
	}
	if (mr_cli_number(colon + 1, 1, 65535, &port) < 0) {
		*ret_why = "the port must be a number from 1 to 65535";
		return -EINVAL;
	}
	memcpy(value.host, host, length);
	value.port = (uint16_t)port;
	*ret_value = value;
	return 0;
}

void mr_cli_format_endpoint(char *buf, size_t size, const char *host, unsigned port)
{
	snprintf(buf, size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}

/**
 * Length of the UTF-8 character at `s` (a string's, so that the final NUL bounds it), with its code
 * point; 0: it is none. Shortest forms only, no surrogates (RFC 3629, 4).
 */
static size_t utf8_character(const unsigned char *s, uint32_t *ret_code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t code;

	if (length == 0 || s[0] > 0xf4)
		return 0;
	code = length == 1 ? s[0] : s[0] & (0xffu >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	*ret_code = code;
	return length;
}

/** Controls, and what turns the direction of writing or breaks lines (a label could fake a row). */
static bool unprintable(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
		(code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
		code == 0xfeff;
}

size_t mr_cli_printable(char *buf, size_t size, const char *text)
{
	const unsigned char *in = (const unsigned char *)text;
	size_t used = 0, columns = 0;

	while (*in && size > 0) {
		uint32_t code = 0;
		size_t length = utf8_character(in, &code);
		int width = 1;

		if (length == 0 || unprintable(code)) {
			if (used + 2 > size)
				break;
			buf[used++] = '?';
			in += length ? length : 1;
		} else {
			if (used + length + 1 > size)
				break;
			memcpy(buf + used, in, length);
			used += length;
			in += length;
			/* most are ASCII, and many are asked about */
			width = length == 1 ? 1 : wcwidth((wchar_t)code);
		}
		columns += width < 0 ? 1 : (size_t)width;
	}
	if (size > 0)
		buf[used] = '\0';
	return columns;
}
