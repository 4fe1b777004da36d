/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - moshrelayd: the command line, and the life of the daemon from start to exit status.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "attached.h"
#include "config.h"
#include "daemon.h"

enum exit_status {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

/** Takes over `config`. */
static int detach(struct mr_config *config)
{
	struct mr_why why;
	size_t links;
	int r = mr_attached_detach(config, &links, &why);

	if (r)
		mr_log_error("can't detach: %s", why.text);
	else
		printf("interfaces taken off: %zu\n", links);
	mr_config_clear(config);
	return r ? EXIT_FAILED : EXIT_DONE;
}

static int run(const struct mr_options *options)
{
	struct mr_daemon *daemon;
	struct mr_config config;
	struct mr_why why;
	int r = mr_config_load(options, &config, &why);

	if (r) {
		mr_log_error("%s", why.text);
		return r == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	}
	mr_log_init(config.log_level);
	if (options->action == MR_CONFIG_DETACH)
		return detach(&config);
	if (mr_daemon_start(options, &config, &daemon))
		return EXIT_FAILED;
	mr_daemon_run(daemon);
	mr_daemon_stop(daemon);
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct mr_options options;
	struct mr_why why;
	int status;

	mr_log_init(MR_LOG_INFO);
	if (mr_options_parse(argc, argv, &options, &why)) {
		mr_log_error("%s; see moshrelayd --help", why.text);
		return EXIT_USAGE;
	}
	switch (options.action) {
	case MR_CONFIG_HELP:
		fputs(mr_options_help, stdout);
		status = EXIT_DONE;
		break;
	case MR_CONFIG_VERSION:
		puts("moshrelayd " MR_VERSION);
		status = EXIT_DONE;
		break;
	default:
		status = run(&options);
	}
	mr_options_clear(&options);
	return fflush(stdout) ? EXIT_FAILED : status;
}
