/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.h - options and the configuration file, made into one checked struct.
 *
 * Owns names, defaults and limits of every setting. Looks nothing up: interfaces and addresses that
 * are left to the host stay empty here, main.c fills them in. moshrelay.conf(5) is the manual.
 */
#ifndef MR_CONTROL_CONFIG_H
#define MR_CONTROL_CONFIG_H

#include "backend.h"
#include "log.h"
#include "policy.h"

#define MR_CONFIG_FILE "/etc/moshrelay/moshrelay.conf"

#define MR_CONFIG_POOLS_MAX    64
#define MR_CONFIG_SESSIONS_MAX 4194304

/** A pool of public endpoints. The first one is that of `public` and `ports`, and has no name. */
struct mr_config_pool {
	char *name;
	struct mr_addr *addresses; /* the first pool's: empty, the interfaces' own are meant */
	size_t n_addresses;
	struct mr_strv advertise; /* empty: clients dial the addresses */
	struct mr_port_range ports;
};

struct mr_config {
	struct mr_strv interfaces; /* empty: that of the default route */
	struct mr_config_pool *pools;
	size_t n_pools; /* at least one */
	struct mr_port_range upstream;
	enum mr_dataplane dataplane;
	uint32_t max_sessions;
	char *run_dir, *state_dir, *pin_dir;
	char *metrics; /* "ADDRESS:PORT", NULL: off */
	char *user;    /* to become, if there is one of that name */
	bool seccomp;  /* filter system calls */
	enum mr_log_level log_level;
	struct mr_strv dpdk; /* "name=value" */
	struct mr_policy policy;
};

/** What the command line asks for. */
enum mr_config_action {
	MR_CONFIG_RUN,
	MR_CONFIG_HELP,
	MR_CONFIG_VERSION,
	MR_CONFIG_DETACH,
};

/** The command line, checked for form only. Strings belong to argv. */
struct mr_options {
	enum mr_config_action action;
	const char *file; /* NULL: MR_CONFIG_FILE, which may be absent */
	struct mr_strv interfaces, addresses;
	const char *ports, *upstream_ports, *dataplane, *max_sessions, *run_dir, *state_dir,
		*pin_dir, *metrics, *log_level;
};

/** -EINVAL: `ret_why` says which argument is wrong. Uses getopt_long(): once a process. */
int mr_options_parse(int argc, char **argv, struct mr_options *ret_options, struct mr_why *ret_why);
void mr_options_clear(struct mr_options *options);

/** The text of --help. */
extern const char mr_options_help[];

/**
 * Reads the file, then puts the options over it.
 * \return 0; -EINVAL: a bad option (exit status 2); -EBADMSG: a bad or unreadable file (exit status
 * 1); -ENOMEM. `ret_why` names the option, or file and line. Not thread-safe.
 */
int mr_config_load(
	const struct mr_options *options, struct mr_config *ret_config, struct mr_why *ret_why);

/** The same with the file opened by somebody else: `fd`, which is taken over, or -errno of open().
 */
int mr_config_load_fd(const struct mr_options *options, int fd, struct mr_config *ret_config,
	struct mr_why *ret_why);

/** The file that is read. */
const char *mr_config_path(const struct mr_options *options);

void mr_config_clear(struct mr_config *config);

/** Appends a public address to a pool. 0 or -ENOMEM. */
int mr_config_add_address(struct mr_config_pool *pool, const struct mr_addr *addr);

/**
 * Checks what holds between settings: ranges that overlap, too many addresses. mr_config_load() has
 * done it; to be called again when the first pool's addresses have been filled in. -EINVAL.
 */
int mr_config_check(const struct mr_config *config, struct mr_why *ret_why);

#endif
