// SPDX-License-Identifier: BSD-2-Clause
/*
 * again.c - see again.h.
 */
#include "again.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX 32
#define READY_MS 5000
#define STEP_MS  5

int mr_again_start(const struct mr_contestant *contestant, enum mr_host host, const char *name,
	pid_t *ret_pid, ...)
{
	char self[4096], out[128], log[128], *argv[ARGS_MAX] = {self};
	struct mr_proc_options options = {
		.netns_fd = contestant->topology.netns_fd[host], .cpu = -1, .log = log, .out = out};
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
	unsigned n = 1;
	va_list args;

	if (length <= 0)
		return -errno;
	self[length] = '\0';
	snprintf(out, sizeof(out), "%s/%s", contestant->dir, name);
	snprintf(log, sizeof(log), "%s/load.log", contestant->dir);
	unlink(out);
	va_start(args, ret_pid);
	while (n + 1 < ARGS_MAX && (argv[n] = va_arg(args, char *)))
		n++;
	va_end(args);
	argv[n] = NULL;
	return mr_proc_start(&options, argv, ret_pid);
}

json_t *mr_again_finish(const struct mr_contestant *contestant, pid_t pid, const char *name)
{
	char path[128];
	int status;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	snprintf(path, sizeof(path), "%s/%s", contestant->dir, name);
	return json_load_file(path, 0, NULL);
}

double mr_again_number(json_t *json, const char *object, const char *name)
{
	json_t *at = object ? json_object_get(json, object) : json;

	return json_number_value(json_object_get(at, name));
}

int mr_again_serve(const struct mr_contestant *contestant, pid_t *ret_pid)
{
	char path[128];
	int r = mr_again_start(contestant, MR_HOST_TARGET, "serve.out", ret_pid, "serve",
		"--address", MR_TOPOLOGY_TARGET, "--ports", MR_AGAIN_TARGET_PORTS, NULL);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/serve.out", contestant->dir);
	for (unsigned i = 0; i < READY_MS / STEP_MS; i++) {
		char line[64] = "";
		FILE *file = fopen(path, "re");
		bool ready = file && fgets(line, sizeof(line), file);

		if (file)
			fclose(file);
		if (ready)
			return 0;
		poll(NULL, 0, STEP_MS);
	}
	mr_proc_stop(ret_pid);
	return -ETIMEDOUT;
}
