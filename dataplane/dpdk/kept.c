/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kept.c - neighbours as the messages that make them, written when they are read.
 */
#include "kept.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#ifndef NTF_EXT_MANAGED /* Linux 5.16 */
#define NTF_EXT_MANAGED (1 << 0)
#endif

#define REQUEST_SIZE 256 /* more than an address, a hardware address and four numbers take */
#define NUD_KNOWN    (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE)

struct request {
	union {
		struct nlmsghdr header;
		char octets[REQUEST_SIZE];
	};
};

struct mr_kept {
	char name[IF_NAMESIZE];
	uint32_t ifindex;
	bool promiscuous;
	struct request *requests;
	size_t count, room;
};

static void free_kept(struct mr_kept **kept)
{
	mr_kept_free(*kept);
}
#define cleanup_kept __attribute__((cleanup(free_kept)))

static void close_socket(struct mnl_socket **socket)
{
	if (*socket)
		mnl_socket_close(*socket);
}
#define cleanup_socket __attribute__((cleanup(close_socket)))

static struct request *append(struct mr_kept *k)
{
	if (k->count == k->room) {
		size_t room = k->room ? k->room * 2 : 64;
		void *grown = reallocarray(k->requests, room, sizeof(*k->requests));

		if (!grown)
			return NULL;
		k->requests = grown;
		k->room = room;
	}
	memset(&k->requests[k->count], 0, sizeof(k->requests[0]));
	return &k->requests[k->count++];
}

static uint32_t extended_flags(const struct nlmsghdr *message)
{
	const struct nlattr *attr;

	mnl_attr_for_each (attr, message, sizeof(struct ndmsg)) {
		if (mnl_attr_get_type(attr) == NDA_FLAGS_EXT &&
			mnl_attr_get_payload_len(attr) == sizeof(uint32_t))
			return mnl_attr_get_u32(attr);
	}
	return 0;
}

/* Who has set it, and in which state it comes back; false: the kernel finds it out again. */
static bool state_to_put(const struct nlmsghdr *message, uint16_t *ret_state, bool *ret_set)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(message);

	*ret_set = true;
	*ret_state = nd->ndm_state;
	if (nd->ndm_state & NUD_PERMANENT)
		return true;
	if (extended_flags(message) & NTF_EXT_MANAGED) {
		*ret_state = NUD_NONE; /* it keeps itself resolved */
		return true;
	}
	*ret_set = nd->ndm_flags & NTF_EXT_LEARNED;
	*ret_state = NUD_STALE;
	return nd->ndm_state & NUD_KNOWN;
}

static int keep_neighbour(const struct nlmsghdr *message, void *context)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(message);
	struct mr_kept *k = context;
	const struct nlattr *attr;
	struct request *request;
	struct ndmsg *put;
	uint16_t state;
	bool set;

	if (message->nlmsg_type != RTM_NEWNEIGH || nd->ndm_ifindex != (int)k->ifindex ||
		!state_to_put(message, &state, &set))
		return MNL_CB_OK;
	request = append(k);
	if (!request) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	mnl_nlmsg_put_header(request);
	request->header.nlmsg_type = RTM_NEWNEIGH;
	request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE |
		(set ? NLM_F_REPLACE : NLM_F_EXCL));
	put = mnl_nlmsg_put_extra_header(&request->header, sizeof(*put));
	*put = *nd;
	put->ndm_state = state;
	mnl_attr_for_each (attr, message, sizeof(*nd)) {
		uint16_t type = mnl_attr_get_type(attr);

		/* times and counts belong to the entry that was */
		if (type != NDA_DST && type != NDA_LLADDR && type != NDA_PROTOCOL &&
			type != NDA_FLAGS_EXT)
			continue;
		if (!mnl_attr_put_check(&request->header, REQUEST_SIZE, type,
			    mnl_attr_get_payload_len(attr), mnl_attr_get_payload(attr))) {
			errno = EMSGSIZE;
			return MNL_CB_ERROR;
		}
	}
	return MNL_CB_OK;
}

