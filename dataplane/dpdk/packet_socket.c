/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packet_socket.c - goes through the process's descriptors for packet sockets.
 */
#include "packet_socket.h"

#include <dirent.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static bool is_packet_socket(int fd, struct sockaddr_ll *ret)
{
	socklen_t length = sizeof(*ret);

	return !getsockname(fd, (struct sockaddr *)ret, &length) && ret->sll_family == AF_PACKET;
}

void mr_packet_sockets_list(struct mr_packet_sockets *ret)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	ret->count = 0;
	if (!dir)
		return;
	while ((entry = readdir(dir)) && ret->count < MR_PACKET_SOCKETS_MAX) {
		struct sockaddr_ll address;
		int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && is_packet_socket(fd, &address))
			ret->fds[ret->count++] = fd;
	}
	closedir(dir);
	qsort(ret->fds, ret->count, sizeof(ret->fds[0]), compare);
}

/*
 * PACKET_IGNORE_OUTGOING comes too late for a socket that has joined a fanout group, as the
 * driver's have; a filter works at any time.
 */
static void ignore_outgoing(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (__u32)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, 0x40000),
	};
	struct sock_fprog program = {.len = 4, .filter = code};

	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

unsigned mr_packet_sockets_new(
	const struct mr_packet_sockets *before, uint32_t ifindex, int *ret_fds, unsigned max)
{
	struct mr_packet_sockets now;
	unsigned count = 0;

	mr_packet_sockets_list(&now);
	for (unsigned i = 0; i < now.count && count < max; i++) {
		struct sockaddr_ll address;

		if (bsearch(&now.fds[i], before->fds, before->count, sizeof(int), compare))
			continue;
		if (!is_packet_socket(now.fds[i], &address) || address.sll_ifindex != (int)ifindex)
			continue;
		ignore_outgoing(now.fds[i]);
		ret_fds[count++] = now.fds[i];
	}
	return count;
}
