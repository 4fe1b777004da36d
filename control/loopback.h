/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loopback.h - forwarding on the loopback interface, which the XDP dataplane's route look-ups need.
 *
 * bpf_fib_lookup() refuses unless forwarding is on for the interface that it is asked about. The
 * relay asks about the loopback, as a local sender would, so that the bastion need not be a router:
 * packets that arrive on real interfaces are forwarded no more than before. The kernel sets the
 * loopback's forwarding to 0 when somebody writes 0 to ip_forward, so it is watched.
 */
#ifndef MR_CONTROL_LOOPBACK_H
#define MR_CONTROL_LOOPBACK_H

#include "changes.h"
#include "netlink.h"

struct mr_loopback;

/** Called when forwarding was lost and can't be set again; for the log. */
typedef void mr_loopback_error_fn(int family, int error, void *context);

/**
 * Turns net.ipv4.conf.lo.forwarding and net.ipv6.conf.lo.forwarding on, and on again whenever they
 * go off. Routes learned from IPv6 router advertisements survive. Needs CAP_NET_ADMIN for as long
 * as it lives, and a writable /proc/sys/net. A kernel without IPv6 is fine. Notes in `changes`
 * (NULL: nowhere) which of them it has turned on. \return 0, or -errno with what to do in
 * `ret_why`.
 */
int mr_loopback_open(struct mr_netlink *netlink, struct mr_changes *changes,
	mr_loopback_error_fn *on_error, void *context, struct mr_loopback **ret_loopback,
	struct mr_why *ret_why);

/**
 * What `changes` says was turned on by us goes off again, unless the host has become a router since
 * (all interfaces forward): then lo forwards as the others do.
 */
void mr_loopback_put_back(struct mr_changes *changes);

/**
 * Stops watching. `put_back` false: forwarding stays as it is, for XDP goes on without us. True: as
 * mr_loopback_put_back(). NULL is allowed.
 */
void mr_loopback_close(struct mr_loopback *loopback, bool put_back);

/** Is forwarding on for the loopback in AF_INET or AF_INET6? 1, 0, -ENOENT: no such family. */
int mr_loopback_forwarding(int family);

#endif
