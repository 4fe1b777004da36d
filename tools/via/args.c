// SPDX-License-Identifier: BSD-2-Clause
/*
 * args.c - see args.h.
 *
 * Options may stand before and between BASTION and TARGET, and behind them up to COMMAND's first
 * word or `--`; what comes then is COMMAND's.
 */
#include "args.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "sshargs.h"

enum {
	OPT_SETUP_SOCKET = 256,
	OPT_LABEL,
	OPT_IDLE,
	OPT_BASTION_SSH,
	OPT_SSH,
	OPT_CLIENT,
	OPT_SERVER,
	OPT_PREDICT,
	OPT_FAMILY,
	OPT_BIND_SERVER,
	OPT_OVERWRITE,
	OPT_NO_OVERWRITE,
	OPT_SSH_PTY,
	OPT_NO_SSH_PTY,
	OPT_INIT,
	OPT_NO_INIT,
	OPT_LOCAL,
	OPT_REMOTE_IP,
};

static const struct option options[] = {
	{"setup-socket", required_argument, NULL, OPT_SETUP_SOCKET},
	{"label", required_argument, NULL, OPT_LABEL},
	{"idle", required_argument, NULL, OPT_IDLE},
	{"bastion-ssh", required_argument, NULL, OPT_BASTION_SSH},
	{"verbose", no_argument, NULL, 'v'},
	/* --ssh=COMMAND is mosh's; --ssh BASTION is how mosh calls us */
	{"ssh", optional_argument, NULL, OPT_SSH},
	{"client", required_argument, NULL, OPT_CLIENT},
	{"server", required_argument, NULL, OPT_SERVER},
	{"predict", required_argument, NULL, OPT_PREDICT},
	{"predict-overwrite", no_argument, NULL, OPT_OVERWRITE},
	{"no-predict-overwrite", no_argument, NULL, OPT_NO_OVERWRITE},
	{"nopredict-overwrite", no_argument, NULL, OPT_NO_OVERWRITE},
	{"family", required_argument, NULL, OPT_FAMILY},
	{"port", required_argument, NULL, 'p'},
	{"bind-server", required_argument, NULL, OPT_BIND_SERVER},
	{"ssh-pty", no_argument, NULL, OPT_SSH_PTY},
	{"no-ssh-pty", no_argument, NULL, OPT_NO_SSH_PTY},
	{"nossh-pty", no_argument, NULL, OPT_NO_SSH_PTY},
	{"init", no_argument, NULL, OPT_INIT},
	{"no-init", no_argument, NULL, OPT_NO_INIT},
	{"noinit", no_argument, NULL, OPT_NO_INIT},
	{"local", no_argument, NULL, OPT_LOCAL},
	{"experimental-remote-ip", required_argument, NULL, OPT_REMOTE_IP},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{0},
};

static const char usage[] =
	"Usage: mosh-via [OPTIONS] BASTION [USER@]TARGET [-- COMMAND...]\n"
	"       mosh --ssh=\"mosh-via --ssh BASTION\" [USER@]TARGET\n"
	"\n"
	"mosh to a target that only a bastion can reach, relayed by the bastion's moshrelayd.\n"
	"\n"
	"Options:\n"
	"      --setup-socket PATH   the relay's socket on the bastion\n"
	"                            (default " MR_DEFAULT_SOCKET ")\n"
	"      --label TEXT          name the session in the relay's lists\n"
	"      --idle SECONDS        close the session when it is unused that long (default "
	"86400)\n"
	"      --bastion-ssh COMMAND ssh for the bastion (default: program, -F and -v of --ssh)\n"
	"  -v, --verbose             say what is being done; twice: ssh as well\n"
	"  -h, --help                this text\n"
	"  -V, --version             print the version\n"
	"\n"
	"mosh's own options, see mosh(1):\n"
	"      --ssh=COMMAND (for the target; with the =)  --client=PATH  --server=COMMAND\n"
	"      --predict=adaptive|always|never|experimental  -a  -n  -o, --predict-overwrite\n"
	"      -4  -6  --family=inet|inet6|auto|all|prefer-inet|prefer-inet6 (towards the "
	"bastion)\n"
	"      -p, --port=PORT[:PORT2]  --bind-server=ssh|any|ADDRESS  --no-ssh-pty  --no-init\n"
	"\n"
	"Exit status: mosh-client's; before that runs: 1 failed, 2 usage, 3 denied, 5 relay not\n"
	"reachable, 6 a limit is reached.\n";

