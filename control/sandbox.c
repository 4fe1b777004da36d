/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sandbox.c - the change of user, and the capabilities that are kept, and why.
 */
#include "sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "filter.h"

enum when {
	ALWAYS = 1 << 0, /* by every dataplane, for as long as it runs */
	START = 1 << 1,  /* by every dataplane, until it runs */
	DPDK = 1 << 2,   /* by DPDK, until it runs: EAL and its drivers open all they need */
	REPLUG = 1 << 3, /* by DPDK, for as long as it runs: an interface may be made anew */
};

static const struct {
	unsigned capability;
	enum when when;
} needed[] = {
	{CAP_NET_ADMIN, ALWAYS},        /* neighbours, forwarding on lo, offloads, (de)attaching */
	{CAP_BPF, ALWAYS},              /* tables and links, where unprivileged BPF is off */
	{CAP_NET_BIND_SERVICE, ALWAYS}, /* public ports under 1024 */
	{CAP_PERFMON, START},           /* the verifier's leave for pointer arithmetic */
	{CAP_NET_RAW, START},           /* raw sockets for runts, opened once; packet sockets */
	{CAP_NET_RAW, REPLUG},          /* its packet sockets */
	{CAP_IPC_LOCK, DPDK},           /* huge pages, and memory that devices write to */
	{CAP_SYS_ADMIN, DPDK},          /* physical addresses, where there is no IOMMU */
	{CAP_SYS_RAWIO, DPDK},          /* ports of legacy virtio devices */
	{CAP_SYS_NICE, DPDK},           /* workers on their cores */
	{CAP_DAC_OVERRIDE, DPDK},       /* the module, VFIO groups, /dev/uio* of other owners */
};

/* Selects what `when` says, of what there is. */
static int select_needed(unsigned when)
{
	bool kept[CAP_LAST_CAP + 1] = {false};

	if (capng_get_caps_process())
		return -EIO;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (needed[i].when & when)
			kept[needed[i].capability] |=
				capng_have_capability(CAPNG_PERMITTED, needed[i].capability);
	}
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned c = 0; c <= CAP_LAST_CAP; c++) {
		if (kept[c])
			capng_update(CAPNG_ADD,
				CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, c);
	}
	return 0;
}

/* The bounding set is about programs that are run, so it can be at once what it is in the end. */
static int bound(void)
{
	int r;

	if (capng_get_caps_process())
		return -EIO;
	if (!capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP))
		return 0;
	r = select_needed(ALWAYS);
	return r ? r : capng_apply(CAPNG_SELECT_BOUNDS) ? -EPERM : 0;
}

/* Keeps what `when` says, and becomes `user`, if that is not NULL. */
static int keep(unsigned when, const struct mr_user *user, struct mr_why *ret_why)
{
	int r = select_needed(when);

	if (!r &&
		(user ? capng_change_id((int)user->uid, (int)user->gid, CAPNG_NO_FLAG)
		      : capng_apply(CAPNG_SELECT_CAPS)))
		r = mr_why_set(ret_why, -EPERM, "%s can't be given up: %s",
			user ? "root" : "capabilities", strerror(errno));
	return r;
}

/* Whom to become: 0 and `*ret_user`; -ENOENT: nobody else, and `user_why` may say why. */
static int choose_user(struct mr_sandbox *sandbox, const struct mr_config *config)
{
	struct mr_user user;
	int r = mr_user_find(config->user, &user);

	if (r) {
		mr_why_set(&sandbox->user_why, r,
			"there is no user %s: make it (systemd-sysusers, or useradd --system "
			"%s), or name another one in \"user\"",
			config->user, config->user);
		return r;
	}
	if (user.uid == 0)
		return -ENOENT;
	mr_user_hand_over(&user, config);
	r = mr_user_reaches(&user, config, &sandbox->user_why);
	if (!r)
		sandbox->user = user;
	return r;
}

