/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * netlink.h - what the daemon knows of the kernel's network: a mirror of interfaces and of the
 * host's own addresses, and news of every change.
 *
 * Owns the two netlink sockets: one that listens to events, driven by the loop, one for requests
 * that are answered at once. Works in the network namespace that the process is in. Routes are
 * asked for, not mirrored (routes.h); neighbours are neigh.h's; what the dataplane is told of all
 * this is feed.h's.
 */
#ifndef MR_CONTROL_NETLINK_H
#define MR_CONTROL_NETLINK_H

#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "addr.h"
#include "backend.h"

/** Interfaces and addresses mirrored at most; what is beyond is ignored (and said by doctor). */
#define MR_NETLINK_LINKS_MAX     4096
#define MR_NETLINK_ADDRESSES_MAX 16384

struct mr_netlink;

enum mr_iface_kind {
	MR_IFACE_OTHER,
	MR_IFACE_VLAN, /* 802.1Q device: `lower` carries it, under `vlan` */
	MR_IFACE_BOND,
	MR_IFACE_LOOPBACK,
};

/** One interface of the kernel, as last heard. */
struct mr_iface {
	uint32_t ifindex;
	char name[IF_NAMESIZE];
	uint8_t mac[6]; /* zero where the link layer is not Ethernet */
	bool ethernet;
	bool up;            /* administratively up */
	bool running;       /* has a carrier */
	bool vlan_stripped; /* rx-vlan-offload is on: tags may be gone before XDP sees a frame */
	uint32_t mtu;       /* octets of IP packet */
	uint32_t lower;     /* MR_IFACE_VLAN: ifindex of the carrier, 0: in another namespace */
	uint32_t master;    /* bond, bridge or VRF that it is a port of, 0: none */
	enum mr_iface_kind kind;
	uint16_t vlan;      /* MR_IFACE_VLAN: identifier, host byte order */
	char kind_name[16]; /* as the kernel spells it: "veth", "vlan", ...; "" for a real NIC */
};

/** One of the host's own addresses. */
struct mr_own_address {
	struct mr_addr addr;
	struct mr_addr broadcast; /* the subnet's, IPv4 only; zero: none */
	uint32_t ifindex;
	uint8_t prefix;  /* bits of the address's own family */
	uint8_t scope;   /* RT_SCOPE_... */
	bool deprecated; /* not to be offered to new sessions */
	bool tentative;  /* IPv6 duplicate detection has not finished, or has failed: */
	bool duplicate;  /* another host on the link has it */
	bool temporary;  /* RFC 8981 */
};

/** What has changed, as bits. */
enum mr_netlink_change {
	MR_NETLINK_LINKS = 1 << 0,
	MR_NETLINK_ADDRESSES = 1 << 1,
	MR_NETLINK_ROUTES = 1 << 2,         /* routes, rules, next hop objects */
	MR_NETLINK_NEIGHBOURS = 1 << 3,     /* a link address or its validity, not mere aging */
	MR_NETLINK_RESYNC = 1 << 4,         /* events were lost; the mirror has been read anew */
	MR_NETLINK_DEFAULT_ROUTES = 1 << 5, /* one of the routes was to everywhere */
	MR_NETLINK_FORWARDING = 1 << 6,     /* a forwarding sysctl of an interface */
};

/** Once in an iteration of the loop, after the mirror has been brought up to date. */
typedef void mr_netlink_change_fn(unsigned changes, void *context);

/**
 * Each neighbour message that says something new, as it comes: RTM_NEWNEIGH or RTM_DELNEIGH, with
 * NUD_ state and NTF_ flags. `mac` is NULL where there is none.
 */
typedef void mr_netlink_neighbour_fn(uint16_t type, uint32_t ifindex, const struct mr_addr *addr,
	uint16_t state, uint8_t flags, const uint8_t *mac, void *context);

