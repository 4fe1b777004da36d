// SPDX-License-Identifier: BSD-2-Clause
/*
 * loopback.c - writes the two sysctls, and protects what the kernel would throw away with them.
 */
#include "loopback.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FORWARDING_V4 "/proc/sys/net/ipv4/conf/lo/forwarding"
#define FORWARDING_V6 "/proc/sys/net/ipv6/conf/lo/forwarding"
#define ROUTER_V4     "/proc/sys/net/ipv4/conf/all/forwarding"
#define ROUTER_V6     "/proc/sys/net/ipv6/conf/all/forwarding"

/* Words in the list of changes. */
#define CHANGE_V4 "net.ipv4.conf.lo.forwarding was 0"
#define CHANGE_V6 "net.ipv6.conf.lo.forwarding was 0"

#define ACCEPT_RA_SIZE (sizeof("/proc/sys/net/ipv6/conf//accept_ra") + IF_NAMESIZE)

struct mr_loopback {
	struct mr_netlink *netlink;
	struct mr_changes *changes;
	mr_loopback_error_fn *on_error;
	void *context;
};

static int sysctl_read(const char *path, char *ret_value)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;
	char value;

	if (fd < 0)
		return -errno;
	length = read(fd, &value, 1);
	int error = length == 1 ? 0 : length < 0 ? -errno : -EIO;
	close(fd);
	if (!error)
		*ret_value = value;
	return error;
}

static int sysctl_write(const char *path, char value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return -errno;
	error = write(fd, &value, 1) == 1 ? 0 : -errno;
	close(fd);
	return error;
}

static void accept_ra_path(const char *name, char *buf, size_t size)
{
	snprintf(buf, size, "/proc/sys/net/ipv6/conf/%s/accept_ra", name);
}

/* Lifts accept_ra from 1 to 2 ("also when forwarding"), and lists in `names` where. */
static size_t accept_ra_lift(const struct mr_netlink *netlink, char (*names)[IF_NAMESIZE])
{
	const struct mr_iface *ifaces;
	size_t count = mr_netlink_ifaces(netlink, &ifaces), lifted = 0;
	char path[ACCEPT_RA_SIZE];

	for (size_t i = 0; i < count; i++) {
		char value;
		accept_ra_path(ifaces[i].name, path, sizeof(path));
		if (sysctl_read(path, &value) || value != '1' || sysctl_write(path, '2'))
			continue;
		memcpy(names[lifted++], ifaces[i].name, IF_NAMESIZE);
	}
	return lifted;
}

static void accept_ra_restore(char (*names)[IF_NAMESIZE], size_t count)
{
	char path[ACCEPT_RA_SIZE];

	for (size_t i = 0; i < count; i++) {
		accept_ra_path(names[i], path, sizeof(path));
		(void)sysctl_write(path, '1');
	}
}

/*
 * Whoever turns forwarding on for any one interface makes the kernel forget all routes learned from
 * router advertisements, of all interfaces whose accept_ra is not 2 (rt6_purge_dflt_routers(), as
 * of Linux 6.18). That would cut the bastion off until the next advertisement.
 */
static int forward_v6(const struct mr_netlink *netlink)
{
	const struct mr_iface *ifaces;
	size_t count = mr_netlink_ifaces(netlink, &ifaces);
	char(*names)[IF_NAMESIZE] = calloc(count ? count : 1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	count = accept_ra_lift(netlink, names);
	int error = sysctl_write(FORWARDING_V6, '1');
	accept_ra_restore(names, count);
	free(names);
	return error;
}

int mr_loopback_forwarding(int family)
{
	char value;
	int error = sysctl_read(family == AF_INET ? FORWARDING_V4 : FORWARDING_V6, &value);

	return error ? error : value != '0';
}

/* Turns one family's on where it is off. */
static int ensure(const struct mr_loopback *loopback, int family)
{
	int on = mr_loopback_forwarding(family);

	if (on == -ENOENT && family == AF_INET6)
		return 0; /* ipv6.disable=1 */
	if (on)
		return on < 0 ? on : 0;
	/* Where it can't be noted, it stays on after a detach: no reason not to relay. */
	if (loopback->changes)
		(void)mr_changes_add(loopback->changes, family == AF_INET ? CHANGE_V4 : CHANGE_V6);
	return family == AF_INET ? sysctl_write(FORWARDING_V4, '1') : forward_v6(loopback->netlink);
}

/* Off again, where it was; but a router's interfaces all forward. */
static void restore(
	struct mr_changes *changes, const char *change, const char *lo, const char *router)
{
	char value;

	if (!mr_changes_has(changes, change))
		return;
	if (!sysctl_read(router, &value) && value == '0')
		(void)sysctl_write(lo, '0');
	(void)mr_changes_remove(changes, change);
}

void mr_loopback_put_back(struct mr_changes *changes)
{
	restore(changes, CHANGE_V4, FORWARDING_V4, ROUTER_V4);
	restore(changes, CHANGE_V6, FORWARDING_V6, ROUTER_V6);
}

static void changed(unsigned changes, void *context)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct mr_loopback *loopback = context;

	if (!(changes & MR_NETLINK_FORWARDING))
		return;
	for (size_t i = 0; i < 2; i++) {
		int error = ensure(loopback, families[i]);
		if (error && loopback->on_error)
			loopback->on_error(families[i], error, loopback->context);
	}
}

int mr_loopback_open(struct mr_netlink *netlink, struct mr_changes *changes,
	mr_loopback_error_fn *on_error, void *context, struct mr_loopback **ret_loopback,
	struct mr_why *ret_why)
{
	struct mr_loopback *loopback = malloc(sizeof(*loopback));
	const char *path = FORWARDING_V4;
	int error = -ENOMEM;

	if (!loopback)
		goto fail;
	*loopback = (struct mr_loopback){netlink, changes, on_error, context};
	error = ensure(loopback, AF_INET);
	if (!error) {
		path = FORWARDING_V6;
		error = ensure(loopback, AF_INET6);
	}
	if (!error)
		error = mr_netlink_on_change(netlink, changed, loopback);
	if (error)
		goto fail;
	*ret_loopback = loopback;
	return 0;
fail:
	free(loopback);
	snprintf(ret_why->text, sizeof(ret_why->text),
		"can't write 1 to %s: %s: XDP's route look-ups need it; set it by sysctl, or make "
		"/proc/sys/net writable",
		path, strerror(-error));
	return error;
}

void mr_loopback_close(struct mr_loopback *loopback, bool put_back)
{
	if (!loopback)
		return;
	mr_netlink_ignore(loopback->netlink, loopback);
	if (put_back && loopback->changes)
		mr_loopback_put_back(loopback->changes);
	free(loopback);
}
