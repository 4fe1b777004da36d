/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.c - directories, lock, limits, interfaces and routes of the host that the daemon runs on.
 */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "routes.h"
#include "rpc.h"

/* Descriptors beyond those of sessions and connections. */
#define FILES_SPARE 4096

#define LOCK_WAIT_S 10

static const struct mr_addr no_address;

/*
 * mkdir -p; parents are for everybody to pass, the directory itself gets `mode`. `option` names it
 * to people: "run-dir". It has to be one that this process can write in, root's on a read-only file
 * system as well; whether a user that it becomes can is user.c's question.
 */
static int make_directory(const char *path, const char *option, mode_t mode, struct mr_why *ret_why)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	struct stat st;

	for (size_t i = 1; i <= len; i++) {
		if (path[i] && path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, i == len ? mode : 0755) && errno != EEXIST)
			return mr_why_set(ret_why, -errno,
				"%s: the directory %.100s can't be made: %s: make it, or name "
				"another one with --%s",
				option, part, strerror(errno), option);
	}
	if (stat(path, &st) || !S_ISDIR(st.st_mode))
		return mr_why_set(ret_why, -ENOTDIR,
			"%s: %.100s is not a directory: name another one with --%s", option, path,
			option);
	if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS))
		return mr_why_set(ret_why, -errno,
			"%s: the directory %.100s can't be written: %s: make it writable for the "
			"daemon, or name another one with --%s",
			option, path, strerror(errno), option);
	return 0;
}

static void on_alarm(int number)
{
	(void)number;
}

/* Does a daemon answer in this run directory? */
static bool is_served(const char *run_dir)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool served;

	if (fd < 0)
		return false;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/setup.sock", run_dir);
	served = !connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return served;
}

/*
 * Takes the lock. A daemon that was killed holds it until the kernel has taken its memory apart,
 * which is worth waiting for; one that answers is not.
 */
