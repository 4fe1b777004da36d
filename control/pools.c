/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pools.c - pools of the configuration, for the session manager.
 */
#include "pools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netlink.h"

/* What clients dial, where the configuration has no `advertise`: the pool's addresses as text. */
static int make_dialled(const struct mr_config *config, struct mr_pool_list *list)
{
	char text[INET6_ADDRSTRLEN];

	list->dialled = calloc(MR_PUBLIC_MAX, sizeof(*list->dialled));
	if (!list->dialled)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_pools; i++) {
		for (size_t j = 0; j < config->pools[i].n_addresses; j++) {
			char *copy = strdup(
				mr_addr_format(&config->pools[i].addresses[j], text, sizeof(text)));

			if (!copy)
				return -ENOMEM;
			list->dialled[list->n_dialled++] = copy;
		}
	}
	return 0;
}

int mr_pool_list_make(const struct mr_config *config, struct mr_pool_list *ret_list)
{
	struct mr_pool_list list = {.n = config->n_pools};
	char **dialled;

	list.pools = calloc(config->n_pools, sizeof(*list.pools));
	if (!list.pools || make_dialled(config, &list)) {
		mr_pool_list_clear(&list);
		return -ENOMEM;
	}
	dialled = list.dialled;
	for (size_t i = 0; i < config->n_pools; i++) {
		const struct mr_config_pool *pool = &config->pools[i];
		bool advertised = pool->advertise.n;

		list.pools[i] = (struct mr_session_pool){
			.name = pool->name,
			.addresses = pool->addresses,
			.n_addresses = pool->n_addresses,
			.port_lo = pool->ports.lo,
			.port_hi = pool->ports.hi,
			.dialled =
				(const char *const *)(advertised ? pool->advertise.items : dialled),
			.n_dialled = advertised ? pool->advertise.n : pool->n_addresses,
		};
		dialled += pool->n_addresses;
	}
	*ret_list = list;
	return 0;
}

void mr_pool_list_clear(struct mr_pool_list *list)
{
	for (size_t i = 0; i < list->n_dialled; i++)
		free(list->dialled[i]);
	free(list->dialled);
	free(list->pools);
	*list = (struct mr_pool_list){0};
}