/* The directory of pins, by a descriptor; without one the dataplane says what is wrong with it. */
static int take_pins(struct mr_sandbox *sandbox, const struct mr_config *config)
{
	if (config->dataplane == MR_DATAPLANE_DPDK)
		return 0;
	sandbox->pin_fd = mr_user_hand_over_pins(&sandbox->user, config->pin_dir);
	if (sandbox->pin_fd >= 0)
		snprintf(sandbox->pin_path, sizeof(sandbox->pin_path), "/proc/self/fd/%d",
			sandbox->pin_fd);
	return sandbox->pin_fd < 0 ? sandbox->pin_fd : 0;
}

static int become_user(struct mr_sandbox *sandbox, const struct mr_config *config,
	const char *config_file, unsigned when, struct mr_why *ret_why)
{
	int r = mr_monitor_start(config_file, config->pin_dir, config->seccomp, &sandbox->monitor);

	if (r)
		return mr_why_set(
			ret_why, r, "the process that stays root can't start: %s", strerror(-r));
	if (take_pins(sandbox, config) == -ENOTEMPTY)
		return mr_why_set(ret_why, -ENOTEMPTY,
			"%.100s is not the daemon's alone, there are directories in it: give it "
			"another --pin-dir",
			config->pin_dir);
	/* Its further groups may be what opens a device or a file to it. */
	if (initgroups(sandbox->user.name, sandbox->user.gid))
		return mr_why_set(ret_why, -errno, "groups of user %s: %s", sandbox->user.name,
			strerror(errno));
	return keep(when, &sandbox->user, ret_why);
}

void mr_sandbox_init(struct mr_sandbox *sandbox)
{
	*sandbox = (struct mr_sandbox){.pin_fd = -1};
}

int mr_sandbox_enter(struct mr_sandbox *sandbox, const struct mr_config *config,
	const char *config_file, struct mr_why *ret_why)
{
	bool dpdk =
		config->dataplane == MR_DATAPLANE_DPDK || config->dataplane == MR_DATAPLANE_AUTO;
	unsigned when = ALWAYS | START | (dpdk ? DPDK : 0u);
	int r;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	r = bound();
	if (r)
		return mr_why_set(ret_why, r, "capabilities can't be bounded: %s", strerror(-r));
	mr_user_current(&sandbox->user);
	if (sandbox->user.uid != 0)
		return keep(when, NULL, ret_why);
	if (!choose_user(sandbox, config))
		return become_user(sandbox, config, config_file, when, ret_why);
	/* Root without CAP_DAC_OVERRIDE is a user like others: what one of them left is taken back.
	 */
	mr_user_hand_over(&sandbox->user, config);
	(void)take_pins(sandbox, config);
	return keep(when, NULL, ret_why);
}

int mr_sandbox_tighten(enum mr_dataplane dataplane, struct mr_why *ret_why)
{
	return keep(ALWAYS | (dataplane == MR_DATAPLANE_DPDK ? REPLUG : 0u), NULL, ret_why);
}

void mr_sandbox_filter(
	struct mr_sandbox *sandbox, const struct mr_config *config, enum mr_dataplane dataplane)
{
	bool dpdk = dataplane == MR_DATAPLANE_DPDK;

	if (config->seccomp)
		sandbox->filtered = !mr_filter_install(
			dpdk ? MR_FILTER_DPDK : MR_FILTER_XDP, &sandbox->filter_why);
}

void mr_sandbox_remove_pin_dir(const struct mr_sandbox *sandbox, const struct mr_config *config)
{
	if (sandbox->monitor)
		(void)mr_monitor_remove_pin_dir(sandbox->monitor);
	else if (sandbox->pin_fd >= 0)
		(void)rmdir(config->pin_dir);
}

void mr_sandbox_thread(void)
{
	capng_clear(CAPNG_SELECT_CAPS);
	(void)capng_apply(CAPNG_SELECT_CAPS);
}

void mr_sandbox_close(struct mr_sandbox *sandbox)
{
	mr_monitor_stop(sandbox->monitor);
	if (sandbox->pin_fd >= 0)
		close(sandbox->pin_fd);
	mr_sandbox_init(sandbox);
}
