// SPDX-License-Identifier: BSD-2-Clause
/*
 * doctor.c - moshrelay doctor: what is wrong and what to change.
 *
 * The daemon runs the checks, with its privileges and by its configuration. Where there is no
 * daemon, what it needs to start is looked at from here.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "connection.h"
#include "format.h"
#include "resolve.h"
#include "table.h"

#define KERNEL_MAJOR 5
#define KERNEL_MINOR 15

static const struct mr_column columns[] = {{"CHECK"}, {"STATUS"}, {"FOUND"}};

static void add(json_t *checks, const char *name, const char *status, const char *detail,
	const char *advice)
{
	json_array_append_new(checks,
		json_pack("{s:s, s:s, s:s, s:s?}", "name", name, "status", status, "detail", detail,
			"advice", advice));
}

static void check_kernel(json_t *checks)
{
	struct utsname name;
	int major = 0, minor = 0;
	bool good;

	uname(&name);
	good = sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
		(major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR));
	add(checks, "kernel", good ? "ok" : "fail", name.release,
		good ? NULL : "moshrelayd needs Linux 5.15 or later");
	good = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
	add(checks, "kernel types", good ? "ok" : "fail",
		good ? "/sys/kernel/btf/vmlinux" : "no /sys/kernel/btf/vmlinux",
		good ? NULL : "XDP needs a kernel with CONFIG_DEBUG_INFO_BTF=y; DPDK does not");
}

static void check_bpffs(json_t *checks)
{
	struct statfs fs;
	bool good = statfs("/sys/fs/bpf", &fs) == 0 && (unsigned)fs.f_type == BPF_FS_MAGIC;

	add(checks, "bpffs", good ? "ok" : "fail",
		good ? "/sys/fs/bpf" : "nothing is mounted at /sys/fs/bpf",
		good ? NULL : "mount -t bpf bpf /sys/fs/bpf");
}

static void check_socket(json_t *checks, const char *path, const char *why)
{
	struct stat st;

	if (stat(path, &st) < 0)
		add(checks, "daemon", "fail", why, "start it: systemctl start moshrelayd");
	else if (!S_ISSOCK(st.st_mode))
		add(checks, "daemon", "fail", "what is at that path is not a socket",
			"name the daemon's socket by -s");
	else
		add(checks, "daemon", "fail", why,
			"nobody listens on that socket: systemctl start moshrelayd, and "
			"journalctl -u moshrelayd says why it ended");
}

/** What can be found out without a daemon. */
static json_t *check_locally(const struct mr_call *call, const char *why)
{
	json_t *checks = json_array();

	check_socket(checks, call->socket, why);
	check_kernel(checks);
	check_bpffs(checks);
	return json_pack("{s:o, s:b}", "checks", checks, "ok", 0);
}

/** A row a check; advice stands in a row of its own below, which no narrow terminal cuts. */
static enum mr_exit print_checks(const json_t *checks)
{
	mr_cleanup(mr_table_freep) struct mr_table *table = mr_table_new(columns, 3);
	const json_t *check;
	size_t i;

	if (!table)
		return mr_cli_fail(MR_EXIT_FAILED, "cannot print: out of memory");
	json_array_foreach (checks, i, check) {
		mr_table_add(table, mr_text(check, "name"));
		mr_table_add(table, mr_text(check, "status"));
		mr_table_add(table, mr_text(check, "detail"));
		if (!json_is_string(json_object_get(check, "advice")))
			continue;
		mr_table_add(table, NULL);
		mr_table_add(table, NULL);
		mr_table_addf(table, "-> %s", mr_text(check, "advice"));
	}
	return mr_table_print(table) < 0 ? MR_EXIT_FAILED : MR_EXIT_DONE;
}

static enum mr_exit run(const struct mr_call *call)
{
	mr_cleanup(mr_rpc_closep) struct mr_rpc *rpc = NULL;
	mr_cleanup(mr_json_decrefp) json_t *result = NULL, *params = json_object();
	char target[MR_ENDPOINT_SIZE];
	struct mr_rpc_error error;
	enum mr_exit status;
	bool good;

	if (call->n_args > 0) {
		status = mr_resolve_target(call->args[0], target, sizeof(target));
		if (status)
			return status;
		json_object_set_new(params, "target", json_string(target));
	}
	status = mr_rpc_connect(call->socket, MR_RPC_TIMEOUT_MS, &rpc, &error);
	if (!status)
		status = mr_rpc_call(rpc, "doctor", json_incref(params), &result, &error);
	if (status && status != MR_EXIT_UNREACHABLE)
		return mr_cli_fail(status, "cannot run the checks: %s", error.message);
	if (status)
		result = check_locally(call, error.message);
	good = json_is_true(json_object_get(result, "ok"));
	if (call->json)
		mr_print_json(result);
	else if (print_checks(json_object_get(result, "checks")))
		return MR_EXIT_FAILED;
	return status ? status : good ? MR_EXIT_DONE : MR_EXIT_FAILED;
}

const struct mr_command mr_command_doctor = {
	.name = "doctor",
	.arguments = "[TARGET]",
	.summary = "check kernel, network and policy; says what to change",
	.details = "With TARGET (HOST or HOST:PORT): also the way there. Exit status 1: a check "
		   "failed.",
	.max_args = 1,
	.run = run,
};
