/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fields.h - the fields of a session record by name: setting, and comparing two records.
 */
#ifndef MR_TESTS_FIELDS_H
#define MR_TESTS_FIELDS_H

#include "vectors.h"

/** Sets the field `path` ("legs.3.port") from text. -ENOENT: no such field; -EINVAL: the value. */
int mr_field_set(struct mr_session *session, const char *path, const char *value);

/** True if all fields are the same, times within `tolerance_ns`; else `why` names the first. */
bool mr_fields_equal(const struct mr_session *expected, const struct mr_session *got,
	uint64_t tolerance_ns, char *why);

/** Adds `delta_ns` to every time that isn't 0. */
void mr_fields_shift(struct mr_session *session, int64_t delta_ns);

/** Reads an address, IPv4 as mapped. 0 or -EINVAL. */
int mr_field_address(const char *text, struct mr_addr *ret);

/** Reads a MAC address. 0 or -EINVAL. */
int mr_field_mac(const char *text, uint8_t ret[6]);

#endif
