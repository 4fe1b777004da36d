/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sandbox.c - capabilities that are kept, and why.
 */
#include "sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

enum when {
	ALWAYS = 1 << 0, /* by every dataplane, for as long as it runs */
	START = 1 << 1,  /* by every dataplane, until it runs */
	DPDK = 1 << 2,   /* by DPDK, for as long as it runs */
};

static const struct {
	unsigned capability;
	enum when when;
} needed[] = {
	{CAP_NET_ADMIN, ALWAYS},        /* neighbours, forwarding on lo, attaching and detaching */
	{CAP_BPF, ALWAYS},              /* maps, where unprivileged BPF is off */
	{CAP_NET_BIND_SERVICE, ALWAYS}, /* public ports under 1024 */
	{CAP_PERFMON, START},           /* the verifier's leave for pointer arithmetic */
	{CAP_NET_RAW, START},           /* raw sockets for runts, opened once */
	{CAP_SETPCAP, START},           /* to give up the others for good */
	{CAP_NET_RAW, DPDK},            /* packet sockets */
	{CAP_IPC_LOCK, DPDK},           /* huge pages, and memory that devices write to */
	{CAP_SYS_ADMIN, DPDK},          /* physical addresses, where there is no IOMMU */
	{CAP_SYS_RAWIO, DPDK},          /* ports of legacy virtio devices */
	{CAP_SYS_NICE, DPDK},           /* workers on their cores */
	{CAP_DAC_OVERRIDE, DPDK},       /* VFIO groups and hugetlbfs of other owners */
};

/* Keeps what `when` says, of what there is. */
static int keep(unsigned when, struct mr_why *ret_why)
{
	bool kept[CAP_LAST_CAP + 1] = {false};
	bool may_bound;

	if (capng_get_caps_process())
		return -EIO;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (needed[i].when & when)
			kept[needed[i].capability] |=
				capng_have_capability(CAPNG_PERMITTED, needed[i].capability);
	}
	may_bound = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned c = 0; c <= CAP_LAST_CAP; c++) {
		if (kept[c])
			capng_update(CAPNG_ADD,
				CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, c);
	}
	if (capng_apply(may_bound ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS)) {
		snprintf(ret_why->text, sizeof(ret_why->text), "capabilities can't be given up: %s",
			strerror(errno));
		return -EPERM;
	}
	return 0;
}

int mr_sandbox_enter(enum mr_dataplane wanted, struct mr_why *ret_why)
{
	bool dpdk = wanted == MR_DATAPLANE_DPDK || wanted == MR_DATAPLANE_AUTO;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return keep(ALWAYS | START | (dpdk ? DPDK : 0u), ret_why);
}

int mr_sandbox_tighten(enum mr_dataplane dataplane, struct mr_why *ret_why)
{
	return keep(ALWAYS | (dataplane == MR_DATAPLANE_DPDK ? DPDK : 0u), ret_why);
}
