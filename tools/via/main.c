// SPDX-License-Identifier: BSD-2-Clause
/*
 * main.c - mosh-via: mosh to a target behind a bastion, in its two forms.
 *
 * As a command it does what mosh(1) does and starts mosh-client. As mosh's ssh (--ssh BASTION) it
 * answers as ssh to the target would, but names the relay's address and port. mosh goes on from
 * there by itself, and whatever came behind MOSH CONNECT would kill us: that is the last line.
 */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "child.h"
#include "client.h"
#include "setup.h"
#include "sweep.h"
#include "target.h"

/* What the user waits for after mosh has ended, at most; see sweep.h. */
#define SWEEP_MS 3000

static void show_line(void *context, const char *line)
{
	fprintf(context, "%s\n", line);
	fflush(context);
}

/** The first form: all of mosh. */
static enum mr_exit run_command(const struct mr_args *args, struct mr_setup *setup)
{
	mr_cleanup(mr_words_free) struct mr_words words = {0};
	mr_cleanup(mr_free_text) char *server = NULL;
	struct mr_sweep sweep = {-1, -1};
	enum mr_exit status;
	unsigned colors;
	int r;

	status = mr_client_colors(args, &colors);
	if (status)
		return status;
	server = mr_client_server_command(args, colors);
	setup->output.show = show_line;
	setup->output.context = stderr;
	mr_words_split(&words, server);
	status = mr_setup_run(args, server, mr_target_bound(&words), setup);
	if (status)
		return status;
	r = mr_sweep_start(&setup->bastion, setup->session.id, &sweep);
	if (r < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot start a process: %s", strerror(-r));
	status = mr_client_run(args, setup);
	mr_sweep_finish(&sweep, SWEEP_MS);
	return status;
}

/** The second form: mosh has called us in place of ssh. */
static enum mr_exit run_wrapper(const struct mr_args *args, struct mr_setup *setup)
{
	mr_cleanup(mr_words_free) struct mr_words words = {0};
	mr_cleanup(mr_free_text) char *server = NULL;
	enum mr_exit status;

	server = mr_words_join(&args->command);
	mr_words_split(&words, server);
	setup->output.show = show_line;
	setup->output.context = stdout;
	status = mr_setup_run(args, server, mr_target_bound(&words), setup);
	if (status)
		return status;
	mr_bastion_close(&setup->bastion);
	printf("MOSH IP %s\nMOSH CONNECT %u %s\n", setup->dial, setup->session.port,
		setup->output.key);
	return mr_cli_finish(MR_EXIT_DONE);
}

/** Ends the way that the signal would have ended us, so that a shell's loop ends too. */
static enum mr_exit end(enum mr_exit status)
{
	int number = mr_child_signal();

	if (number) {
		signal(number, SIG_DFL);
		raise(number);
	}
	return status;
}

int main(int argc, char **argv)
{
	mr_cleanup(mr_args_free) struct mr_args args = {0};
	mr_cleanup(mr_setup_free) struct mr_setup setup = {
		.bastion = {.log_fd = -1, .log_writer = -1}};
	enum mr_exit status;
	bool stop;
	int r;

	setlocale(LC_CTYPE, "");
	mr_cli_init("mosh-via");
	status = mr_args_parse(argc, argv, &args, &stop);
	if (status || stop)
		return status;
	r = mr_child_init();
	if (r < 0)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot start: %s", strerror(-r));
	/* ssh runs a ProxyCommand by it, and some people's shells print things or aren't sh */
	setenv("SHELL", "/bin/sh", 1);
	status = args.wrapper ? run_wrapper(&args, &setup) : run_command(&args, &setup);
	mr_setup_free(&setup);
	return end(status);
}