static enum mr_exit check_port(const char *text)
{
	char low[8] = "";
	uint64_t first, last;
	size_t length = strcspn(text, ":");

	if (length < sizeof(low))
		memcpy(low, text, length);
	if (mr_cli_number(low, 0, 65535, &first) < 0)
		goto bad;
	if (text[length] &&
		(mr_cli_number(text + length + 1, 1, 65535, &last) < 0 || first == 0 ||
			first > last))
		goto bad;
	return MR_EXIT_DONE;
bad:
	return mr_cli_usage("-p %s: it must be PORT or PORT:PORT2, the lower one first", text);
}

static enum mr_exit check_predict(const char *text)
{
	static const char *const modes[] = {"adaptive", "always", "never", "experimental"};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(text, modes[i]))
			return MR_EXIT_DONE;
	return mr_cli_usage(
		"prediction mode %s: it must be adaptive, always, never or experimental", text);
}

static enum mr_exit take_family(const char *text, int *ret_family)
{
	static const struct {
		const char *name;
		int family;
	} families[] = {
		{"inet", AF_INET},
		{"inet6", AF_INET6},
		{"auto", AF_UNSPEC},
		{"all", AF_UNSPEC},
		{"prefer-inet", AF_UNSPEC},
		{"prefer-inet6", AF_UNSPEC},
	};

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		if (!strcasecmp(text, families[i].name)) {
			*ret_family = families[i].family;
			return MR_EXIT_DONE;
		}
	}
	return mr_cli_usage("--family %s: mosh knows no such family", text);
}

static enum mr_exit take_idle(const char *text, unsigned *ret_idle_s)
{
	uint64_t seconds;

	/* mosh-server reads it as a long, which has 32 bits somewhere */
	if (mr_cli_number(text, 1, INT32_MAX, &seconds) < 0)
		return mr_cli_usage("--idle %s: it must be a number of seconds", text);
	*ret_idle_s = (unsigned)seconds;
	return MR_EXIT_DONE;
}

/** --ssh=COMMAND: the target's ssh. --ssh alone: mosh calls us, BASTION follows. */
static enum mr_exit take_ssh(const char *command, struct mr_args *args)
{
	if (!command) {
		args->wrapper = true;
		return MR_EXIT_DONE;
	}
	mr_words_free(&args->ssh);
	if (mr_words_split(&args->ssh, command) < 0 || !args->ssh.n)
		return mr_cli_usage("--ssh=%s: it is empty, or a quote is missing", command);
	return MR_EXIT_DONE;
}

/** Those of mosh's options that set a switch; false: it isn't one. */
static bool take_switch(int option, struct mr_args *args)
{
	switch (option) {
	case 'a':
		args->predict = "always";
		return true;
	case 'n':
		args->predict = "never";
		return true;
	case 'o':
	case OPT_OVERWRITE:
	case OPT_NO_OVERWRITE:
		args->overwrite = option != OPT_NO_OVERWRITE;
		return true;
	case '4':
	case '6':
		args->family = option == '4' ? AF_INET : AF_INET6;
		return true;
	case OPT_SSH_PTY:
	case OPT_NO_SSH_PTY:
		args->ssh_pty = option == OPT_SSH_PTY;
		return true;
	case OPT_INIT:
	case OPT_NO_INIT:
		args->init = option == OPT_INIT;
		return true;
	case 'v':
		args->verbose++;
		return true;
	default:
		return false;
	}
}

