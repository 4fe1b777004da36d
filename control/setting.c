/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * setting.c - checks the form of each setting's value.
 */
#include "setting.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config.h"
#include "user.h"

#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static const struct {
	const char *option, *status;
} dataplanes[] = {
	[MR_DATAPLANE_AUTO] = {"auto", "none"},
	[MR_DATAPLANE_XDP_NATIVE] = {"xdp", "xdp-native"},
	[MR_DATAPLANE_XDP_GENERIC] = {"xdp-generic", "xdp-generic"},
	[MR_DATAPLANE_DPDK] = {"dpdk", "dpdk"},
};

const char *mr_dataplane_option(enum mr_dataplane dataplane)
{
	return dataplanes[dataplane].option;
}

const char *mr_dataplane_name(enum mr_dataplane dataplane)
{
	return dataplanes[dataplane].status;
}

int mr_dataplane_parse(const char *text, enum mr_dataplane *ret_dataplane)
{
	for (size_t i = 0; i < sizeof(dataplanes) / sizeof(dataplanes[0]); i++) {
		if (!strcmp(text, dataplanes[i].option)) {
			*ret_dataplane = (enum mr_dataplane)i;
			return 0;
		}
	}
	return -EINVAL;
}

int mr_setting_number(const char *text, uint32_t lo, uint32_t hi, uint32_t *ret_value)
{
	size_t len = strspn(text, "0123456789");
	unsigned long long value;

	if (!len || len > 10 || text[len])
		return -EINVAL;
	value = strtoull(text, NULL, 10);
	if (value < lo || value > hi)
		return -EINVAL;
	*ret_value = (uint32_t)value;
	return 0;
}

int mr_setting_blocks(const char *text, struct mr_port_range *ret_range)
{
	struct mr_port_range range;
	unsigned lo, end;
	int r = mr_port_range_parse(text, &range);

	if (r)
		return r;
	lo = (range.lo + MR_LEGS - 1u) / MR_LEGS * MR_LEGS;
	end = (range.hi + 1u) / MR_LEGS * MR_LEGS;
	if (lo >= end)
		return -ERANGE;
	*ret_range = (struct mr_port_range){(uint16_t)lo, (uint16_t)(end - 1)};
	return 0;
}

/* Each check returns what a right value would be, NULL: this is one. */
typedef const char *check_fn(const char *text);

static const char *check_interface(const char *text)
{
	size_t len = strlen(text);

	if (!len || len >= IF_NAMESIZE || strpbrk(text, "/ \t\n"))
		return "expected an interface's name, like eth0";
	return NULL;
}

static const char *check_address(const char *text)
{
	struct mr_addr addr;

	if (mr_addr_parse(text, &addr))
		return "expected an IPv4 or IPv6 address, like 203.0.113.7";
	if (mr_policy_never(&addr))
		return "expected an address that clients on other hosts can dial";
	return NULL;
}

static const char *check_advertise(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > 253 || text[strspn(text, ALNUM ".:-_")])
		return "expected a host name or address for clients to dial, like "
		       "bastion.example.org";
	return NULL;
}

static const char *check_ports(const char *text)
{
	struct mr_port_range range;

	return mr_port_range_parse(text, &range)
		? "expected LO-HI with 1 <= LO <= HI <= 65535, like 60000-61000"
		: NULL;
}

static const char *check_upstream(const char *text)
{
	struct mr_port_range range;

	return mr_setting_blocks(text, &range)
		? "expected LO-HI with one of the blocks of 16 in it at least, like 61008-65535"
		: NULL;
}

static const char *check_dataplane(const char *text)
{
	enum mr_dataplane dataplane;

	return mr_dataplane_parse(text, &dataplane) ? "expected auto, xdp, xdp-generic or dpdk"
						    : NULL;
}

static const char *check_max_sessions(const char *text)
{
	uint32_t value;

	return mr_setting_number(text, 1, MR_CONFIG_SESSIONS_MAX, &value)
		? "expected a number from 1 to 4194304"
		: NULL;
}

static const char *check_opens(const char *text)
{
	uint32_t value;

	return mr_setting_number(text, 1, 1000000, &value) ? "expected a number from 1 to 1000000"
							   : NULL;
}

static const char *check_dir(const char *text)
{
	/* "/setup.sock" and "/lock" go behind it, and a socket's path is short. */
	if (text[0] != '/' ||
		strlen(text) + sizeof("/setup.sock") > sizeof(((struct sockaddr_un *)0)->sun_path))
		return "expected a directory's path from the root on, of at most 96 characters";
	return NULL;
}

static const char *check_endpoint(const char *text)
{
	struct mr_addr addr;
	uint16_t port;

	return mr_endpoint_parse(text, &addr, &port)
		? "expected ADDRESS:PORT or [IPV6]:PORT, in numbers, like 127.0.0.1:9100"
		: NULL;
}

static const char *check_log_level(const char *text)
{
	enum mr_log_level level;

	return mr_log_parse_level(text, &level) ? "expected error, warning, notice, info or debug"
						: NULL;
}

static const char *check_file(const char *text)
{
	return *text ? NULL : "expected a file's path";
}

static const char *check_name(const char *text)
{
	return *text ? NULL : "expected a name";
}

static const char *check_user(const char *text)
{
	size_t len = strlen(text);

	if (!len || len >= MR_USER_NAME_SIZE || strpbrk(text, ":/ \t\n"))
		return "expected a user's name, like moshrelay";
	return NULL;
}

static const char *check_switch(const char *text)
{
	return strcmp(text, "on") && strcmp(text, "off") ? "expected on or off" : NULL;
}

static const char *check_prefix(const char *text)
{
	struct mr_prefix prefix;

	return mr_prefix_parse(text, &prefix)
		? "expected ADDRESS/BITS with no bits set beyond BITS, like 10.0.0.0/8"
		: NULL;
}

static const struct {
	const char *name;
	check_fn *check;
} checks[] = {
	{"config", check_file},
	{"interfaces", check_interface},
	{"public", check_address},
	{"addresses", check_address},
	{"advertise", check_advertise},
	{"ports", check_ports},
	{"target-ports", check_ports},
	{"upstream-ports", check_upstream},
	{"dataplane", check_dataplane},
	{"max-sessions", check_max_sessions},
	{"sessions", check_max_sessions},
	{"opens-per-minute", check_opens},
	{"run-dir", check_dir},
	{"state-dir", check_dir},
	{"pin-dir", check_dir},
	{"metrics", check_endpoint},
	{"user", check_user},
	{"seccomp", check_switch},
	{"log-level", check_log_level},
	{"users", check_name},
	{"groups", check_name},
	{"targets", check_prefix},
};

int mr_setting_check(const char *name, const char *text, struct mr_why *ret_why)
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		const char *expected;

		if (strcmp(name, checks[i].name))
			continue;
		expected = checks[i].check(text);
		if (!expected)
			return 0;
		snprintf(ret_why->text, sizeof(ret_why->text), "%s: \"%.64s\": %s", name, text,
			expected);
		return -EINVAL;
	}
	return 0;
}
