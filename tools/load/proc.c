// SPDX-License-Identifier: BSD-2-Clause
/*
 * proc.c - see proc.h.
 */
#include "proc.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGS_MAX     64
#define LINE_MAX     1024
#define STOP_WAIT_MS 2000

/* Daemons' programs are not in every root's PATH. */
static const char *const system_dirs[] = {"/usr/sbin", "/sbin", "/usr/bin", "/bin"};

static void set_path(void)
{
	const char *path = getenv("PATH");
	char longer[4096];

	if (!path || !strstr(path, "/usr/sbin")) {
		snprintf(longer, sizeof(longer), "%s:/usr/sbin:/sbin",
			path ? path : "/usr/bin:/bin");
		setenv("PATH", longer, 1);
	}
}

static unsigned split(char *line, char **argv)
{
	unsigned n = 0;
	char *save = NULL;

	for (char *word = strtok_r(line, " ", &save); word && n + 1 < ARGS_MAX;
		word = strtok_r(NULL, " ", &save))
		argv[n++] = word;
	argv[n] = NULL;
	return n;
}

/** A file in memory that a child can have as its stdin or stderr: it never blocks either side. */
static int memory_file(const char *content, int *ret_fd)
{
	mr_cleanup(mr_close_fd) int fd = memfd_create("moshrelay-load", MFD_CLOEXEC);
	size_t length = content ? strlen(content) : 0;

	if (fd < 0)
		return -errno;
	if (write(fd, content, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) < 0)
		return -EIO;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static void read_why(int fd, const char *program, struct mr_proc_why *ret_why)
{
	char text[MR_PROC_WHY_SIZE - 64];
	ssize_t length = pread(fd, text, sizeof(text) - 1, 0);

	text[length > 0 ? length : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	snprintf(ret_why->text, sizeof(ret_why->text), "%.60s: %s", program,
		text[0] ? text : "it failed");
}

int mr_proc_run(const char *input, struct mr_proc_why *ret_why, const char *fmt, ...)
{
	mr_cleanup(mr_close_fd) int in = -1, err = -1;
	char line[LINE_MAX], *argv[ARGS_MAX];
	va_list args;
	int status, r;
	pid_t pid;

	va_start(args, fmt);
	r = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (r < 0 || r >= (int)sizeof(line) || split(line, argv) == 0)
		return -EINVAL;
	r = memory_file(input, &in);
	if (r == 0)
		r = memory_file("", &err);
	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		set_path();
		if (dup2(in, 0) < 0 || dup2(err, 1) < 0 || dup2(err, 2) < 0)
			_exit(126);
		execvp(argv[0], argv);
		dprintf(2, "%s\n", strerror(errno));
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	read_why(err, argv[0], ret_why);
	return -EPROTO;
}

static pid_t session;

static void pass_on(int number)
{
	kill(session, number);
}

void mr_proc_share_session(int nice)
{
	mr_cleanup(mr_close_fd) int fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);

	/* a kernel without it needs nothing; a failure shows in the share of the core for others */
	if (fd >= 0 && dprintf(fd, "%d", nice) < 0)
		return;
}

int mr_proc_own_session(void)
{
	struct sigaction action = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
	int status;

	session = fork();
	if (session < 0)
		return -errno;
	if (session == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		setsid();
		mr_proc_share_session(-19);
		return 0;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	while (waitpid(session, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : MR_EXIT_FAILED);
}

static void child(const struct mr_proc_options *options, char *const argv[])
{
	int log = open(options->log ? options->log : "/dev/null",
		O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out = options->out ? open(options->out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
			       : log;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	set_path();
	if (log < 0 || in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(log, 2) < 0)
		_exit(126);
	if (options->netns_fd >= 0 && setns(options->netns_fd, CLONE_NEWNET) < 0)
		_exit(126);
	if (options->cpu >= 0 && mr_proc_pin(0, options->cpu) < 0)
		_exit(126);
	if (options->cpu >= 0)
		mr_proc_prefer(0);
	if (options->cwd && chdir(options->cwd) < 0)
		_exit(126);
	execvp(argv[0], argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int mr_proc_start(const struct mr_proc_options *options, char *const argv[], pid_t *ret_pid)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		child(options, argv);
	setpgid(pid, pid); /* both sides do it, so that neither has to wait for the other */
	*ret_pid = pid;
	return 0;
}

void mr_proc_stop(pid_t *pid)
{
	int fd;

	if (*pid <= 0)
		return;
	kill(-*pid, SIGTERM);
	fd = (int)syscall(SYS_pidfd_open, *pid, 0);
	if (fd >= 0) {
		struct pollfd wait = {.fd = fd, .events = POLLIN};

		poll(&wait, 1, STOP_WAIT_MS);
		close(fd);
	}
	kill(-*pid, SIGKILL);
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	*pid = 0;
}

bool mr_proc_have(const char *program)
{
	const char *path = getenv("PATH");
	char file[LINE_MAX];

	for (size_t i = 0; i < sizeof(system_dirs) / sizeof(system_dirs[0]); i++) {
		snprintf(file, sizeof(file), "%s/%s", system_dirs[i], program);
		if (access(file, X_OK) == 0)
			return true;
	}
	while (path && *path) {
		int length = (int)strcspn(path, ":");

		snprintf(file, sizeof(file), "%.*s/%s", length, path, program);
		if (access(file, X_OK) == 0)
			return true;
		path += length;
		path += *path == ':';
	}
	return false;
}

int mr_netns_enter(int fd)
{
	return setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
}

int mr_proc_pin(pid_t tid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(tid, sizeof(set), &set) < 0 ? -errno : 0;
}

void mr_proc_prefer(pid_t tid)
{
	/* a failure costs precision, which the figures' spread shows */
	setpriority(PRIO_PROCESS, (id_t)tid, -19);
}

void mr_proc_realtime(pid_t tid, enum mr_proc_rank rank)
{
	struct sched_param param = {.sched_priority = rank};

	sched_setscheduler(tid, rank == MR_PROC_COMMON ? SCHED_OTHER : SCHED_FIFO, &param);
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

uint64_t mr_proc_cpu_ns(pid_t pid)
{
	mr_cleanup(close_dir) DIR *dir = NULL;
	struct dirent *entry;
	char path[LINE_MAX];
	uint64_t sum = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		mr_cleanup(close_file) FILE *file = NULL;
		uint64_t ns;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", pid, entry->d_name);
		file = fopen(path, "re");
		if (file && fscanf(file, "%" SCNu64, &ns) == 1)
			sum += ns;
	}
	return sum;
}

unsigned mr_proc_find(const char *prefix, pid_t *pids, unsigned max)
{
	mr_cleanup(close_dir) DIR *dir = opendir("/proc");
	struct dirent *entry;
	unsigned n = 0;

	while (dir && n < max && (entry = readdir(dir))) {
		mr_cleanup(close_file) FILE *file = NULL;
		char path[LINE_MAX], comm[64];

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/comm", entry->d_name);
		file = fopen(path, "re");
		if (file && fgets(comm, sizeof(comm), file) &&
			strncmp(comm, prefix, strlen(prefix)) == 0)
			pids[n++] = (pid_t)strtol(entry->d_name, NULL, 10);
	}
	return n;
}

unsigned mr_proc_group(pid_t group, pid_t *pids, unsigned max)
{
	mr_cleanup(close_dir) DIR *dir = opendir("/proc");
	struct dirent *entry;
	unsigned n = 0;

	while (dir && n < max && (entry = readdir(dir))) {
		pid_t pid;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (getpgid(pid) == group)
			pids[n++] = pid;
	}
	return n;
}
