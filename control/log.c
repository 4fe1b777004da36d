/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.c - writes the daemon's log to stderr.
 *
 * Owns the line's form; what is worth a line is the caller's decision.
 */
#include "log.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_SIZE 1024

static enum mr_log_level max_level = MR_LOG_INFO;
static bool with_prefix;

/* systemd names the journal's stream as "device:inode" when stderr is that stream. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
		return false;
	return !fstat(STDERR_FILENO, &st) && st.st_dev == device && st.st_ino == inode;
}

void mr_log_init(enum mr_log_level level)
{
	max_level = level;
	with_prefix = stderr_is_journal();
}

bool mr_log_wants(enum mr_log_level level)
{
	return level <= max_level;
}

int mr_log_parse_level(const char *name, enum mr_log_level *ret_level)
{
	static const char *const names[] = {
		[MR_LOG_ERROR] = "error",
		[MR_LOG_WARNING] = "warning",
		[MR_LOG_NOTICE] = "notice",
		[MR_LOG_INFO] = "info",
		[MR_LOG_DEBUG] = "debug",
	};

	for (size_t i = MR_LOG_ERROR; i <= MR_LOG_DEBUG; i++) {
		if (!strcmp(name, names[i])) {
			*ret_level = (enum mr_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void mr_log(enum mr_log_level level, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;
	int head, body;
	size_t len;

	if (level > max_level)
		return;
	head = with_prefix ? snprintf(line, sizeof(line), "<%d>", (int)level)
			   : snprintf(line, sizeof(line), "moshrelayd: ");
	va_start(args, format);
	body = vsnprintf(line + head, sizeof(line) - (size_t)head - 1, format, args);
	va_end(args);
	if (body < 0)
		return;
	len = strlen(line);
	for (size_t i = (size_t)head; i < len; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[len++] = '\n';
	/* One write a line, so that lines of threads don't mix; nobody is left to tell if it fails.
	 */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}
