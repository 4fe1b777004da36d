/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.h - writes JSON text straight into a growing buffer.
 *
 * For answers that may hold tens of thousands of rows: building trees of them first would take
 * longer than reading them from the dataplane. Reading JSON is jansson's.
 */
#ifndef MR_CONTROL_JSON_H
#define MR_CONTROL_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Zero-initialized: empty. Without memory it stops writing and says so in `failed`. */
struct mr_json {
	char *text; /* not terminated */
	size_t len, size;
	bool comma; /* the next value needs one in front of it */
	bool failed;
};

/* `key` names the value inside an object; NULL inside an array, or at the top. */

/** '{' or '['. */
void mr_json_open(struct mr_json *json, const char *key, char bracket);

/** '}' or ']'. */
void mr_json_close(struct mr_json *json, char bracket);

/** A string; NULL: null. What is not UTF-8 is shown as U+FFFD. */
void mr_json_text(struct mr_json *json, const char *key, const char *value);

void mr_json_number(struct mr_json *json, const char *key, uint64_t value);
void mr_json_bool(struct mr_json *json, const char *key, bool value);

/** RFC 3339 in UTC with milliseconds; `at_ns`: CLOCK_REALTIME since 1970, 0: null. */
void mr_json_time(struct mr_json *json, const char *key, int64_t at_ns);

/** A value that jansson holds; NULL: null. */
void mr_json_value(struct mr_json *json, const char *key, const json_t *value);

/** Puts text in as it is; no comma, no quotes. */
void mr_json_raw(struct mr_json *json, const char *text, size_t len);

/** Frees the text and leaves the buffer empty. */
void mr_json_clear(struct mr_json *json);

#endif
