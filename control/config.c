/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.c - reads the configuration file with libconfuse and puts the options over it.
 *
 * Every value is a string to libconfuse; setting.c says while the file is read whether it is a good
 * one, so that each complaint comes with its line.
 */
#include "config.h"

#include <assert.h>
#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "setting.h"

/* libconfuse hands its callbacks no context. */
static struct mr_why *parse_why;

static int check_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	struct mr_why why;

	if (mr_setting_check(opt->name, value, &why)) {
		cfg_error(cfg, "%s", why.text);
		return -1;
	}
	*(const char **)result = value;
	return 0;
}

/* Keeps the first complaint: those after it are mostly its consequences. */
static void __attribute__((format(printf, 2, 0)))
on_parse_error(cfg_t *cfg, const char *format, va_list args)
{
	char text[192];

	if (parse_why->text[0])
		return;
	vsnprintf(text, sizeof(text), format, args);
	snprintf(parse_why->text, sizeof(parse_why->text), "%.50s:%d: %s",
		cfg && cfg->filename ? cfg->filename : "?", cfg ? cfg->line : 0, text);
}

#define VALUE(name)  CFG_STR_CB(name, NULL, CFGF_NONE, check_value)
#define VALUES(name) CFG_STR_LIST_CB(name, NULL, CFGF_NONE, check_value)

static cfg_opt_t pool_options[] = {
	VALUES("addresses"),
	VALUES("advertise"),
	VALUE("ports"),
	CFG_END(),
};

static cfg_opt_t allow_options[] = {
	VALUES("users"),
	VALUES("groups"),
	VALUES("targets"),
	VALUE("target-ports"),
	VALUE("sessions"),
	VALUE("opens-per-minute"),
	CFG_END(),
};

static cfg_opt_t admin_options[] = {
	VALUES("users"),
	VALUES("groups"),
	CFG_END(),
};

static cfg_opt_t dpdk_options[] = {
	CFG_END(),
};

