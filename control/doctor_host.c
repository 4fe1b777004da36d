// SPDX-License-Identifier: BSD-2-Clause
/*
 * doctor_host.c - the kernel, the daemon's privileges, and who has which ports.
 */
#include <cap-ng.h>
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "doctor_private.h"
#include "loopback.h"

#define KERNEL_MIN     5015 /* 5.15 */
#define KERNEL_MANAGED 5016
#define KERNEL_FRAGS   5018
#define KERNEL_BY_FD   5019 /* maps that are open may be written without privilege */
#define PORTS_SHOWN    5

static bool is_xdp(const struct mr_doctor *doctor)
{
	return doctor->dataplane == MR_DATAPLANE_XDP_NATIVE ||
		doctor->dataplane == MR_DATAPLANE_XDP_GENERIC;
}

static void examine_kernel(struct report *report)
{
	unsigned version = kernel_version();
	struct utsname name;

	uname(&name);
	finding_add(report, version < KERNEL_MIN ? FINDING_FAIL : FINDING_OK, "kernel",
		phrase("%s%s%s", name.release,
			version < KERNEL_MANAGED
				? ", no managed neighbours (5.16): the daemon keeps them alive"
				: "",
			version < KERNEL_FRAGS ? ", no XDP for frames over one page (5.18)" : "")
			.text,
		version < KERNEL_MIN ? "use Linux 5.15 or later" : NULL);
	if (!is_xdp(report->doctor))
		return;
	bool types = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
	finding_add(report, types ? FINDING_OK : FINDING_FAIL, "kernel types",
		types ? "/sys/kernel/btf/vmlinux" : "no /sys/kernel/btf/vmlinux",
		types ? NULL
		      : "the XDP program needs a kernel with CONFIG_DEBUG_INFO_BTF=y to load; "
			"--dataplane dpdk does not");
}

static void examine_dataplane(struct report *report)
{
	const struct mr_doctor *doctor = report->doctor;
	bool generic = doctor->dataplane == MR_DATAPLANE_XDP_GENERIC;

	finding_add(report, generic ? FINDING_WARN : FINDING_OK, "dataplane",
		doctor->dataplane_text ? doctor->dataplane_text : "?",
		generic ? "generic XDP costs several times what native XDP does: if the driver has "
			  "native XDP, use --dataplane xdp, which says why it is refused"
			: NULL);
	if (doctor->dataplane_error && *doctor->dataplane_error)
		finding_add(report, FINDING_FAIL, "dataplane", doctor->dataplane_error,
			"it is tried again and again; what the kernel does not take now, nft and "
			"dmesg may tell; restarting moshrelayd begins afresh");
}

static void examine_privileges(struct report *report)
{
	static const struct {
		unsigned capability;
		bool xdp_only;
		const char *use;
	} needed[] = {
		{CAP_NET_ADMIN, false, "to keep neighbours resolved"},
		{CAP_BPF, true, "to open and close sessions in the XDP program's tables"},
	};
	char restricted[8] = "0";

	/* Tables may be written without privilege where that is let to everybody. */
	(void)line_read(
		"/proc/sys/kernel/unprivileged_bpf_disabled", restricted, sizeof(restricted));
	if (capng_get_caps_process()) {
		finding_add(report, FINDING_WARN, "privileges", "can't be read", NULL);
		return;
	}
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		const char *name = capng_capability_to_name(needed[i].capability);
		bool have = capng_have_capability(CAPNG_EFFECTIVE, needed[i].capability) ||
			(needed[i].capability == CAP_BPF &&
				(*restricted == '0' || kernel_version() >= KERNEL_BY_FD ||
					capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN)));
		if (needed[i].xdp_only && !is_xdp(report->doctor))
			continue;
		finding_add(report, have ? FINDING_OK : FINDING_FAIL, "privileges",
			phrase("%s cap_%s %s", have ? "has" : "lacks", name, needed[i].use).text,
			have ? NULL
			     : "start moshrelayd as root, it gives up by itself what it does "
			       "not need; or name the capability in AmbientCapabilities=");
	}
}

static void examine_sandbox(struct report *report)
{
	const struct mr_sandbox *sandbox = report->doctor->sandbox;
	bool root;

	if (!sandbox)
		return;
	root = sandbox->user.uid == 0;
	finding_add(report, root ? FINDING_WARN : FINDING_OK, "privileges",
		phrase("the daemon runs as %s", sandbox->user.name).text,
		!root                               ? NULL
			: sandbox->user_why.text[0] ? sandbox->user_why.text
						    : "\"user\" in its configuration says so");
	finding_add(report, sandbox->filtered ? FINDING_OK : FINDING_WARN, "system calls",
		sandbox->filtered ? "filtered (seccomp)" : "not filtered",
		sandbox->filtered                     ? NULL
			: sandbox->filter_why.text[0] ? sandbox->filter_why.text
						      : "\"seccomp\" in its configuration says so");
}