static enum mr_exit take_value(int option, const char *value, struct mr_args *args)
{
	switch (option) {
	case OPT_SETUP_SOCKET:
		args->setup_socket = value;
		if (value[0] != '/')
			return mr_cli_usage("--setup-socket %s: it must start with /", value);
		return MR_EXIT_DONE;
	case OPT_LABEL:
		args->label = value;
		return MR_EXIT_DONE;
	case OPT_IDLE:
		return take_idle(value, &args->idle_s);
	case OPT_BASTION_SSH:
		args->bastion_ssh = value;
		return MR_EXIT_DONE;
	case OPT_SSH:
		return take_ssh(value, args);
	case OPT_CLIENT:
		args->client = value;
		return MR_EXIT_DONE;
	case OPT_SERVER:
		args->server = value;
		return MR_EXIT_DONE;
	case OPT_PREDICT:
		args->predict = value;
		return check_predict(value);
	case OPT_FAMILY:
		return take_family(value, &args->family);
	case OPT_BIND_SERVER:
		args->bind_server = value;
		return MR_EXIT_DONE;
	case 'p':
		args->port = value;
		return check_port(value);
	case OPT_LOCAL:
		return mr_cli_usage("--local: there would be nothing to relay");
	default: /* OPT_REMOTE_IP: the relay's address is dialled, however that is found out */
		return MR_EXIT_DONE;
	}
}

static enum mr_exit refuse(int result, const char *word)
{
	if (result == ':')
		return mr_cli_usage("option %s: its argument is missing", word);
	if (optopt && !(word[0] == '-' && word[1] == '-'))
		return mr_cli_usage("option -%c: there is no such option", optopt);
	return mr_cli_usage("option %s: there is no such option, or it takes no argument", word);
}

/**
 * Reads at most `most` options, up to the next word that is none; `*ret_stop`: there is nothing
 * more to do.
 */
static enum mr_exit take_options(
	int argc, char **argv, int most, struct mr_args *args, bool *ret_stop)
{
	enum mr_exit status = MR_EXIT_DONE;
	int option;

	opterr = 0;
	while (!status && !args->wrapper && most-- > 0 &&
		(option = getopt_long(argc, argv, "+:anovp:46hV", options, NULL)) != -1) {
		switch (option) {
		case 'h':
			*ret_stop = true;
			fputs(usage, stdout);
			return mr_cli_finish(MR_EXIT_DONE);
		case 'V':
			*ret_stop = true;
			puts("mosh-via " MR_VERSION);
			return mr_cli_finish(MR_EXIT_DONE);
		case ':':
		case '?':
			return refuse(option, argv[optind - 1]);
		default:
			if (!take_switch(option, args))
				status = take_value(option, optarg, args);
		}
	}
	return status;
}

static enum mr_exit check_host(const char *what, const char *host)
{
	if (!host)
		return mr_cli_usage("%s is missing", what);
	if (!*host || *host == '-')
		return mr_cli_usage("%s %s: that is no host", what, host);
	return MR_EXIT_DONE;
}

/** The words behind the options that were read: BASTION, TARGET, COMMAND. */
static enum mr_exit take_words(int argc, char **argv, struct mr_args *args, bool *ret_stop)
{
	const char **places[] = {&args->bastion, &args->target};
	bool ended = false; /* by `--`, for good */
	enum mr_exit status;

	for (size_t i = 0; i < 2 && optind < argc; i++) {
		ended = ended || !strcmp(argv[optind - 1], "--");
		*places[i] = argv[optind++];
		if (ended)
			continue;
		status = take_options(argc, argv, argc, args, ret_stop);
		if (status || *ret_stop)
			return status;
	}
	mr_words_add_list(&args->command, argv + optind);
	status = check_host("BASTION", args->bastion);
	return status ? status : check_host("TARGET", args->target);
}

/** One of our long options among ssh's, at `argv`; moves `*ret_next` to its last word. */
static enum mr_exit take_own_option(
	char **argv, struct mr_args *args, char ***ret_next, bool *ret_stop)
{
	char *pair[] = {argv[-1], argv[0], argv[1], NULL};
	enum mr_exit status;

	optind = 1;
	args->wrapper = false;
	status = take_options(argv[1] ? 3 : 2, pair, 1, args, ret_stop);
	if (!status && args->wrapper)
		status = mr_cli_usage("--ssh stands there twice");
	args->wrapper = true;
	*ret_next = argv + optind - 2;
	return status;
}

/** Takes our options out of mosh's call of ssh; the rest goes to `ret_rest`, which has room. */
static enum mr_exit take_own_options(
	char **argv, struct mr_args *args, char **ret_rest, bool *ret_stop)
{
	enum mr_exit status = MR_EXIT_DONE;

	for (; *argv && strcmp(*argv, "--") && !status && !*ret_stop; argv++) {
		if (!strncmp(*argv, "--", 2)) {
			status = take_own_option(argv, args, &argv, ret_stop);
			continue;
		}
		if (mr_sshargs_option(argv) == 2)
			*ret_rest++ = *argv++;
		*ret_rest++ = *argv;
	}
	while (*argv)
		*ret_rest++ = *argv++;
	*ret_rest = NULL;
	return status;
}

