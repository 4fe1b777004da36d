/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.c - writes JSON text straight into a growing buffer.
 */
#include "json.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S  1000000000
#define NS_PER_MS 1000000

/* Room for `more` octets behind the text. */
static bool reserve(struct mr_json *json, size_t more)
{
	size_t size = json->size ? json->size : 512;
	char *text;

	if (json->failed)
		return false;
	if (json->size - json->len >= more)
		return true;
	while (size - json->len < more)
		size *= 2;
	text = realloc(json->text, size);
	if (!text) {
		json->failed = true;
		return false;
	}
	json->text = text;
	json->size = size;
	return true;
}

void mr_json_raw(struct mr_json *json, const char *text, size_t len)
{
	if (!reserve(json, len))
		return;
	memcpy(json->text + json->len, text, len);
	json->len += len;
}

static void put(struct mr_json *json, char c)
{
	if (json->len == json->size && !reserve(json, 1))
		return;
	json->text[json->len++] = c;
}

/* Length of the UTF-8 sequence at `s` (RFC 3629), 0: it is none. */
static size_t utf8_length(const unsigned char *s)
{
	unsigned lo = 0x80, hi = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	len = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xe0)
		lo = 0xa0; /* overlong */
	else if (s[0] == 0xed)
		hi = 0x9f; /* surrogates */
	else if (s[0] == 0xf0)
		lo = 0x90; /* overlong */
	else if (s[0] == 0xf4)
		hi = 0x8f; /* beyond U+10FFFF */
	if (s[1] < lo || s[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

static void put_escaped(struct mr_json *json, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	if (c == '"' || c == '\\') {
		put(json, '\\');
		put(json, (char)c);
	} else {
		mr_json_raw(json, text, sizeof(text));
	}
}

static void put_string(struct mr_json *json, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	put(json, '"');
	while (*s) {
		size_t plain = 0, len = 1;

		while ((len = utf8_length(s + plain)) && s[plain] >= ' ' && s[plain] != '"' &&
			s[plain] != '\\' && s[plain] != 0x7f)
			plain += len;
		mr_json_raw(json, (const char *)s, plain);
		s += plain;
		if (!*s)
			break;
		if (!len)
			mr_json_raw(json, "\xef\xbf\xbd", 3);
		else
			put_escaped(json, *s);
		s++;
	}
	put(json, '"');
}

/* What stands in front of each value. */
static void begin(struct mr_json *json, const char *key)
{
	size_t len = key ? strlen(key) : 0;
	char *at;

	if (!reserve(json, len + 4))
		return;
	at = json->text + json->len;
	if (json->comma)
		*at++ = ',';
	json->comma = true;
	if (key) {
		*at++ = '"';
		memcpy(at, key, len);
		at += len;
		*at++ = '"';
		*at++ = ':';
	}
	json->len = (size_t)(at - json->text);
}

void mr_json_open(struct mr_json *json, const char *key, char bracket)
{
	begin(json, key);
	put(json, bracket);
	json->comma = false;
}

void mr_json_close(struct mr_json *json, char bracket)
{
	put(json, bracket);
	json->comma = true;
}

void mr_json_text(struct mr_json *json, const char *key, const char *value)
{
	begin(json, key);
	if (value)
		put_string(json, value);
	else
		mr_json_raw(json, "null", 4);
}

static void put_number(struct mr_json *json, uint64_t value)
{
	char text[20];
	size_t at = sizeof(text);

	do
		text[--at] = (char)('0' + value % 10);
	while (value /= 10);
	mr_json_raw(json, text + at, sizeof(text) - at);
}

void mr_json_number(struct mr_json *json, const char *key, uint64_t value)
{
	begin(json, key);
	put_number(json, value);
}

void mr_json_bool(struct mr_json *json, const char *key, bool value)
{
	begin(json, key);
	mr_json_raw(json, value ? "true" : "false", value ? 4 : 5);
}

/* `digits` decimal digits of `value`, zeros in front. */
static void digits_at(char *where, unsigned digits, unsigned value)
{
	while (digits--) {
		where[digits] = (char)('0' + value % 10);
		value /= 10;
	}
}

void mr_json_time(struct mr_json *json, const char *key, int64_t at_ns)
{
	char text[] = "\"0000-00-00T00:00:00.000Z\"";
	time_t seconds = at_ns / NS_PER_S;
	struct tm tm;

	begin(json, key);
	if (at_ns <= 0 || !gmtime_r(&seconds, &tm) || tm.tm_year > 9999 - 1900) {
		mr_json_raw(json, "null", 4);
		return;
	}
	digits_at(text + 1, 4, (unsigned)tm.tm_year + 1900);
	digits_at(text + 6, 2, (unsigned)tm.tm_mon + 1);
	digits_at(text + 9, 2, (unsigned)tm.tm_mday);
	digits_at(text + 12, 2, (unsigned)tm.tm_hour);
	digits_at(text + 15, 2, (unsigned)tm.tm_min);
	digits_at(text + 18, 2, (unsigned)tm.tm_sec);
	digits_at(text + 21, 3, (unsigned)(at_ns % NS_PER_S / NS_PER_MS));
	mr_json_raw(json, text, sizeof(text) - 1);
}

static int dump_to(const char *text, size_t len, void *context)
{
	struct mr_json *json = context;

	mr_json_raw(json, text, len);
	return json->failed ? -1 : 0;
}

void mr_json_value(struct mr_json *json, const char *key, const json_t *value)
{
	begin(json, key);
	if (!value)
		mr_json_raw(json, "null", 4);
	else if (json_dump_callback(value, dump_to, json, JSON_COMPACT | JSON_ENCODE_ANY))
		json->failed = true;
}

void mr_json_clear(struct mr_json *json)
{
	free(json->text);
	*json = (struct mr_json){0};
}
