// SPDX-License-Identifier: BSD-2-Clause
/*
 * fields.c - see fields.h.
 */
#include "fields.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leg.h"

enum kind {
	U8,
	U16,
	BE16,
	U32,
	U64,
	USEC, /* u32, a time in microseconds */
	TIME, /* u64, nanoseconds */
	ADDR,
	MAC,
};

struct field {
	const char *name;
	enum kind kind;
	size_t offset;
};

#define SESSION(name, kind)                                    \
	{                                                      \
#name, kind, offsetof(struct mr_session, name) \
	}
#define HOP(hop)                                                                         \
	SESSION(hop.generation, U32), SESSION(hop.ifindex, U32), SESSION(hop.vlan, U16), \
		SESSION(hop.mtu, U16), SESSION(hop.dmac, MAC), SESSION(hop.smac, MAC)
#define FLOW(flow)                                                                       \
	SESSION(flow.datagrams, U64), SESSION(flow.bytes, U64), SESSION(flow.lost, U64), \
		SESSION(flow.reordered, U64)

/* lock, scratch and padding are nobody's business */
static const struct field session_fields[] = {
	SESSION(flags, U8),
	SESSION(current, U8),
	SESSION(public_port, BE16),
	SESSION(target_port, BE16),
	SESSION(client_port, BE16),
	SESSION(upstream_base, U16),
	SESSION(client_public, U8),
	SESSION(target, ADDR),
	SESSION(upstream, ADDR),
	SESSION(client, ADDR),
	HOP(to_target),
	HOP(to_client),
	SESSION(id, U64),
	SESSION(rtt_us, USEC),
	FLOW(from_client),
	SESSION(client_seq, U64),
	SESSION(client_last, U64),
	SESSION(client_ns, TIME),
	SESSION(claims, U64),
	SESSION(roams, U64),
	FLOW(from_target),
	SESSION(target_seq, U64),
	SESSION(target_ns, TIME),
	SESSION(proven_seq, U64),
	SESSION(proven_ns, TIME),
	SESSION(opened_ns, TIME),
	SESSION(hint, ADDR),
};

#define LEG(name, kind)                                    \
	{                                                  \
#name, kind, offsetof(struct mr_leg, name) \
	}

static const struct field leg_fields[] = {
	LEG(addr, ADDR),
	LEG(port, BE16),
	LEG(state, U8),
	LEG(public_slot, U8),
	LEG(datagrams, U32),
	LEG(claimed_ns, TIME),
	LEG(client_ns, TIME),
	LEG(target_ns, TIME),
	LEG(next_seq, U64),
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int mr_field_address(const char *text, struct mr_addr *ret)
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*ret = mr_addr_from_v4(v4.s_addr);
		return 0;
	}
	return inet_pton(AF_INET6, text, ret) == 1 ? 0 : -EINVAL;
}

int mr_field_mac(const char *text, uint8_t ret[6])
{
	int end = 0;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &ret[0], &ret[1], &ret[2],
		    &ret[3], &ret[4], &ret[5], &end) != 6)
		return -EINVAL;
	return text[end] ? -EINVAL : 0;
}

static uint64_t get_number(const void *at, enum kind kind)
{
	switch (kind) {
	case U8:
		return *(const uint8_t *)at;
	case U16:
		return *(const uint16_t *)at;
	case BE16:
		return ntohs(*(const uint16_t *)at);
	case U32:
	case USEC:
		return *(const uint32_t *)at;
	default:
		return *(const uint64_t *)at;
	}
}

static int set_number(void *at, enum kind kind, uint64_t value)
{
	switch (kind) {
	case U8:
		*(uint8_t *)at = (uint8_t)value;
		break;
	case U16:
		*(uint16_t *)at = (uint16_t)value;
		break;
	case BE16:
		*(uint16_t *)at = htons((uint16_t)value);
		break;
	case U32:
	case USEC:
		*(uint32_t *)at = (uint32_t)value;
		break;
	default:
		*(uint64_t *)at = value;
	}
	return get_number(at, kind) == value ? 0 : -EINVAL;
}

static int set_field(void *record, const struct field *field, const char *text)
{
	void *at = (uint8_t *)record + field->offset;
	uint64_t value;
	char *end;

	if (field->kind == ADDR)
		return mr_field_address(text, at);
	if (field->kind == MAC)
		return mr_field_mac(text, at);
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-')
		return -EINVAL;
	return set_number(at, field->kind, value);
}