static cfg_opt_t file_options[] = {
	VALUES("interfaces"),
	VALUES("public"),
	VALUES("advertise"),
	VALUE("ports"),
	VALUE("upstream-ports"),
	VALUE("dataplane"),
	VALUE("max-sessions"),
	VALUE("run-dir"),
	VALUE("state-dir"),
	VALUE("pin-dir"),
	VALUE("metrics"),
	VALUE("user"),
	VALUE("seccomp"),
	VALUE("log-level"),
	CFG_SEC("pool", pool_options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("allow", allow_options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
	CFG_SEC("admin", admin_options, CFGF_MULTI),
	CFG_SEC("dpdk", dpdk_options, CFGF_KEYSTRVAL),
	CFG_END(),
};

static void free_cfg(cfg_t **cfg)
{
	if (*cfg)
		cfg_free(*cfg);
}

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

static int add_all(struct mr_strv *list, cfg_t *cfg, const char *name)
{
	int r = 0;

	for (unsigned i = 0; !r && i < cfg_size(cfg, name); i++)
		r = mr_strv_add(list, cfg_getnstr(cfg, name, i));
	return r;
}

static int set_text(char **where, const char *text)
{
	char *copy;

	if (!text)
		return 0;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*where);
	*where = copy;
	return 0;
}

int mr_config_add_address(struct mr_config_pool *pool, const struct mr_addr *addr)
{
	struct mr_addr *addresses =
		reallocarray(pool->addresses, pool->n_addresses + 1, sizeof(*addresses));

	if (!addresses)
		return -ENOMEM;
	pool->addresses = addresses;
	pool->addresses[pool->n_addresses++] = *addr;
	return 0;
}

static int add_addresses(struct mr_config_pool *pool, cfg_t *cfg, const char *name)
{
	int r = 0;

	for (unsigned i = 0; !r && i < cfg_size(cfg, name); i++) {
		struct mr_addr addr;

		r = mr_addr_parse(cfg_getnstr(cfg, name, i), &addr);
		if (!r)
			r = mr_config_add_address(pool, &addr);
	}
	return r;
}

/* For values that have been checked, or are not there: then the setting stays as it is. */
static void set_range(struct mr_port_range *range, const char *text)
{
	if (text && mr_port_range_parse(text, range))
		assert(!"checked before");
}

static void set_blocks(struct mr_port_range *range, const char *text)
{
	if (text && mr_setting_blocks(text, range))
		assert(!"checked before");
}

static void set_number(uint32_t *number, const char *text)
{
	if (text && mr_setting_number(text, 1, UINT32_MAX, number))
		assert(!"checked before");
}

static int add_pool(struct mr_config *config, const char *name, struct mr_config_pool **ret_pool)
{
	struct mr_config_pool *pools =
		reallocarray(config->pools, config->n_pools + 1, sizeof(*pools));
	char *copy = strdup(name);

	if (pools)
		config->pools = pools;
	if (!pools || !copy) {
		free(copy);
		return -ENOMEM;
	}
	*ret_pool = &pools[config->n_pools++];
	**ret_pool = (struct mr_config_pool){.name = copy, .ports = {60000, 61000}};
	return 0;
}

static int read_pools(struct mr_config *config, cfg_t *cfg)
{
	struct mr_config_pool *pool = &config->pools[0];
	int r;

	r = add_addresses(pool, cfg, "public");
	if (!r)
		r = add_all(&pool->advertise, cfg, "advertise");
	set_range(&pool->ports, cfg_getstr(cfg, "ports"));
	for (unsigned i = 0; !r && i < cfg_size(cfg, "pool"); i++) {
		cfg_t *section = cfg_getnsec(cfg, "pool", i);

		if (!cfg_size(section, "addresses")) {
			cfg_error(cfg, "pool \"%.32s\": it has no addresses", cfg_title(section));
			return -EBADMSG;
		}
		if (!*cfg_title(section) || strlen(cfg_title(section)) > 31) {
			cfg_error(cfg, "pool \"%.32s\": expected a name of 1 to 31 characters",
				cfg_title(section));
			return -EBADMSG;
		}
		r = add_pool(config, cfg_title(section), &pool);
		if (r)
			return r;
		r = add_addresses(pool, section, "addresses");
		if (!r)
			r = add_all(&pool->advertise, section, "advertise");
		set_range(&pool->ports, cfg_getstr(section, "ports"));
	}
	return r;
}

static int read_rule(struct mr_rule *rule, cfg_t *section)
{
	int r = add_all(&rule->users, section, "users");

	if (!r)
		r = add_all(&rule->groups, section, "groups");
	for (unsigned i = 0; !r && i < cfg_size(section, "targets"); i++) {
		struct mr_prefix prefix;

		r = mr_prefix_parse(cfg_getnstr(section, "targets", i), &prefix);
		if (!r)
			r = mr_policy_add_target(rule, &prefix);
	}
	set_range(&rule->ports, cfg_getstr(section, "target-ports"));
	set_number(&rule->sessions, cfg_getstr(section, "sessions"));
	set_number(&rule->opens_per_minute, cfg_getstr(section, "opens-per-minute"));
	return r;
}

static int read_policy(struct mr_policy *policy, cfg_t *cfg)
{
	int r = 0;

	for (unsigned i = 0; !r && i < cfg_size(cfg, "allow"); i++) {
		cfg_t *section = cfg_getnsec(cfg, "allow", i);
		struct mr_rule *rule;

		if (!cfg_size(section, "targets") ||
			!(cfg_size(section, "users") + cfg_size(section, "groups"))) {
			cfg_error(cfg, "allow \"%.32s\": expected targets, and users or groups",
				cfg_title(section));
			return -EBADMSG;
		}
		rule = mr_policy_add_rule(policy, cfg_title(section));
		r = rule ? read_rule(rule, section) : -ENOMEM;
	}
	for (unsigned i = 0; !r && i < cfg_size(cfg, "admin"); i++) {
		cfg_t *section = cfg_getnsec(cfg, "admin", i);

		r = add_all(&policy->admin_users, section, "users");
		if (!r)
			r = add_all(&policy->admin_groups, section, "groups");
	}
	return r;
}

static int read_dpdk(struct mr_strv *list, cfg_t *section)
{
	cfg_opt_t *opt;
	int r = 0;

	for (unsigned i = 0; !r && (opt = cfg_getnopt(section, i)); i++) {
		char text[1024];

		if (snprintf(text, sizeof(text), "%s=%s", opt->name, cfg_opt_getstr(opt)) >=
			(int)sizeof(text))
			return -E2BIG;
		r = mr_strv_add(list, text);
	}
	return r;
}

static int read_scalars(struct mr_config *config, cfg_t *cfg)
{
	const char *dataplane = cfg_getstr(cfg, "dataplane");
	const char *log_level = cfg_getstr(cfg, "log-level");
	const char *seccomp = cfg_getstr(cfg, "seccomp");

	if (seccomp)
		config->seccomp = !strcmp(seccomp, "on");
	set_blocks(&config->upstream, cfg_getstr(cfg, "upstream-ports"));
	set_number(&config->max_sessions, cfg_getstr(cfg, "max-sessions"));
	if ((dataplane && mr_dataplane_parse(dataplane, &config->dataplane)) ||
		(log_level && mr_log_parse_level(log_level, &config->log_level)))
		return -EBADMSG;
	if (set_text(&config->run_dir, cfg_getstr(cfg, "run-dir")) ||
		set_text(&config->state_dir, cfg_getstr(cfg, "state-dir")) ||
		set_text(&config->pin_dir, cfg_getstr(cfg, "pin-dir")) ||
		set_text(&config->metrics, cfg_getstr(cfg, "metrics")) ||
		set_text(&config->user, cfg_getstr(cfg, "user")))
		return -ENOMEM;
	return add_all(&config->interfaces, cfg, "interfaces");
}

/* Of an open file; `fd` is taken over, or -errno of open(). */
static int open_stream(
	const char *path, int fd, bool may_be_absent, FILE **ret_file, struct mr_why *ret_why)
{
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	int error = fd < 0 ? -fd : file ? 0 : errno;
	struct stat st;

	if (fd == -ENOENT && may_be_absent) {
		*ret_file = NULL;
		return 0;
	}
	if (fd >= 0 && !file)
		close(fd);
	/* libconfuse's scanner ends the process when it can't read. */
	if (file && (fstat(fileno(file), &st) || S_ISDIR(st.st_mode))) {
		fclose(file);
		error = EISDIR;
	}
	if (error) {
		snprintf(ret_why->text, sizeof(ret_why->text),
			"%.128s: the configuration can't be read: %s", path, strerror(error));
		return -EBADMSG;
	}
	*ret_file = file;
	return 0;
}

static int read_file(struct mr_config *config, const char *path, int fd, bool may_be_absent,
	struct mr_why *ret_why)
{
	__attribute__((cleanup(free_cfg))) cfg_t *cfg = NULL;
	__attribute__((cleanup(close_file))) FILE *file = NULL;
	int r = open_stream(path, fd, may_be_absent, &file, ret_why);

	if (r || !file)
		return r;
	cfg = cfg_init(file_options, CFGF_NONE);
	if (!cfg || !(cfg->filename = strdup(path)))
		return -ENOMEM;
	parse_why = ret_why;
	ret_why->text[0] = '\0';
	cfg_set_error_function(cfg, on_parse_error);
	r = cfg_parse_fp(cfg, file) == CFG_SUCCESS ? 0 : -EBADMSG;
	if (!r)
		r = read_scalars(config, cfg);
	if (!r)
		r = read_pools(config, cfg);
	if (!r)
		r = read_policy(&config->policy, cfg);
	if (!r)
		r = read_dpdk(&config->dpdk, cfg_getsec(cfg, "dpdk"));
	if (r && !ret_why->text[0])
		snprintf(ret_why->text, sizeof(ret_why->text), "%.128s: %s", path, strerror(-r));
	return r;
}

static int set_defaults(struct mr_config *config)
{
	struct mr_config_pool *pool;
	int r = add_pool(config, "", &pool);

	config->upstream = (struct mr_port_range){61008, 65535};
	config->max_sessions = 65536;
	config->log_level = MR_LOG_INFO;
	config->seccomp = true;
	if (r || set_text(&config->user, "moshrelay") ||
		set_text(&config->run_dir, "/run/moshrelay") ||
		set_text(&config->state_dir, "/var/lib/moshrelay") ||
		set_text(&config->pin_dir, "/sys/fs/bpf/moshrelay"))
		return -ENOMEM;
	return 0;
}

static int apply_lists(struct mr_config *config, const struct mr_options *options)
{
	int r = 0;

	if (options->interfaces.n)
		mr_strv_clear(&config->interfaces);
	for (size_t i = 0; !r && i < options->interfaces.n; i++)
		r = mr_strv_add(&config->interfaces, options->interfaces.items[i]);
	if (options->addresses.n)
		config->pools[0].n_addresses = 0;
	for (size_t i = 0; !r && i < options->addresses.n; i++) {
		struct mr_addr addr;

		r = mr_addr_parse(options->addresses.items[i], &addr);
		if (!r)
			r = mr_config_add_address(&config->pools[0], &addr);
	}
	return r;
}

static int apply_options(struct mr_config *config, const struct mr_options *options)
{
	set_range(&config->pools[0].ports, options->ports);
	set_blocks(&config->upstream, options->upstream_ports);
	set_number(&config->max_sessions, options->max_sessions);
	if ((options->dataplane && mr_dataplane_parse(options->dataplane, &config->dataplane)) ||
		(options->log_level && mr_log_parse_level(options->log_level, &config->log_level)))
		return -EINVAL;
	if (set_text(&config->run_dir, options->run_dir) ||
		set_text(&config->state_dir, options->state_dir) ||
		set_text(&config->pin_dir, options->pin_dir) ||
		set_text(&config->metrics, options->metrics))
		return -ENOMEM;
	return apply_lists(config, options);
}

/* What the file and the options left open, and needs no look at the host. */
static int fill_policy(struct mr_policy *policy)
{
	int r;

	r = policy->n_rules ? mr_policy_add_root(policy) : mr_policy_add_default(policy);
	if (!r && !policy->admin_users.n && !policy->admin_groups.n)
		r = mr_strv_add(&policy->admin_users, "root");
	return r;
}

const char *mr_config_path(const struct mr_options *options)
{
	return options->file ? options->file : MR_CONFIG_FILE;
}

int mr_config_load(
	const struct mr_options *options, struct mr_config *ret_config, struct mr_why *ret_why)
{
	int fd = open(mr_config_path(options), O_RDONLY | O_CLOEXEC);

	return mr_config_load_fd(options, fd < 0 ? -errno : fd, ret_config, ret_why);
}

int mr_config_load_fd(const struct mr_options *options, int fd, struct mr_config *ret_config,
	struct mr_why *ret_why)
{
	struct mr_config config = {0};
	int r = set_defaults(&config);

	ret_why->text[0] = '\0';
	if (!r)
		r = read_file(&config, mr_config_path(options), fd, !options->file, ret_why);
	else if (fd >= 0)
		close(fd);
	if (!r)
		r = apply_options(&config, options);
	if (!r)
		r = fill_policy(&config.policy);
	if (!r) {
		r = mr_config_check(&config, ret_why);
		if (r == -EINVAL && !options->ports && !options->upstream_ports &&
			!options->addresses.n)
			r = -EBADMSG;
	}
	if (r) {
		if (!ret_why->text[0])
			snprintf(ret_why->text, sizeof(ret_why->text), "configuration: %s",
				strerror(-r));
		mr_config_clear(&config);
		return r;
	}
	*ret_config = config;
	return 0;
}

void mr_config_clear(struct mr_config *config)
{
	for (size_t i = 0; i < config->n_pools; i++) {
		free(config->pools[i].name);
		free(config->pools[i].addresses);
		mr_strv_clear(&config->pools[i].advertise);
	}
	free(config->pools);
	mr_strv_clear(&config->interfaces);
	mr_strv_clear(&config->dpdk);
	mr_policy_clear(&config->policy);
	free(config->run_dir);
	free(config->state_dir);
	free(config->pin_dir);
	free(config->metrics);
	free(config->user);
	*config = (struct mr_config){0};
}
