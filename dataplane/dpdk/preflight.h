/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * preflight.h - what of the host makes DPDK fail, found out before DPDK is asked: drivers of PCI
 * devices, huge pages, device files, interfaces.
 */
#ifndef MR_DPDK_PREFLIGHT_H
#define MR_DPDK_PREFLIGHT_H

#include "dpdk.h"

/** The PCI devices: there, bound to a driver that hands them out, and free. */
int mr_preflight_devices(const struct mr_dpdk_options *options, struct mr_why *ret_why);

/** Huge pages or not: -ENOMEM if they are a must and `need` octets are not free. */
int mr_preflight_memory(
	const struct mr_dpdk_options *options, size_t need, bool *ret_huge, struct mr_why *ret_why);

/** An Ethernet interface that is up and may be listened on, for net_af_packet. */
int mr_preflight_interface(
	const char *name, uint32_t *ret_ifindex, uint16_t *ret_mtu, struct mr_why *ret_why);

#endif
