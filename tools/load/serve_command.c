// SPDX-License-Identifier: BSD-2-Clause
/*
 * serve_command.c - moshrelay-load serve: options, and what is told to people.
 */
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "command.h"
#include "options.h"
#include "registry.h"
#include "serve.h"

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
	const struct mr_option table[] = {
		{"address", MR_OPTION_ADDRESS, &address, "ADDRESS", "where to listen"},
		{"ports", MR_OPTION_PORTS, &context.ports, "LO-HI", "each is one target"},
	};
	const struct mr_options options = {"serve", " --address ADDRESS --ports LO-HI",
		"Answers on each of the UDP ports as a mosh-server would: it follows only the "
		"newest\n"
		"authentic datagram and drops the rest. Ends with SIGINT or SIGTERM.\n",
		NULL, table, sizeof(table) / sizeof(table[0])};
	enum mr_exit status;
	uint16_t port = 0;
	int r;

	if (!mr_options_read(&options, argc, argv, &status))
		return status;
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