/** What mosh gives to ssh, in `list`. */
static enum mr_exit take_ssh_call(char **list, struct mr_args *args)
{
	struct mr_sshargs ssh;
	enum mr_exit status = MR_EXIT_DONE;

	if (mr_sshargs_parse(list, &ssh) < 0)
		return mr_cli_usage(
			"--ssh %s: mosh calls this form: mosh --ssh=\"mosh-via --ssh %s\" "
			"TARGET",
			args->bastion, args->bastion);
	args->target = ssh.host;
	mr_words_add_list(&args->ssh, ssh.options.at);
	mr_words_add_list(&args->command, ssh.command.at);
	if (args->family == AF_UNSPEC)
		args->family = ssh.family;
	if (!ssh.finds_relay)
		status = mr_cli_usage("mosh must leave the address to dial to ssh: without "
				      "--experimental-remote-ip=local");
	mr_sshargs_free(&ssh);
	return status;
}

/** Behind `mosh-via --ssh`: BASTION, and then mosh's call of ssh with our options among it. */
static enum mr_exit take_mosh_call(char **argv, struct mr_args *args, bool *ret_stop)
{
	enum mr_exit status;
	size_t n = 0;
	char **rest;

	args->bastion = *argv;
	status = check_host("BASTION behind --ssh", args->bastion);
	if (status)
		return status;
	while (argv[n])
		n++;
	rest = calloc(n + 1, sizeof(*rest));
	if (!rest)
		return mr_cli_fail(MR_EXIT_FAILED, "out of memory");
	status = take_own_options(argv + 1, args, rest, ret_stop);
	if (!status && !*ret_stop)
		status = take_ssh_call(rest, args);
	free(rest);
	return status ? status : check_host("TARGET", args->target);
}

/** The command for the bastion: its own, or the target's program with what holds for each hop. */
static enum mr_exit choose_bastion_ssh(struct mr_args *args)
{
	struct mr_words *ssh = &args->ssh_bastion;

	if (args->bastion_ssh) {
		if (mr_words_split(ssh, args->bastion_ssh) < 0 || !ssh->n)
			return mr_cli_usage("--bastion-ssh %s: it is empty, or a quote is missing",
				args->bastion_ssh);
	} else {
		mr_words_add(ssh, args->ssh.at[0]);
		mr_sshargs_for_every_hop(args->ssh.at + 1, ssh);
	}
	for (int i = 1; i < args->verbose; i++) {
		mr_words_add(ssh, "-v");
		mr_words_add(&args->ssh, "-v");
	}
	return MR_EXIT_DONE;
}

static struct mr_args defaults(void)
{
	const char *predict = getenv("MOSH_PREDICTION_DISPLAY");

	return (struct mr_args){
		.setup_socket = MR_DEFAULT_SOCKET,
		.client = "mosh-client",
		.server = "mosh-server",
		.predict = predict ? predict : "adaptive",
		.bind_server = "ssh",
		.ssh_pty = true,
		.init = true,
		.family = AF_UNSPEC,
	};
}

enum mr_exit mr_args_parse(int argc, char **argv, struct mr_args *ret_args, bool *ret_stop)
{
	struct mr_args *args = ret_args;
	enum mr_exit status;

	*args = defaults();
	*ret_stop = false;
	mr_words_add(&args->ssh, "ssh");
	status = take_options(argc, argv, argc, args, ret_stop);
	if (status || *ret_stop)
		return status;
	if (args->wrapper)
		status = take_mosh_call(argv + optind, args, ret_stop);
	else
		status = take_words(argc, argv, args, ret_stop);
	if (status || *ret_stop)
		return status;
	status = check_predict(args->predict);
	return status ? status : choose_bastion_ssh(args);
}

void mr_args_free(struct mr_args *args)
{
	mr_words_free(&args->command);
	mr_words_free(&args->ssh);
	mr_words_free(&args->ssh_bastion);
}
