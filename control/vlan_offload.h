/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vlan_offload.h - rx-vlan-offload under generic XDP: it has to be off where VLANs are carried.
 *
 * A card with it on takes the tag off a frame and keeps it beside the buffer. Generic XDP doesn't
 * see it there, and what the program sends goes out with it once more: to the wrong VLAN, or with
 * two tags. Native XDP builds on the frame alone and is not concerned. Interfaces without a VLAN
 * device are left alone, for some drivers reset the card when the setting changes.
 */
#ifndef MR_CONTROL_VLAN_OFFLOAD_H
#define MR_CONTROL_VLAN_OFFLOAD_H

#include "changes.h"
#include "netlink.h"

struct mr_vlan_offload;

/** `error` 0: it was turned off; else it is on, and VLANs on that interface can't be relayed. */
typedef void mr_vlan_offload_fn(const char *iface, int error, void *context);

/**
 * Turns it off on those of `carriers` that carry a VLAN device, now and when one comes later, and
 * notes that in `changes`. Needs CAP_NET_ADMIN for as long as it lives; lists must outlive it.
 * \return 0; -EOPNOTSUPP or another -errno: it can't be turned off below one of `interfaces`, which
 * is a VLAN device, and `ret_why` says what to do. Where only other VLANs are concerned `fn` hears
 * of it.
 */
int mr_vlan_offload_open(struct mr_netlink *netlink, const struct mr_strv *interfaces,
	const struct mr_strv *carriers, struct mr_changes *changes, mr_vlan_offload_fn *fn,
	void *context, struct mr_vlan_offload **ret_offload, struct mr_why *ret_why);

/** Stops watching; it stays off, for XDP goes on without us. NULL is allowed. */
void mr_vlan_offload_close(struct mr_vlan_offload *offload);

/** Turns it on again where `changes` says that it was on: for when the program is off. */
void mr_vlan_offload_put_back(struct mr_changes *changes);

/** Turns it on or off. -EOPNOTSUPP: the driver has only one way; -ENODEV. */
int mr_vlan_offload_set(const char *iface, bool on);

/** Is it on? 1, 0 or -errno. */
int mr_vlan_offload_get(const char *iface);

#endif