static void examine_forwarding(struct report *report)
{
	static const struct {
		int family;
		const char *sysctl;
	} rows[] = {
		{AF_INET, "net.ipv4.conf.lo.forwarding"},
		{AF_INET6, "net.ipv6.conf.lo.forwarding"},
	};

	for (size_t i = 0; is_xdp(report->doctor) && i < 2; i++) {
		int on = mr_loopback_forwarding(rows[i].family);
		if (on == -ENOENT)
			continue; /* no IPv6 here */
		finding_add(report, on > 0 ? FINDING_OK : FINDING_FAIL, "route look-ups",
			phrase("%s is %s", rows[i].sysctl,
				on > 0       ? "1"
					: on ? "unreadable"
					     : "0: every look-up is refused")
				.text,
			on > 0 ? NULL
			       : phrase("sysctl -w %s=1; the daemon sets it at its start, and "
					"again "
					"when it is reset: something keeps it from that",
					 rows[i].sysctl)
					 .text);
	}
}

/*
 * The kernel's neighbour table is one for all namespaces. From gc_thresh2 on it throws entries out
 * after 5 s, ours too; at gc_thresh3 there are no new ones.
 */
static void examine_neighbour_table(struct report *report)
{
	static const struct {
		const char *family, *used, *soft, *hard;
	} rows[] = {
		{"ipv4", "/proc/net/stat/arp_cache", "/proc/sys/net/ipv4/neigh/default/gc_thresh2",
			"/proc/sys/net/ipv4/neigh/default/gc_thresh3"},
		{"ipv6", "/proc/net/stat/ndisc_cache",
			"/proc/sys/net/ipv6/neigh/default/gc_thresh2",
			"/proc/sys/net/ipv6/neigh/default/gc_thresh3"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char line[256];
		unsigned used, soft, hard;
		FILE *file = fopen(rows[i].used, "re");
		bool read = file && fgets(line, sizeof(line), file) && /* column names */
			fscanf(file, "%x", &used) == 1;
		if (file)
			fclose(file);
		/* The limits are only shown in the first namespace. */
		if (!read || line_read(rows[i].soft, line, sizeof(line)) ||
			sscanf(line, "%u", &soft) != 1 ||
			line_read(rows[i].hard, line, sizeof(line)) ||
			sscanf(line, "%u", &hard) != 1)
			continue;
		finding_add(report, used > soft ? FINDING_WARN : FINDING_OK, "neighbour table",
			phrase("%s: %u entries, limits %u and %u%s", rows[i].family, used, soft,
				hard, used > soft ? ": next hops of sessions are thrown out" : "")
				.text,
			phrase(used > soft ? "sysctl -w net.%s.neigh.default.gc_thresh2=%u "
					     "net.%s.neigh.default.gc_thresh3=%u"
					   : "",
				rows[i].family, 4 * used, rows[i].family, 8 * used)
				.text);
	}
}

void examine_host(struct report *report)
{
	examine_kernel(report);
	examine_dataplane(report);
	examine_privileges(report);
	examine_sandbox(report);
	examine_forwarding(report);
	examine_neighbour_table(report);
	finding_add(report, FINDING_OK, "firewall",
		phrase("relayed datagrams pass below this host's packet filter; what stands in "
		       "front "
		       "of it must admit UDP to ports %u-%u, and targets UDP from ports %u-%u",
			report->doctor->port_lo, report->doctor->port_hi,
			report->doctor->upstream_lo, report->doctor->upstream_hi)
			.text,
		NULL);
}

/* Ports */

static int inode_compare(const void *a, const void *b)
{
	unsigned long x = (unsigned long)a, y = (unsigned long)b;

	return (x > y) - (x < y);
}

/* The inodes of the daemon's own sockets, as a tsearch(3) tree whose keys are the numbers. */
static void *own_sockets(void)
{
	DIR *dir = opendir("/proc/self/fd");
	void *tree = NULL;
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char target[64];
		unsigned long inode;
		ssize_t length = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (length <= 0)
			continue;
		target[length] = '\0';
		if (sscanf(target, "socket:[%lu]", &inode) == 1)
			(void)tsearch((void *)inode, &tree, inode_compare);
	}
	if (dir)
		closedir(dir);
	return tree;
}

static void no_free(void *key)
{
	(void)key; /* a number, not memory */
}

/* Others' UDP ports within a range. */
struct taken {
	uint16_t lo, hi;
	uint8_t seen[8192]; /* one bit a port: IPv4 and IPv6 often have the same */
	size_t count;
	uint16_t ports[PORTS_SHOWN];
};