/**
 * Opens both sockets, subscribes, and reads links and addresses before it returns.
 * \return 0 or -errno, `ret_why` then says what failed. Needs no privilege.
 */
int mr_netlink_open(uv_loop_t *loop, struct mr_netlink **ret_netlink, struct mr_why *ret_why);

/**
 * Reads the events that wait now, and tells the listeners, instead of when the loop comes to it.
 * Not from within a listener.
 */
void mr_netlink_catch_up(struct mr_netlink *netlink);

/** Closes the sockets; memory goes when the loop has run once more. NULL is allowed. */
void mr_netlink_close(struct mr_netlink *netlink);

/**
 * Adds a listener. At most 16 of each kind: -ENOSPC. A callback may ask queries, but must not close
 * the handle. Neighbour listeners come before change listeners.
 */
int mr_netlink_on_change(struct mr_netlink *netlink, mr_netlink_change_fn *fn, void *context);
int mr_netlink_on_neighbour(struct mr_netlink *netlink, mr_netlink_neighbour_fn *fn, void *context);

/** Takes every listener with this context off; a callback may do so too. */
void mr_netlink_ignore(struct mr_netlink *netlink, const void *context);

/** Times that events were lost (ENOBUFS) and everything was read anew. */
uint64_t mr_netlink_resyncs(const struct mr_netlink *netlink);

/* Interfaces. Pointers are good until the loop runs again. NULL: no such interface. */
const struct mr_iface *mr_netlink_iface(const struct mr_netlink *netlink, uint32_t ifindex);
const struct mr_iface *mr_netlink_iface_by_name(const struct mr_netlink *netlink, const char *name);

/** All interfaces, sorted by index. \return their number. */
size_t mr_netlink_ifaces(const struct mr_netlink *netlink, const struct mr_iface **ret_ifaces);

/**
 * The interface whose frames the dataplane would see for traffic of `ifindex`: the carrier below a
 * VLAN device, else itself. `*ret_vlan` is the tag (host byte order), 0: none.
 * NULL: no such interface, or its carrier is in another namespace or itself a VLAN device.
 */
const struct mr_iface *mr_netlink_carrier(
	const struct mr_netlink *netlink, uint32_t ifindex, uint16_t *ret_vlan);

/* Addresses. */

/** All own addresses. \return their number. */
size_t mr_netlink_addresses(
	const struct mr_netlink *netlink, const struct mr_own_address **ret_addresses);

/**
 * Addresses of an interface that clients could dial: global scope, not deprecated, duplicate or
 * temporary; IPv4 first, each once. Those of VLAN devices on top do not count. Tentative ones do:
 * at boot they are that for a second or two, and are served from the moment on at which they are
 * valid. \return their number, at most `max`.
 */
size_t mr_netlink_public_addresses(const struct mr_netlink *netlink, uint32_t ifindex,
	struct mr_addr *ret_addresses, size_t max);

/** Is it an address of this host, on whatever interface, 127.0.0.0/8 and ::1 included? */
bool mr_netlink_is_own(const struct mr_netlink *netlink, const struct mr_addr *addr);

/** Is it the limited broadcast, or the broadcast or network address of an own subnet? */
bool mr_netlink_is_broadcast(const struct mr_netlink *netlink, const struct mr_addr *addr);

/* For routes.c, neigh.c and doctor.c: one request, answered before it returns. */

/** Called for each message of an answer. A return below 0 is what the request then returns;
 * the rest of the answer is not handed out. */
typedef int mr_netlink_reply_fn(const struct nlmsghdr *message, void *context);

/**
 * Sends `request` (complete but for sequence number; NLM_F_REQUEST is set here) and hands out the
 * answer. Waits at most a second: -ETIMEDOUT. The kernel's own refusal is returned as it is.
 * `fn` may be NULL for requests that are only acknowledged.
 */
int mr_netlink_request(struct mr_netlink *netlink, struct nlmsghdr *request,
	mr_netlink_reply_fn *fn, void *context);

#endif