static int take_lock(int fd, const char *run_dir)
{
	struct sigaction action = {.sa_handler = on_alarm}, before;
	int r;

	if (!flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	if (errno != EWOULDBLOCK)
		return -errno;
	if (is_served(run_dir))
		return -EBUSY;
	sigaction(SIGALRM, &action, &before);
	alarm(LOCK_WAIT_S);
	r = flock(fd, LOCK_EX) ? -errno : 0;
	alarm(0);
	sigaction(SIGALRM, &before, NULL);
	return r == -EINTR ? -EBUSY : r;
}

int mr_host_prepare(const struct mr_config *config, int *ret_lock_fd, struct mr_why *ret_why)
{
	char path[PATH_MAX];
	int r, fd;

	r = make_directory(config->run_dir, "run-dir", 0755, ret_why);
	if (!r)
		r = make_directory(config->state_dir, "state-dir", 0700, ret_why);
	if (r)
		return r;
	snprintf(path, sizeof(path), "%s/lock", config->run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return mr_why_set(
			ret_why, -errno, "%.100s: can't be opened: %s", path, strerror(errno));
	r = take_lock(fd, config->run_dir);
	if (r) {
		close(fd);
		return mr_why_set(ret_why, r,
			"%.100s: another daemon runs there: stop it, or use another --run-dir",
			config->run_dir);
	}
	*ret_lock_fd = fd;
	return 0;
}

/** Port numbers that at least one pool has: each takes one socket, however many pools share it. */
static rlim_t count_ports(const struct mr_config *config)
{
	rlim_t n = 0;

	for (uint32_t port = 1; port <= UINT16_MAX; port++) {
		size_t i = 0;

		while (i < config->n_pools &&
			(port < config->pools[i].ports.lo || port > config->pools[i].ports.hi))
			i++;
		n += i < config->n_pools;
	}
	return n;
}

int mr_host_raise_limits(const struct mr_config *config, struct mr_why *ret_why)
{
	struct rlimit memory = {RLIM_INFINITY, RLIM_INFINITY}, files;
	rlim_t need = mr_min(count_ports(config), (rlim_t)config->max_sessions) +
		MR_RPC_CLIENTS_MAX + FILES_SPARE;

	/* Kernels before 5.11 count maps as locked memory; later ones don't mind. */
	setrlimit(RLIMIT_MEMLOCK, &memory);
	if (getrlimit(RLIMIT_NOFILE, &files))
		return -errno;
	if (files.rlim_cur >= need)
		return 0;
	if (!setrlimit(RLIMIT_NOFILE, &(struct rlimit){need, mr_max(files.rlim_max, need)}))
		return 0;
	/* Without CAP_SYS_RESOURCE the limit can be used up, and not raised. */
	if (files.rlim_max < need) {
		setrlimit(RLIMIT_NOFILE, &(struct rlimit){files.rlim_max, files.rlim_max});
		return mr_why_set(ret_why, 1,
			"%llu open files are allowed, %llu could be needed: some public ports may "
			"not be kept from local programs: raise the limit (LimitNOFILE=, ulimit "
			"-Hn), or use fewer ports",
			(unsigned long long)files.rlim_max, (unsigned long long)need);
	}
	return -EPERM;
}

static int add_default_interface(
	struct mr_config *config, const struct mr_netlink *netlink, struct mr_why *ret_why)
{
	const struct mr_iface *iface;
	uint32_t ifindex;
	int r = mr_route_default_iface((struct mr_netlink *)netlink, &ifindex);

	iface = r ? NULL : mr_netlink_iface(netlink, ifindex);
	if (!iface)
		return mr_why_set(ret_why, r ? r : -ENODEV,
			"no interface: there is no default route: name one with -i, or in "
			"\"interfaces\"");
	return mr_strv_add(&config->interfaces, iface->name);
}

/* Appends the addresses of one interface that clients could dial. */
static int add_addresses_of(
	struct mr_config_pool *pool, const struct mr_netlink *netlink, uint32_t ifindex)
{
	struct mr_addr addresses[MR_PUBLIC_MAX];
	size_t n = mr_netlink_public_addresses(netlink, ifindex, addresses, MR_PUBLIC_MAX);
	int r = 0;

	for (size_t i = 0; !r && i < n; i++)
		r = mr_config_add_address(pool, &addresses[i]);
	return r;
}

/*
 * Clients are where the default route leads to, and targets behind the other interfaces. Without a
 * default route on one of the interfaces, nobody knows: all of them are it.
 */
static int add_own_addresses(
	struct mr_config *config, const struct mr_netlink *netlink, struct mr_why *ret_why)
{
	struct mr_config_pool *pool = &config->pools[0];
	const struct mr_iface *outer = NULL;
	uint32_t ifindex;
	char names[128];
	bool known;
	int r = 0;

	if (!mr_route_default_iface((struct mr_netlink *)netlink, &ifindex))
		outer = mr_netlink_iface(netlink, ifindex);
	if (outer && mr_strv_contains(&config->interfaces, outer->name))
		r = add_addresses_of(pool, netlink, outer->ifindex);
	known = pool->n_addresses;
	for (size_t i = 0; !r && !known && i < config->interfaces.n; i++) {
		const struct mr_iface *iface =
			mr_netlink_iface_by_name(netlink, config->interfaces.items[i]);

		r = add_addresses_of(pool, netlink, iface->ifindex);
	}
	if (!r && !pool->n_addresses)
		return mr_why_set(ret_why, -EADDRNOTAVAIL,
			"%s: no address that clients could dial: add one, or name it with --public",
			mr_strv_join(&config->interfaces, names, sizeof(names)));
	return r;
}

int mr_host_complete(
	struct mr_config *config, const struct mr_netlink *netlink, struct mr_why *ret_why)
{
	int r = 0;

	ret_why->text[0] = '\0';
	if (!config->interfaces.n)
		r = add_default_interface(config, netlink, ret_why);
	for (size_t i = 0; !r && i < config->interfaces.n; i++) {
		if (!mr_netlink_iface_by_name(netlink, config->interfaces.items[i]))
			r = mr_why_set(ret_why, -ENODEV,
				"%.32s: there is no such interface: see ip link, and name another "
				"one with -i, or in \"interfaces\"",
				config->interfaces.items[i]);
	}
	if (!r && !config->pools[0].n_addresses)
		r = add_own_addresses(config, netlink, ret_why);
	if (!r)
		r = mr_config_check(config, ret_why);
	if (r && !ret_why->text[0])
		return mr_why_set(ret_why, r, "interfaces and addresses: %s", strerror(-r));
	return r;
}

int mr_host_carriers(const struct mr_config *config, const struct mr_netlink *netlink,
	struct mr_strv *ret_names, struct mr_why *ret_why)
{
	int r = 0;

	for (size_t i = 0; !r && i < config->interfaces.n; i++) {
		const char *name = config->interfaces.items[i];
		const struct mr_iface *iface = mr_netlink_iface_by_name(netlink, name), *carrier;
		uint16_t vlan;

		carrier = iface ? mr_netlink_carrier(netlink, iface->ifindex, &vlan) : NULL;
		if (!carrier)
			r = mr_why_set(ret_why, -ENODEV,
				"%.32s: the interface that carries its frames is not here: use "
				"another one",
				name);
		else if (!mr_strv_contains(ret_names, carrier->name))
			r = mr_strv_add(ret_names, carrier->name);
	}
	return r;
}

/* Does the dataplane see and send the frames of this interface? The carrier's index, 0: no. */
static uint32_t carrier_in_use(const struct mr_host_routes *routes, uint32_t ifindex)
{
	uint16_t vlan;
	const struct mr_iface *carrier = mr_netlink_carrier(routes->netlink, ifindex, &vlan);

	if (!carrier || !mr_strv_contains(&routes->carriers, carrier->name))
		return 0;
	return carrier->ifindex;
}

/* The way to the target, as the kernel says now; by `source`, if there is one. */
static int ask_route(const struct mr_host_routes *routes, const struct mr_addr *target,
	const struct mr_addr *source, struct mr_route *ret_route)
{
	struct mr_route_query query = {.dst = *target, .src = *source};
	struct mr_route route = {0};

	if (mr_addr_equal(source, &no_address))
		return mr_route_to_target(routes->netlink, target, ret_route);
	if (mr_route_get(routes->netlink, &query, &route) || route.type != MR_ROUTE_UNICAST)
		return -ENETUNREACH;
	route.source = *source;
	*ret_route = route;
	return 0;
}

static int find_route_by(const struct mr_host_routes *routes, const struct mr_addr *target,
	const struct mr_addr *source, struct mr_route *ret_route)
{
	int r;

	if (mr_route_cache_find(routes->cache, target, source, ret_route))
		return 0;
	r = ask_route(routes, target, source, ret_route);
	if (!r)
		mr_route_cache_keep(routes->cache, target, source, ret_route);
	return r;
}

/* The way to the target; by `prefer`, if that is an address of ours and there is one. */
static int find_route(const struct mr_host_routes *routes, const struct mr_addr *target,
	const struct mr_addr *prefer, struct mr_route *ret_route)
{
	if (prefer && mr_netlink_is_own(routes->netlink, prefer) &&
		!find_route_by(routes, target, prefer, ret_route))
		return 0;
	*ret_route = (struct mr_route){0};
	return find_route_by(routes, target, &no_address, ret_route);
}

int mr_host_route(void *context, const struct mr_addr *target, const struct mr_addr *prefer,
	struct mr_addr *ret_upstream, struct mr_why *ret_why)
{
	const struct mr_host_routes *routes = context;
	const struct mr_iface *iface;
	char text[INET6_ADDRSTRLEN];
	struct mr_route route;
	int r = find_route(routes, target, prefer, &route);

	mr_addr_format(target, text, sizeof(text));
	if (r && route.type != MR_ROUTE_UNICAST)
		return mr_why_set(ret_why, r, "target %s can't be reached: its route is of type %s",
			text, mr_route_type_name(route.type));
	if (r)
		return mr_why_set(ret_why, r, "target %s can't be reached: %s: see ip route get %s",
			text, r == -ENETUNREACH ? "no route" : strerror(-r), text);
	if (!carrier_in_use(routes, route.oif)) {
		iface = mr_netlink_iface(routes->netlink, route.oif);
		return mr_why_set(ret_why, -ENETUNREACH,
			"target %s is reached by %s, which the relay does not use: add it to "
			"\"interfaces\"",
			text, iface ? iface->name : "an unknown interface");
	}
	/* What the kernel falls back to while it has nothing better: no answer would come there. */
	if (mr_policy_never(&route.source)) {
		iface = mr_netlink_iface(routes->netlink, route.oif);
		return mr_why_set(ret_why, -EADDRNOTAVAIL,
			"target %s can't be reached: %s has no address towards it: add one; an "
			"IPv6 address is usable a second or two after that",
			text, iface ? iface->name : "its interface");
	}
	*ret_upstream = route.source;
	return 0;
}

/* One way more, unless it is there already, or the dataplane does not see its frames. */
static void add_way(
	const struct mr_host_routes *routes, uint32_t ifindex, struct mr_ways *ways, size_t *count)
{
	uint16_t vlan = 0;
	const struct mr_iface *carrier = mr_netlink_carrier(routes->netlink, ifindex, &vlan);

	if (!carrier || !mr_strv_contains(&routes->carriers, carrier->name) ||
		*count >= MR_WAYS_MAX)
		return;
	for (size_t i = 0; i < *count; i++)
		if (ways->way[i].ifindex == carrier->ifindex && ways->way[i].vlan == vlan)
			return;
	ways->way[(*count)++] = (struct mr_way){.ifindex = carrier->ifindex, .vlan = vlan};
}

void mr_host_ways(const struct mr_host_routes *routes, const struct mr_addr *target,
	const struct mr_addr *upstream, struct mr_ways *ret_ways)
{
	struct mr_ways ways = {0};
	struct mr_route route;
	size_t count = 0;

	/* An open has just asked, for whichever address, and has got this one. */
	if (!(mr_route_cache_find(routes->cache, target, &no_address, &route) &&
		    mr_addr_equal(&route.source, upstream)) &&
		find_route_by(routes, target, upstream, &route))
		route.n_paths = 0;
	for (size_t i = 0; i < route.n_paths; i++)
		add_way(routes, route.paths[i], &ways, &count);
	*ret_ways = count > 1 ? ways : (struct mr_ways){0};
}
