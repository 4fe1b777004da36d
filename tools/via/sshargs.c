// SPDX-License-Identifier: BSD-2-Clause
/*
 * sshargs.c - see sshargs.h.
 */
#include "sshargs.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

/* Those of ssh's options that take an argument, up to OpenSSH 9.9. */
#define WITH_ARGUMENT "BbcDEeFIiJLlmOoPpQRSWw"

/** The last letter that `word` is read for: flags, up to the first one with an argument. */
static const char *last_flag(const char *word)
{
	const char *flag = word + 1;

	while (*flag && !strchr(WITH_ARGUMENT, *flag) && flag[1])
		flag++;
	return flag;
}

int mr_sshargs_option(char *const *list)
{
	const char *flag;

	if (!*list || (*list)[0] != '-' || !(*list)[1] || !strcmp(*list, "--"))
		return 0;
	flag = last_flag(*list);
	return strchr(WITH_ARGUMENT, *flag) && !flag[1] && list[1] ? 2 : 1;
}

/** The argument of the option at `list` if that is `letter`, else NULL. */
static const char *argument_of(char *const *list, char letter)
{
	const char *flag = last_flag(*list);

	if (*flag != letter)
		return NULL;
	return flag[1] ? flag + 1 : list[1];
}

void mr_sshargs_for_every_hop(char *const *list, struct mr_words *words)
{
	int n;

	for (; (n = mr_sshargs_option(list)) > 0; list += n) {
		const char *file = argument_of(list, 'F');

		if (file)
			mr_words_add_all(words, "-F", file, NULL);
		for (const char *flag = *list + 1; flag <= last_flag(*list); flag++)
			if (*flag == 'v')
				mr_words_add(words, "-v");
	}
}

/** Notes what mosh's fake proxy is told about the family. */
static int family_of(const char *proxy, int old)
{
	if (strstr(proxy, "--family=inet6"))
		return AF_INET6;
	return strstr(proxy, "--family=inet'") || strstr(proxy, "--family=inet ") ? AF_INET : old;
}

/** Whether the option at `list` is one of the two that mosh adds for its proxy. */
static bool is_mosh_proxy(char *const *list, struct mr_sshargs *args)
{
	const char *option = argument_of(list, 'o'), *control = argument_of(list, 'S');

	if (control && !strcmp(control, "none"))
		return true;
	if (!option || strncmp(option, "ProxyCommand=", 13) || !strstr(option, "--fake-proxy"))
		return false;
	args->family = family_of(option, args->family);
	args->finds_relay = true;
	return true;
}

static void take_option(char *const *list, int n, struct mr_sshargs *args)
{
	if (is_mosh_proxy(list, args))
		return;
	/* that is about UDP, so about the bastion; the target is reached from there */
	if (!strcmp(*list, "-4") || !strcmp(*list, "-6")) {
		args->family = (*list)[1] == '4' ? AF_INET : AF_INET6;
		return;
	}
	for (int i = 0; i < n; i++)
		mr_words_add(&args->options, list[i]);
}

int mr_sshargs_parse(char *const *list, struct mr_sshargs *ret_args)
{
	struct mr_sshargs args = {.family = AF_UNSPEC};
	int n;

	while (*list && strcmp(*list, "--")) {
		n = mr_sshargs_option(list);
		if (n == 0) {
			if (args.host)
				break;
			args.host = *list++;
			continue;
		}
		take_option(list, n, &args);
		list += n;
	}
	if (*list && !strcmp(*list, "--")) {
		list++;
		if (!args.host && *list)
			args.host = *list++;
	}
	mr_words_add_list(&args.command, list);
	if (!args.host || !args.command.n) {
		mr_sshargs_free(&args);
		return -EINVAL;
	}
	/* with --experimental-remote-ip=remote mosh runs without a proxy and asks the target */
	if (strstr(args.command.at[0], "MOSH SSH_CONNECTION"))
		args.finds_relay = true;
	*ret_args = args;
	return 0;
}

void mr_sshargs_free(struct mr_sshargs *args)
{
	mr_words_free(&args->options);
	mr_words_free(&args->command);
}