static int set_by_name(
	void *record, const struct field *fields, size_t n, const char *name, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(fields[i].name, name))
			return set_field(record, &fields[i], text);
	return -ENOENT;
}

int mr_field_set(struct mr_session *session, const char *path, const char *value)
{
	unsigned slot;
	int end = 0;

	if (sscanf(path, "legs.%u.%n", &slot, &end) == 1 && end > 0)
		return slot >= MR_LEGS ? -ENOENT
				       : set_by_name(&session->legs[slot], leg_fields,
						 COUNT(leg_fields), path + end, value);
	return set_by_name(session, session_fields, COUNT(session_fields), path, value);
}

static void print_field(char *buf, size_t size, const void *record, const struct field *field)
{
	const uint8_t *at = (const uint8_t *)record + field->offset;

	if (field->kind == ADDR)
		inet_ntop(AF_INET6, at, buf, (socklen_t)size);
	else if (field->kind == MAC)
		snprintf(buf, size, "%02x:%02x:%02x:%02x:%02x:%02x", at[0], at[1], at[2], at[3],
			at[4], at[5]);
	else
		snprintf(buf, size, "%" PRIu64, get_number(at, field->kind));
}

static bool field_equal(
	const void *expected, const void *got, const struct field *field, uint64_t tolerance_ns)
{
	const uint8_t *a = (const uint8_t *)expected + field->offset;
	const uint8_t *b = (const uint8_t *)got + field->offset;
	uint64_t x, y, tolerance = 0;

	if (field->kind == ADDR)
		return !memcmp(a, b, sizeof(struct mr_addr));
	if (field->kind == MAC)
		return !memcmp(a, b, 6);
	x = get_number(a, field->kind);
	y = get_number(b, field->kind);
	if (field->kind == TIME)
		tolerance = tolerance_ns;
	else if (field->kind == USEC)
		tolerance = tolerance_ns / 1000;
	/* "never" is not a time near 0 */
	if (!x || !y)
		return x == y;
	return x > y ? x - y <= tolerance : y - x <= tolerance;
}

static bool fields_equal(const char *prefix, const void *expected, const void *got,
	const struct field *fields, size_t n, uint64_t tolerance_ns, char *why)
{
	char a[64], b[64];

	for (size_t i = 0; i < n; i++) {
		if (field_equal(expected, got, &fields[i], tolerance_ns))
			continue;
		print_field(a, sizeof(a), expected, &fields[i]);
		print_field(b, sizeof(b), got, &fields[i]);
		snprintf(why, MR_VEC_WHY, "%s%s is %s, expected %s", prefix, fields[i].name, b, a);
		return false;
	}
	return true;
}

bool mr_fields_equal(const struct mr_session *expected, const struct mr_session *got,
	uint64_t tolerance_ns, char *why)
{
	if (!fields_equal(
		    "", expected, got, session_fields, COUNT(session_fields), tolerance_ns, why))
		return false;
	for (unsigned slot = 0; slot < MR_LEGS; slot++) {
		struct mr_leg a, b;
		char prefix[16];

		mr_session_leg(expected, slot, &a);
		mr_session_leg(got, slot, &b);
		/* counted until the leg is the current one, stale from then on */
		if (slot == expected->current)
			a.datagrams = b.datagrams;
		snprintf(prefix, sizeof(prefix), "legs.%u.", slot);
		if (!fields_equal(prefix, &a, &b, leg_fields, COUNT(leg_fields), tolerance_ns, why))
			return false;
	}
	return true;
}

static void shift(void *record, const struct field *fields, size_t n, int64_t delta_ns)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t *at = (uint64_t *)(void *)((uint8_t *)record + fields[i].offset);

		if (fields[i].kind == TIME && *at)
			*at += (uint64_t)delta_ns;
	}
}

void mr_fields_shift(struct mr_session *session, int64_t delta_ns)
{
	shift(session, session_fields, COUNT(session_fields), delta_ns);
	for (unsigned slot = 0; slot < MR_LEGS; slot++)
		shift(&session->legs[slot], leg_fields, COUNT(leg_fields), delta_ns);
}
