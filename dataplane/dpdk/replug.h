/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replug.h - an interface that is made anew or renamed while workers run.
 *
 * An interface that net_af_packet listens on is left and taken as a whole. Of a device that DPDK
 * owns only the TAP can be: the device itself stays, and when it is pulled out, or given to another
 * driver, moshrelayd has to be started again.
 */
#ifndef MR_DPDK_REPLUG_H
#define MR_DPDK_REPLUG_H

#include "dpdk.h"

/** As interface_set of struct mr_backend_ops. */
int mr_replug(struct mr_backend *b, const char *name, uint32_t ifindex, struct mr_why *ret_why);

#endif