static void taken_add(struct taken *taken, unsigned port)
{
	uint8_t bit = (uint8_t)(1U << (port & 7));

	if (port < taken->lo || port > taken->hi || (taken->seen[port >> 3] & bit))
		return;
	taken->seen[port >> 3] |= bit;
	if (taken->count < PORTS_SHOWN)
		taken->ports[taken->count] = (uint16_t)port;
	taken->count++;
}

static void table_read(const char *path, void *own, struct taken *publics, struct taken *upstreams)
{
	FILE *file = fopen(path, "re");
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		unsigned port;
		unsigned long inode;
		/* sl local rem st queues timer retransmits uid timeout inode */
		if (sscanf(line, " %*u: %*[^:]:%x %*s %*s %*s %*s %*s %*s %*s %lu", &port,
			    &inode) != 2 ||
			port > 65535 || tfind((void *)inode, &own, inode_compare))
			continue;
		taken_add(publics, port);
		taken_add(upstreams, port);
	}
	if (file)
		fclose(file);
}

static struct phrase taken_list(const struct taken *taken)
{
	struct phrase list = {""};
	size_t length = 0;

	for (size_t i = 0; i < mr_min(taken->count, (size_t)PORTS_SHOWN); i++)
		length += (size_t)snprintf(list.text + length, sizeof(list.text) - length, "%s%u",
			i ? ", " : "", taken->ports[i]);
	if (taken->count > PORTS_SHOWN)
		snprintf(list.text + length, sizeof(list.text) - length, ", ...");
	return list;
}

static void examine_taken(struct report *report, const char *name, const struct taken *taken,
	const char *harm, const char *advice)
{
	unsigned all = (unsigned)(taken->hi - taken->lo + 1);

	if (!taken->count)
		finding_add(report, FINDING_OK, name,
			phrase("%u-%u, none in other programs' use", taken->lo, taken->hi).text,
			NULL);
	else
		finding_add(report, FINDING_WARN, name,
			phrase("%zu of %u are in other programs' use (%s): %s", taken->count, all,
				taken_list(taken).text, harm)
				.text,
			advice);
}

/* Are all ports of a range kept from automatic use? `reserved` is like "60000-61000,8080". */
static bool is_reserved(const char *reserved, unsigned lo, unsigned hi)
{
	for (const char *at = reserved; *at;) {
		unsigned first, last;
		int used = 0;
		if (sscanf(at, "%u%n", &first, &used) != 1)
			break;
		last = first;
		at += used;
		if (sscanf(at, "-%u%n", &last, &used) == 1)
			at += used;
		if (first <= lo && last >= lo) { /* the rest may lie in the next piece */
			if (last >= hi)
				return true;
			lo = last + 1;
		}
		at += *at == ',';
	}
	return false;
}

static void examine_ephemeral(struct report *report)
{
	const struct mr_doctor *doctor = report->doctor;
	unsigned lo = 0, hi = 0;
	char line[64], reserved[4096] = "";

	if (line_read("/proc/sys/net/ipv4/ip_local_port_range", line, sizeof(line)) ||
		sscanf(line, "%u %u", &lo, &hi) != 2)
		return;
	(void)line_read("/proc/sys/net/ipv4/ip_local_reserved_ports", reserved, sizeof(reserved));
	unsigned from = mr_max(lo, (unsigned)doctor->upstream_lo);
	unsigned to = mr_min(hi, (unsigned)doctor->upstream_hi);
	bool overlap = from <= to && !is_reserved(reserved, from, to);
	finding_add(report, overlap ? FINDING_WARN : FINDING_OK, "local port range",
		phrase("%u-%u, upstream ports %u-%u%s", lo, hi, doctor->upstream_lo,
			doctor->upstream_hi,
			overlap ? ": a local program that talks to a target by UDP may get a "
				  "session's upstream port"
				: "")
			.text,
		phrase(overlap ? "sysctl -w net.ipv4.ip_local_reserved_ports=%s%s%u-%u" : "",
			reserved, *reserved ? "," : "", doctor->upstream_lo, doctor->upstream_hi)
			.text);
}

void examine_ports(struct report *report)
{
	const struct mr_doctor *doctor = report->doctor;
	struct taken publics = {.lo = doctor->port_lo, .hi = doctor->port_hi};
	struct taken upstreams = {.lo = doctor->upstream_lo, .hi = doctor->upstream_hi};
	void *own = own_sockets();

	table_read("/proc/self/net/udp", own, &publics, &upstreams);
	table_read("/proc/self/net/udp6", own, &publics, &upstreams);
	tdestroy(own, no_free);
	examine_taken(report, "public ports", &publics, "they are not given to sessions",
		"move those programs, or choose other ports with --ports");
	examine_taken(report, "upstream ports", &upstreams,
		"what such a program exchanges with a session's target endpoint is taken for the "
		"session's",
		"move those programs, or choose others with --upstream-ports");
	examine_ephemeral(report);
}
