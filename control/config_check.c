/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_check.c - whether settings that are good each for itself are good together.
 */
#include <errno.h>
#include <stdio.h>

#include "config.h"

static bool overlap(struct mr_port_range a, struct mr_port_range b)
{
	return a.lo <= b.hi && b.lo <= a.hi;
}

static bool share_address(
	const struct mr_config_pool *a, const struct mr_config_pool *b, struct mr_addr *ret_addr)
{
	for (size_t i = 0; i < a->n_addresses; i++) {
		for (size_t j = a == b ? i + 1 : 0; j < b->n_addresses; j++) {
			if (mr_addr_equal(&a->addresses[i], &b->addresses[j])) {
				*ret_addr = a->addresses[i];
				return true;
			}
		}
	}
	return false;
}

static int check_pool(const struct mr_config *config, size_t index, struct mr_why *ret_why)
{
	const struct mr_config_pool *pool = &config->pools[index];
	char text[MR_ADDR_TEXT_SIZE];
	struct mr_addr addr;

	if (overlap(pool->ports, config->upstream)) {
		snprintf(ret_why->text, sizeof(ret_why->text),
			"ports %u-%u and upstream-ports %u-%u overlap: give each a range of its "
			"own",
			pool->ports.lo, pool->ports.hi, config->upstream.lo, config->upstream.hi);
		return -EINVAL;
	}
	for (size_t i = index; i < config->n_pools; i++) {
		const struct mr_config_pool *other = &config->pools[i];

		if (!overlap(pool->ports, other->ports) || !share_address(pool, other, &addr))
			continue;
		mr_prefix_format(&(struct mr_prefix){addr, 128}, text, sizeof(text));
		snprintf(ret_why->text, sizeof(ret_why->text),
			other == pool ? "public address %s is given twice: name it once"
				      : "public address %s is in two pools with the same ports: "
					"each port of an address belongs to one pool",
			text);
		return -EINVAL;
	}
	return 0;
}

int mr_config_check(const struct mr_config *config, struct mr_why *ret_why)
{
	size_t n_addresses = 0;
	int r = 0;

	for (size_t i = 0; !r && i < config->n_pools; i++) {
		n_addresses += config->pools[i].n_addresses;
		r = check_pool(config, i, ret_why);
	}
	if (!r && (n_addresses > MR_PUBLIC_MAX || config->n_pools > MR_CONFIG_POOLS_MAX)) {
		snprintf(ret_why->text, sizeof(ret_why->text),
			"%zu public addresses in %zu pools: at most %d in %d are possible",
			n_addresses, config->n_pools, MR_PUBLIC_MAX, MR_CONFIG_POOLS_MAX);
		r = -EINVAL;
	}
	return r;
}
