// SPDX-License-Identifier: BSD-2-Clause
/*
 * format.c - see format.h.
 */
#include "format.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"

const char *mr_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

json_int_t mr_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

void mr_format_endpoint(char *buf, size_t size, const json_t *endpoint)
{
	mr_cli_format_endpoint(
		buf, size, mr_text(endpoint, "address"), (unsigned)mr_number(endpoint, "port"));
}

void mr_format_addresses(char *buf, size_t size, const json_t *addresses)
{
	const json_t *address;
	size_t i, used = 0;

	buf[0] = '\0';
	json_array_foreach (addresses, i, address) {
		int n = snprintf(buf + used, size - used, "%s%s", i ? " " : "",
			json_is_string(address) ? json_string_value(address) : "-");

		if (n < 0 || (size_t)n >= size - used)
			return;
		used += (size_t)n;
	}
}

void mr_format_public(char *buf, size_t size, const json_t *public, const char *separator)
{
	size_t used;

	mr_format_addresses(buf, size, json_object_get(public, "addresses"));
	used = strlen(buf);
	snprintf(buf + used, size - used, "%s%u", separator, (unsigned)mr_number(public, "port"));
}

int64_t mr_parse_time(const char *text)
{
	struct tm tm = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	int fraction = 0;

	if (!end)
		return -1;
	if (*end == '.') {
		int digit = 100;

		for (end++; *end >= '0' && *end <= '9'; end++, digit /= 10)
			fraction += (*end - '0') * digit;
	}
	if (strcmp(end, "Z") && strcmp(end, "+00:00"))
		return -1;
	return (int64_t)timegm(&tm) * 1000 + fraction;
}

int64_t mr_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void mr_format_age(char *buf, size_t size, const char *text, int64_t now_ms)
{
	int64_t then_ms = text ? mr_parse_time(text) : -1;

	if (then_ms < 0)
		snprintf(buf, size, "-");
	else
		mr_format_ago(buf, size, then_ms, now_ms);
}

void mr_format_ago(char *buf, size_t size, int64_t then_ms, int64_t now_ms)
{
	int64_t seconds = then_ms < now_ms ? (now_ms - then_ms) / 1000 : 0;
	if (seconds < 120)
		snprintf(buf, size, "%d s", (int)seconds);
	else if (seconds < 7200)
		snprintf(buf, size, "%d min", (int)(seconds / 60));
	else if (seconds < 172800)
		snprintf(buf, size, "%d h", (int)(seconds / 3600));
	else
		snprintf(buf, size, "%lld d", (long long)(seconds / 86400));
}

void mr_format_duration(char *buf, size_t size, int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *unit;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	size_t used = 0;

	snprintf(buf, size, "0 s");
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		int64_t count = seconds / units[i].seconds;
		int n;

		if (count <= 0)
			continue;
		n = snprintf(buf + used, size - used, "%s%lld %s", used ? " " : "",
			(long long)count, units[i].unit);
		if (n < 0 || (size_t)n >= size - used)
			return;
		used += (size_t)n;
		seconds %= units[i].seconds;
	}
}
