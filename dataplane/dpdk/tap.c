/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tap.c - opens TAP queues and moves frames between them and mbufs, of one segment or several.
 */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define SEGMENTS_MAX 64 /* a frame of 64 KiB in segments of 1 KiB */

static void close_fd(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define cleanup_fd __attribute__((cleanup(close_fd)))

static void set_name(struct ifreq *request, const char *name)
{
	memset(request, 0, sizeof(*request));
	memcpy(request->ifr_name, name, strnlen(name, sizeof(request->ifr_name) - 1));
}

static int open_queue(const char *name, short flags)
{
	struct ifreq request;
	cleanup_fd int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int opened;

	if (fd < 0)
		return -errno;
	set_name(&request, name);
	request.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | flags);
	if (ioctl(fd, TUNSETIFF, &request))
		return -errno;
	opened = fd;
	fd = -1;
	return opened;
}

static int explain_open(const struct mr_port *port, int error, bool existed, struct mr_why *ret_why)
{
	const char *name = port->ifname;

	switch (error) {
	case -ENOENT:
	case -ENODEV:
		return mr_why_set(
			ret_why, error, "/dev/net/tun: %s: modprobe tun", strerror(-error));
	case -EPERM:
	case -EACCES:
		return mr_why_set(ret_why, error,
			"TAP %s for %s: no right to make it: start moshrelayd as root, or give it "
			"CAP_NET_ADMIN",
			name, port->device);
	case -EBUSY:
		return mr_why_set(ret_why, error,
			"TAP %s for %s: another program has it open: stop that first", name,
			port->device);
	}
	if (existed)
		return mr_why_set(ret_why, error,
			"%s is to be the TAP for %s, but is another kind of interface, or has too "
			"few queues (ip tuntap add %s mode tap multi_queue): name another in "
			"interfaces",
			name, port->device, name);
	return mr_why_set(
		ret_why, error, "TAP %s for %s: %s", name, port->device, strerror(-error));
}

int mr_tap_open(struct mr_port *port, uint32_t workers, uint16_t *ret_mtu, struct mr_why *ret_why)
{
	bool existed = if_nametoindex(port->ifname);
	short flags = workers > 1 ? IFF_MULTI_QUEUE : 0;
	cleanup_fd int control = -1;
	struct ifreq request;

	for (uint32_t i = 0; i < workers; i++) {
		int fd = open_queue(port->ifname, flags);

		/* one that was made beforehand may have the queues whether they are used or not */
		if (fd == -EINVAL && existed && workers == 1)
			fd = open_queue(port->ifname, IFF_MULTI_QUEUE);
		if (fd < 0) {
			mr_tap_close(port);
			return explain_open(port, fd, existed, ret_why);
		}
		port->tap_fds[i] = fd;
		port->has_tap = true;
	}
	port->ifindex = if_nametoindex(port->ifname);
	*ret_mtu = 0;
	if (!existed)
		return 0;
	set_name(&request, port->ifname);
	control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (control >= 0 && !ioctl(control, SIOCGIFMTU, &request))
		*ret_mtu = (uint16_t)mr_min(request.ifr_mtu, UINT16_MAX);
	return 0;
}

int mr_tap_start(const struct mr_port *port, struct mr_why *ret_why)
{
	cleanup_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request;

	if (fd < 0)
		return mr_why_set(ret_why, -errno, "TAP %s: %m", port->ifname);
	set_name(&request, port->ifname);
	request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(request.ifr_hwaddr.sa_data, &port->mac, sizeof(port->mac));
	if (ioctl(fd, SIOCSIFHWADDR, &request))
		return mr_why_set(ret_why, -errno, "TAP %s: hardware address: %m", port->ifname);
	set_name(&request, port->ifname);
	request.ifr_mtu = port->mtu;
	if (ioctl(fd, SIOCSIFMTU, &request))
		return mr_why_set(
			ret_why, -errno, "TAP %s: MTU of %u: %m", port->ifname, port->mtu);
	set_name(&request, port->ifname);
	if (ioctl(fd, SIOCGIFFLAGS, &request))
		return mr_why_set(ret_why, -errno, "TAP %s: flags: %m", port->ifname);
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		return mr_why_set(ret_why, -errno, "TAP %s: set up: %m", port->ifname);
	return 0;
}

