/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.c - the command line of the daemon.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "setting.h"

const char mr_options_help[] =
	"Usage: moshrelayd [OPTIONS]\n"
	"Relays mosh sessions through this host. Runs in the foreground.\n"
	"\n"
	"  -c, --config FILE          configuration (" MR_CONFIG_FILE ")\n"
	"  -i, --interface IFACE      relay on this interface; may be repeated (that of the\n"
	"                             default route)\n"
	"      --public ADDRESS       clients send to this address; may be repeated (those of\n"
	"                             the default route's interface)\n"
	"      --ports LO-HI          public ports (60000-61000)\n"
	"      --upstream-ports LO-HI ports towards targets (61008-65535)\n"
	"      --dataplane NAME       auto, xdp, xdp-generic or dpdk (auto)\n"
	"      --max-sessions N       sessions at a time (65536)\n"
	"      --run-dir DIR          for the setup socket (/run/moshrelay)\n"
	"      --state-dir DIR        for the sessions' store (/var/lib/moshrelay)\n"
	"      --pin-dir DIR          on a BPF file system (/sys/fs/bpf/moshrelay)\n"
	"      --metrics ADDRESS:PORT answer GET /metrics there, for Prometheus (off)\n"
	"      --log-level LEVEL      error, warning, notice, info or debug (info)\n"
	"      --detach               don't run: take off what a daemon that is gone has left\n"
	"                             attached; as moshrelay detach does then\n"
	"  -h, --help                 this text\n"
	"  -V, --version              the version\n"
	"\n"
	"Options beat the file. SIGHUP reads policy, addresses and ports anew; SIGTERM ends the\n"
	"daemon and leaves the XDP program forwarding. See moshrelayd(8), moshrelay.conf(5).\n"
	"\n"
	"Exit status: 0 done, 1 failed, 2 usage.\n";

enum option_id {
	OPT_PUBLIC = 256,
	OPT_PORTS,
	OPT_UPSTREAM,
	OPT_DATAPLANE,
	OPT_MAX_SESSIONS,
	OPT_RUN_DIR,
	OPT_STATE_DIR,
	OPT_PIN_DIR,
	OPT_METRICS,
	OPT_LOG_LEVEL,
	OPT_DETACH,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"interface", required_argument, NULL, 'i'},
	{"public", required_argument, NULL, OPT_PUBLIC},
	{"ports", required_argument, NULL, OPT_PORTS},
	{"upstream-ports", required_argument, NULL, OPT_UPSTREAM},
	{"dataplane", required_argument, NULL, OPT_DATAPLANE},
	{"max-sessions", required_argument, NULL, OPT_MAX_SESSIONS},
	{"run-dir", required_argument, NULL, OPT_RUN_DIR},
	{"state-dir", required_argument, NULL, OPT_STATE_DIR},
	{"pin-dir", required_argument, NULL, OPT_PIN_DIR},
	{"metrics", required_argument, NULL, OPT_METRICS},
	{"log-level", required_argument, NULL, OPT_LOG_LEVEL},
	{"detach", no_argument, NULL, OPT_DETACH},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

/* Keeps one option's argument; the setting of the same name says what is right. */
static int take_value(struct mr_options *options, int id, const char *text, struct mr_why *ret_why)
{
	const struct {
		int id;
		const char *name;
		const char **value;
	} values[] = {
		{OPT_PORTS, "ports", &options->ports},
		{OPT_UPSTREAM, "upstream-ports", &options->upstream_ports},
		{OPT_DATAPLANE, "dataplane", &options->dataplane},
		{OPT_MAX_SESSIONS, "max-sessions", &options->max_sessions},
		{OPT_RUN_DIR, "run-dir", &options->run_dir},
		{OPT_STATE_DIR, "state-dir", &options->state_dir},
		{OPT_PIN_DIR, "pin-dir", &options->pin_dir},
		{OPT_METRICS, "metrics", &options->metrics},
		{OPT_LOG_LEVEL, "log-level", &options->log_level},
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (values[i].id == id) {
			*values[i].value = text;
			return mr_setting_check(values[i].name, text, ret_why);
		}
	}
	return -EINVAL;
}

static int take_option(struct mr_options *options, int id, const char *text, struct mr_why *ret_why)
{
	int r = 0;

	switch (id) {
	case 'c':
		r = mr_setting_check("config", text, ret_why);
		options->file = text;
		break;
	case 'i':
		r = mr_setting_check("interfaces", text, ret_why);
		if (!r)
			r = mr_strv_add(&options->interfaces, text);
		break;
	case OPT_PUBLIC:
		r = mr_setting_check("public", text, ret_why);
		if (!r)
			r = mr_strv_add(&options->addresses, text);
		break;
	case OPT_DETACH:
		options->action = MR_CONFIG_DETACH;
		break;
	case 'h':
		options->action = MR_CONFIG_HELP;
		break;
	case 'V':
		options->action = MR_CONFIG_VERSION;
		break;
	default:
		r = take_value(options, id, text, ret_why);
	}
	return r;
}

/* What stands behind --help or --version isn't looked at. */
static bool says_and_ends(const struct mr_options *options)
{
	return options->action == MR_CONFIG_HELP || options->action == MR_CONFIG_VERSION;
}

int mr_options_parse(int argc, char **argv, struct mr_options *ret_options, struct mr_why *ret_why)
{
	struct mr_options options = {0};
	int id, r = 0;

	opterr = 0;
	while (!r && !says_and_ends(&options) &&
		(id = getopt_long(argc, argv, ":c:i:hV", long_options, NULL)) != -1) {
		if (id == '?' || id == ':') {
			snprintf(ret_why->text, sizeof(ret_why->text), "%.64s: %s",
				argv[optind - 1],
				id == ':' ? "an argument is missing"
					  : "no such option, or it could be several");
			r = -EINVAL;
		} else {
			r = take_option(&options, id, optarg, ret_why);
		}
	}
	if (!r && !says_and_ends(&options) && optind < argc) {
		snprintf(ret_why->text, sizeof(ret_why->text),
			"%.64s: only options are expected here", argv[optind]);
		r = -EINVAL;
	}
	if (r == -ENOMEM)
		snprintf(ret_why->text, sizeof(ret_why->text), "out of memory");
	if (r) {
		mr_options_clear(&options);
		return r;
	}
	*ret_options = options;
	return 0;
}

void mr_options_clear(struct mr_options *options)
{
	mr_strv_clear(&options->interfaces);
	mr_strv_clear(&options->addresses);
	*options = (struct mr_options){0};
}
