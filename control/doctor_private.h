/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_private.h - what the parts of the doctor share: the list of findings, and small looks at
 * the host.
 *
 * doctor_host.c examines kernel, privileges and ports, doctor_link.c interfaces, doctor_path.c
 * addresses and ways to targets.
 */
#ifndef MR_CONTROL_DOCTOR_PRIVATE_H
#define MR_CONTROL_DOCTOR_PRIVATE_H

#include "doctor.h"

enum finding {
	FINDING_OK,
	FINDING_WARN, /* works, but not as well or not for all */
	FINDING_FAIL, /* will not work until it is changed */
};

struct report {
	const struct mr_doctor *doctor;
	json_t *checks;
	bool failed;
	bool out_of_memory;
};

/** Text of the right length for a finding. */
struct phrase {
	char text[512];
};

struct phrase phrase(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Adds a finding; `advice` NULL or "": nothing is to be done. */
void finding_add(struct report *report, enum finding finding, const char *name, const char *detail,
	const char *advice);

/** Is the interface one that the dataplane is attached to? */
bool is_attached(const struct mr_doctor *doctor, const char *iface);

/** Kernel version as major * 1000 + minor. */
unsigned kernel_version(void);

/** First line of a file, without its end; -errno. */
int line_read(const char *path, char *buf, size_t size);

void examine_host(struct report *report);
void examine_ports(struct report *report);
void examine_links(struct report *report);
void examine_publics(struct report *report);
void examine_targets(struct report *report);

/** `port` 0: not given. */
void examine_target(struct report *report, const struct mr_addr *target, uint16_t port);

#endif
