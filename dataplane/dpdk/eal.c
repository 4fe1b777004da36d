/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eal.c - builds EAL's arguments, starts it with its output caught, and keeps its errors.
 */
#include "eal.h"

#include <errno.h>
#include <fcntl.h>
#include <rte_alarm.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "preflight.h"
#include "thread.h"

#define ARGS_MAX     (32 + 2 * MR_DPDK_PORTS_MAX + MR_DPDK_EAL_MAX)
#define ARGS_TEXT    16384
#define MIB          ((size_t)1 << 20)
#define SPARE_MIB    64 /* for EAL itself, the drivers and the mirror of the routes */
#define ERROR_LENGTH 160

/* EAL keeps pointers to its arguments, so they live as long as the process. */
struct arguments {
	char text[ARGS_TEXT];
	size_t used;
	char *argv[ARGS_MAX + 1];
	int argc;
};

static struct arguments arguments;
static char first_error[ERROR_LENGTH];
static bool started;

static int add(struct arguments *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int add(struct arguments *a, const char *format, ...)
{
	size_t room = sizeof(a->text) - a->used;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(a->text + a->used, room, format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= room || a->argc == ARGS_MAX)
		return -E2BIG;
	a->argv[a->argc++] = a->text + a->used;
	a->used += (size_t)length + 1;
	return 0;
}

/* Messages of DPDK come here, one write each; the first error is usually the one that explains. */
static ssize_t keep_error(void *cookie, const char *message, size_t size)
{
	size_t length = size;

	(void)cookie;
	if (rte_log_cur_msg_loglevel() > (int)RTE_LOG_ERR || *first_error)
		return (ssize_t)size;
	while (length && (message[length - 1] == '\n' || message[length - 1] == '\r'))
		length--;
	snprintf(first_error, sizeof(first_error), "%.*s", (int)length, message);
	for (char *c = first_error; *c; c++) {
		if ((unsigned char)*c < ' ')
			*c = ' ';
	}
	return (ssize_t)size;
}

const char *mr_eal_error(const char *otherwise)
{
	static char taken[ERROR_LENGTH];

	if (!*first_error)
		return otherwise;
	memcpy(taken, first_error, sizeof(taken));
	*first_error = 0;
	return taken;
}

static void catch_log(void)
{
	static const cookie_io_functions_t functions = {.write = keep_error};
	FILE *stream = fopencookie(NULL, "w", functions);

	if (!stream)
		return;
	setvbuf(stream, NULL, _IOLBF, 1024);
	rte_openlog_stream(stream);
}

/* "(0,1,5)": the CPUs of a set, as --lcores wants them. */
static void format_cpus(const cpu_set_t *set, char *buf, size_t size)
{
	size_t used = 0;
	const char *before = "(";

	for (unsigned cpu = 0; cpu < CPU_SETSIZE && used + 8 < size; cpu++) {
		if (!CPU_ISSET(cpu, set))
			continue;
		used += (size_t)snprintf(buf + used, size - used, "%s%u", before, cpu);
		before = ",";
	}
	snprintf(buf + used, size - used, ")");
}

/*
 * The daemon's thread is lcore 0 and stays on all the CPUs that it has; worker n is lcore n + 1. A
 * worker without a CPU of its own may run wherever the daemon may.
 */
static int add_lcores(
	struct arguments *a, const struct mr_dpdk_options *options, struct mr_why *ret_why)
{
	char any[4096], map[ARGS_TEXT / 2];
	size_t used;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return mr_why_set(ret_why, -errno, "CPUs of this process: %m");
	format_cpus(&set, any, options->n_lcores ? sizeof(any) : 256);
	used = (size_t)snprintf(map, sizeof(map), "0@%s", any);
	for (uint32_t i = 0; i < options->workers && used < sizeof(map); i++) {
		if (!options->n_lcores) {
			used += (size_t)snprintf(
				map + used, sizeof(map) - used, ",%u@%s", i + 1, any);
			continue;
		}
		if (options->lcores[i] >= CPU_SETSIZE || !CPU_ISSET(options->lcores[i], &set))
			return mr_why_set(ret_why, -EINVAL,
				"dpdk option lcores: CPU %u is not among those that moshrelayd may "
				"use, %s",
				options->lcores[i], any);
		used += (size_t)snprintf(
			map + used, sizeof(map) - used, ",%u@%u", i + 1, options->lcores[i]);
	}
	return add(a, "--lcores") ? -E2BIG : add(a, "%s", map);
}

static int add_memory(
	struct arguments *a, const struct mr_dpdk_options *options, size_t need, bool huge)
{
	size_t mib = options->memory_mib ? options->memory_mib : need / MIB + SPARE_MIB;
	int rc = 0;

	/* in-memory: nothing is left in hugetlbfs whatever way the daemon ends. Without huge pages
	 * EAL takes the memory from the kernel at once, but untouched pages cost nothing. */
	if (huge)
		rc |= add(a, "--in-memory");
	else
		rc |= add(a, "--no-huge") | add(a, "--no-shconf");
	if (!huge || options->memory_mib)
		rc |= add(a, "-m") | add(a, "%zu", mib);
	return rc;
}

static int build_arguments(struct arguments *a, const struct mr_dpdk_options *options, size_t need,
	bool huge, struct mr_why *ret_why)
{
	int rc = add(a, "moshrelayd");

	rc |= add_memory(a, options, need, huge);
	rc |= add(a, "--no-telemetry");
	if (!options->n_devices)
		rc |= add(a, "--no-pci");
	for (size_t i = 0; i < options->n_devices; i++)
		rc |= add(a, "-a") | add(a, "%s", options->devices[i]);
	for (size_t i = 0; i < options->n_eal; i++)
		rc |= add(a, "%s", options->eal[i]);
	if (rc)
		return mr_why_set(ret_why, -E2BIG, "dpdk options: too many, or too long");
	rc = add_lcores(a, options, ret_why);
	if (rc == -E2BIG)
		return mr_why_set(ret_why, rc, "dpdk options: too many, or too long");
	return rc;
}

/* What EAL and getopt print by themselves; only of use if nothing was logged. */
static void read_printed(int fd)
{
	char text[ERROR_LENGTH];
	ssize_t length = pread(fd, text, sizeof(text) - 1, 0);

	if (length <= 0 || *first_error)
		return;
	text[length] = 0;
	text[strcspn(text, "\n")] = 0;
	snprintf(first_error, sizeof(first_error), "%s", text);
}

/*
 * rte_eal_init() prints its usage and some errors to the terminal; and the threads that it makes
 * inherit the signal mask, and must leave all signals to the daemon's own thread.
 */
static int init_quietly(struct arguments *a)
{
	sigset_t all, before;
	int out, err, caught, rc;

	fflush(stdout);
	fflush(stderr);
	out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	caught = memfd_create("eal", MFD_CLOEXEC);
	if (caught >= 0 && out >= 0 && err >= 0) {
		dup2(caught, STDOUT_FILENO);
		dup2(caught, STDERR_FILENO);
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = rte_eal_init(a->argc, a->argv) < 0 ? -rte_errno : 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	fflush(stdout);
	if (out >= 0) {
		dup2(out, STDOUT_FILENO);
		close(out);
	}
	if (err >= 0) {
		dup2(err, STDERR_FILENO);
		close(err);
	}
	if (caught >= 0) {
		read_printed(caught);
		close(caught);
	}
	return rc;
}

int mr_eal_start(
	const struct mr_dpdk_options *options, size_t need, bool *ret_huge, struct mr_why *ret_why)
{
	bool huge;
	int rc;

	if (started)
		return mr_why_set(ret_why, -EALREADY,
			"DPDK can be started once in a process: restart moshrelayd");
	rc = mr_preflight_devices(options, ret_why);
	if (!rc)
		rc = mr_preflight_memory(options, need + SPARE_MIB * MIB, &huge, ret_why);
	if (!rc)
		rc = build_arguments(&arguments, options, need, huge, ret_why);
	if (rc)
		return rc;
	catch_log();
	started = true;
	rc = init_quietly(&arguments);
	if (rc)
		return mr_why_set(ret_why, rc == -EALREADY || rc >= 0 ? -EIO : rc,
			"DPDK does not start: %s", mr_eal_error(strerror(-rc)));
	/* What was logged meanwhile may explain why a device isn't there. */
	*ret_huge = huge;
	return 0;
}

static void on_interrupt_thread(void *context)
{
	(void)context;
	mr_thread_keep_capabilities(0);
}

int mr_eal_confine(void)
{
	/* Alarms are called by that thread, which EAL makes and knows no other way to talk to. */
	return rte_eal_alarm_set(1, on_interrupt_thread, NULL);
}

void mr_eal_stop(void)
{
	rte_eal_cleanup();
}
