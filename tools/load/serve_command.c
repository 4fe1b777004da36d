// SPDX-License-Identifier: BSD-2-Clause
/*
 * serve_command.c - moshrelay-load serve: options, and what is told to people.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "command.h"
#include "registry.h"
#include "serve.h"

static const struct option options[] = {
	{"address", required_argument, NULL, 'a'},
	{"ports", required_argument, NULL, 'p'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static enum mr_exit help(void)
{
	printf("usage: moshrelay-load serve --address ADDRESS --ports LO-HI\n"
	       "Answers on each of the UDP ports as a mosh-server would: it follows only the "
	       "newest\n"
	       "authentic datagram and drops the rest. Ends with SIGINT or SIGTERM.\n");
	return MR_EXIT_DONE;
}

struct context {
	const union mr_sockaddr *address;
	struct mr_port_range ports;
	int registry_fd;
};

static void ready(void *data)
{
	struct context *context = data;
	int r = mr_registry_add(context->address, context->ports, &context->registry_fd);

	if (r < 0)
		mr_cli_error(
			"cannot announce the targets: %s; give run --target and --target-ports",
			strerror(-r));
	sd_notify(0, "READY=1");
	printf("%u targets ready\n", mr_port_range_count(context->ports));
	fflush(stdout);
}

enum mr_exit mr_load_serve(int argc, char **argv)
{
	struct context context = {.registry_fd = -1};
	union mr_sockaddr address = {0};
	uint16_t port = 0;
	int option, r;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'a':
			if (mr_sockaddr_parse(optarg, &address) < 0)
				return mr_cli_usage("cannot serve at %s: not an address", optarg);
			break;
		case 'p':
			if (mr_port_range_parse(optarg, &context.ports) < 0)
				return mr_cli_usage(
					"cannot serve ports %s: it must be LO-HI", optarg);
			break;
		case 'h':
			return help();
		default:
			return MR_EXIT_USAGE;
		}
	}
	if (optind < argc)
		return mr_cli_usage("cannot serve: \"%s\" is no option", argv[optind]);
	if (address.sa.sa_family == AF_UNSPEC || context.ports.lo == 0)
		return mr_cli_usage("cannot serve: --address and --ports are needed");
	context.address = &address;
	r = mr_serve_run(&address, context.ports, ready, &context, &port);
	if (context.registry_fd >= 0)
		mr_registry_remove();
	mr_close_fd(&context.registry_fd);
	if (r < 0 && port)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot serve port %u: %s", port, strerror(-r));
	if (r < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot serve: %s", strerror(-r));
	return MR_EXIT_DONE;
}
