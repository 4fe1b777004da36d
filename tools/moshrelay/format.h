/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * format.h - pieces of the daemon's JSON as text for people.
 *
 * Everything here takes what is missing or of another type as unknown ("-"), so that an older
 * command line shows what it can of a newer daemon's answers. Nothing is escaped: tables do that.
 */
#ifndef MR_MOSHRELAY_FORMAT_H
#define MR_MOSHRELAY_FORMAT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/** The text of `object`.`key`, "-" where it is none. */
const char *mr_text(const json_t *object, const char *key);

/** The number `object`.`key`, 0 where it is none. */
json_int_t mr_number(const json_t *object, const char *key);

/** "ADDRESS:PORT" from {"address", "port"}. */
void mr_format_endpoint(char *buf, size_t size, const json_t *endpoint);

/** "203.0.113.7 2001:db8::7" from an array. */
void mr_format_addresses(char *buf, size_t size, const json_t *addresses);

/** "203.0.113.7 2001:db8::7 port 60005" from a session's "public"; `separator` before the port. */
void mr_format_public(char *buf, size_t size, const json_t *public, const char *separator);

/** RFC 3339 time to milliseconds since 1970; -1 if it can't be read. */
int64_t mr_parse_time(const char *text);

/** How long before `now_ms` an RFC 3339 time was: "3 s", "5 min", "2 h", "9 d"; "-" for NULL. */
void mr_format_age(char *buf, size_t size, const char *text, int64_t now_ms);

/** As mr_format_age() of a time in milliseconds. */
void mr_format_ago(char *buf, size_t size, int64_t then_ms, int64_t now_ms);

/** 86400 s as "1 d", 5400 s as "1 h 30 min", 45 s as "45 s". */
void mr_format_duration(char *buf, size_t size, int64_t seconds);

/** Milliseconds since 1970. */
int64_t mr_now_ms(void);

#endif