int mr_tap_set_carrier(const struct mr_port *port, bool on)
{
	int carrier = on;

	return ioctl(port->tap_fds[0], TUNSETCARRIER, &carrier) ? -errno : 0;
}

void mr_tap_close(struct mr_port *port)
{
	for (unsigned i = 0; i < MR_DPDK_WORKERS_MAX; i++) {
		close_fd(&port->tap_fds[i]);
		port->tap_fds[i] = -1;
	}
	port->has_tap = false;
}

uint16_t mr_tap_send(int fd, struct rte_mbuf **frames, uint16_t count)
{
	uint16_t taken = 0;

	for (uint16_t i = 0; i < count; i++) {
		struct iovec parts[SEGMENTS_MAX];
		int n = 0;

		for (struct rte_mbuf *m = frames[i]; m && n < SEGMENTS_MAX; m = m->next)
			parts[n++] = (struct iovec){rte_pktmbuf_mtod(m, void *), m->data_len};
		/* A frame that it does not take is one that a NIC's ring had no room for. */
		if (frames[i]->nb_segs <= SEGMENTS_MAX &&
			writev(fd, parts, n) == (ssize_t)frames[i]->pkt_len)
			taken++;
		rte_pktmbuf_free(frames[i]);
	}
	return taken;
}

/* Segments for a frame of up to `frame_max` octets, with all their room in `ret_parts`. */
static struct rte_mbuf *alloc_frame(
	struct rte_mempool *pool, uint32_t frame_max, struct iovec *ret_parts, int *ret_n)
{
	struct rte_mbuf *head = NULL, **next = &head;
	uint32_t room = 0;
	int n = 0;

	while (room < frame_max && n < SEGMENTS_MAX) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		if (!m) {
			rte_pktmbuf_free(head);
			return NULL;
		}
		*next = m;
		next = &m->next;
		ret_parts[n++] =
			(struct iovec){rte_pktmbuf_mtod(m, void *), rte_pktmbuf_tailroom(m)};
		room += rte_pktmbuf_tailroom(m);
	}
	head->nb_segs = (uint16_t)n;
	*ret_n = n;
	return head;
}

/* Sets the lengths of the segments that `length` octets fill and frees the others. */
static void fill_frame(struct rte_mbuf *head, uint32_t length)
{
	struct rte_mbuf *m = head, *last = head;
	uint16_t segments = 0;

	head->pkt_len = length;
	while (m && length) {
		m->data_len = (uint16_t)mr_min(length, rte_pktmbuf_tailroom(m));
		length -= m->data_len;
		segments++;
		last = m;
		m = m->next;
	}
	last->next = NULL;
	head->nb_segs = segments;
	while (m) {
		struct rte_mbuf *next = m->next;

		m->next = NULL;
		rte_pktmbuf_free_seg(m);
		m = next;
	}
}

uint16_t mr_tap_receive(
	int fd, struct rte_mempool *pool, uint32_t frame_max, struct rte_mbuf **ret, uint16_t max)
{
	uint16_t count = 0;

	while (count < max) {
		struct iovec parts[SEGMENTS_MAX];
		struct rte_mbuf *m;
		ssize_t length;
		int n;

		m = alloc_frame(pool, frame_max, parts, &n);
		if (!m)
			break;
		length = readv(fd, parts, n);
		if (length <= 0) {
			rte_pktmbuf_free(m);
			break;
		}
		fill_frame(m, (uint32_t)length);
		ret[count++] = m;
	}
	return count;
}
