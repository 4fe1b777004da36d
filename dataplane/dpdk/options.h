/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - the `dpdk { }` section as the module understands it: "name=value" strings to fields.
 *
 * Owns the names, their defaults and what is said of a wrong one. Whether a device exists or memory
 * suffices is eal.h's to find out. docs/dpdk.md has the table for people.
 */
#ifndef MR_DPDK_OPTIONS_H
#define MR_DPDK_OPTIONS_H

#include "backend.h"

#define MR_DPDK_PORTS_MAX   16
#define MR_DPDK_WORKERS_MAX 32
#define MR_DPDK_EAL_MAX     32

enum mr_dpdk_hugepages {
	MR_HUGEPAGES_AUTO, /* where the host has free ones */
	MR_HUGEPAGES_NONE,
	MR_HUGEPAGES_REQUIRED,
};

enum mr_dpdk_exception {
	MR_EXCEPTION_AUTO,   /* kernel on net_af_packet, tap everywhere else */
	MR_EXCEPTION_TAP,    /* what is no session's goes through a TAP interface, and back */
	MR_EXCEPTION_KERNEL, /* the kernel has seen it anyway */
};

/** Lists are words with spaces between them, because the words themselves may have commas. */
struct mr_dpdk_options {
	char text[4096]; /* the words of all lists */
	size_t text_used;
	const char *devices[MR_DPDK_PORTS_MAX]; /* PCI address, maybe ",devargs" */
	size_t n_devices;
	const char *vdevs[MR_DPDK_PORTS_MAX]; /* EAL's form: "net_tap0,iface=x" */
	size_t n_vdevs;
	const char *eal[MR_DPDK_EAL_MAX]; /* further EAL arguments */
	size_t n_eal;
	uint16_t lcores[MR_DPDK_WORKERS_MAX]; /* CPUs of the workers; none: not pinned */
	size_t n_lcores;
	uint32_t workers;     /* packet threads, and so queues of each port */
	uint32_t memory_mib;  /* 0: as much as the tables and buffers need */
	uint32_t descriptors; /* of each queue, 0: what suits the port */
	enum mr_dpdk_hugepages hugepages;
	enum mr_dpdk_exception exception;
	bool poll; /* never sleep */
};

/**
 * Reads the options; -EINVAL with `ret_why` naming the option that is wrong, and `ret_options` half
 * filled in. The result points into itself: it can't be copied.
 */
int mr_dpdk_options_parse(const char *const *options, size_t n_options,
	struct mr_dpdk_options *ret_options, struct mr_why *ret_why);

#endif