static struct mnl_socket *open_socket(void)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (socket && mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID)) {
		mnl_socket_close(socket);
		return NULL;
	}
	return socket;
}

/* Sends a request and reads to the end of its answer; 0 or -errno. */
static int talk(struct mnl_socket *socket, struct nlmsghdr *request, mnl_cb_t fn, void *context)
{
	static unsigned sequence;
	char buffer[32768];
	int rc = MNL_CB_OK;

	request->nlmsg_seq = ++sequence;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (rc > MNL_CB_STOP) {
		ssize_t length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));

		if (length < 0)
			return -errno;
		rc = mnl_cb_run(buffer, (size_t)length, request->nlmsg_seq,
			mnl_socket_get_portid(socket), fn, context);
	}
	return rc == MNL_CB_ERROR ? -errno : 0;
}

static int read_neighbours(struct mr_kept *k)
{
	cleanup_socket struct mnl_socket *socket = open_socket();
	struct request request = {0};
	int rc = -EINTR;

	if (!socket)
		return -errno;
	/* Changed while it was read: once more, within reason. */
	for (int i = 0; i < 5 && rc == -EINTR; i++) {
		k->count = 0;
		mnl_nlmsg_put_header(&request);
		request.header.nlmsg_type = RTM_GETNEIGH;
		request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		mnl_nlmsg_put_extra_header(&request.header, sizeof(struct ndmsg));
		rc = talk(socket, &request.header, keep_neighbour, k);
	}
	return rc == -EINTR ? 0 : rc;
}

/* Sets the promiscuous mode if it isn't so already. */
static int access_flags(const char *name, bool set, bool *promiscuous)
{
	struct ifreq request = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int rc = 0;

	if (fd < 0)
		return -errno;
	strncpy(request.ifr_name, name, IF_NAMESIZE - 1);
	if (ioctl(fd, SIOCGIFFLAGS, &request))
		rc = -errno;
	else if (!set)
		*promiscuous = request.ifr_flags & IFF_PROMISC;
	else if (*promiscuous != !!(request.ifr_flags & IFF_PROMISC)) {
		request.ifr_flags ^= IFF_PROMISC;
		rc = ioctl(fd, SIOCSIFFLAGS, &request) ? -errno : 0;
	}
	close(fd);
	return rc;
}

int mr_kept_read(
	const char *name, uint32_t ifindex, struct mr_kept **ret_kept, struct mr_why *ret_why)
{
	cleanup_kept struct mr_kept *k = calloc(1, sizeof(*k));
	int rc;

	if (!k)
		return mr_why_set(ret_why, -ENOMEM, "%s: out of memory", name);
	strncpy(k->name, name, sizeof(k->name) - 1);
	k->ifindex = ifindex;
	rc = access_flags(name, false, &k->promiscuous);
	if (!rc)
		rc = read_neighbours(k);
	if (rc)
		return mr_why_set(
			ret_why, rc, "%s: reading its neighbours: %s", name, strerror(-rc));
	*ret_kept = k;
	k = NULL;
	return 0;
}

int mr_kept_put_back(const struct mr_kept *kept, struct mr_why *ret_why)
{
	cleanup_socket struct mnl_socket *socket = open_socket();
	bool promiscuous = kept->promiscuous;
	int rc = socket ? access_flags(kept->name, true, &promiscuous) : -errno;

	for (size_t i = 0; i < kept->count && !rc; i++) {
		struct request request = kept->requests[i];

		rc = talk(socket, &request.header, NULL, NULL);
		if (rc == -EEXIST)
			rc = 0;
	}
	if (rc)
		return mr_why_set(ret_why, rc,
			"%s: putting back the neighbours that DPDK's start has made the kernel "
			"forget: %s: see ip neigh show dev %s",
			kept->name, strerror(-rc), kept->name);
	return 0;
}

void mr_kept_free(struct mr_kept *kept)
{
	if (!kept)
		return;
	free(kept->requests);
	free(kept);
}
