/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * filter.c - the lists, and libseccomp to make filters of them.
 *
 * Calls are listed by name: what libseccomp or the processor doesn't know has no number to allow.
 * What is found wanting shows in the kernel's log (audit type 1326) with its number.
 */
#include "filter.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* What every program does, and what the loop, SQLite and the look-ups of users do. */
static const char *const common[] = {
	/* memory and time */
	"brk", "madvise", "mremap", "munmap", "clock_getres", "clock_gettime", "clock_nanosleep",
	"gettimeofday", "nanosleep", "time", "getrandom",
	/* threads and signals */
	"exit", "exit_group", "futex", "futex_waitv", "membarrier", "restart_syscall", "rseq",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sched_getaffinity",
	"sched_setaffinity", "sched_getparam", "sched_getscheduler", "sched_yield",
	"set_robust_list", "sigaltstack", "wait4", "waitid",
	/* who and where it is; threads give up capabilities, and nothing can be gained by capset */
	"capget", "capset", "getcpu", "getegid", "geteuid", "getgid", "getgroups", "getpgrp",
	"getpid", "getppid", "getresgid", "getresuid", "getrlimit", "getrusage", "gettid", "getuid",
	"sysinfo", "uname",
	/* descriptors */
	"close", "close_range", "dup", "dup2", "dup3", "epoll_create", "epoll_create1", "epoll_ctl",
	"epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "fcntl", "pipe2", "poll", "ppoll",
	"pread64", "preadv", "preadv2", "pselect6", "pwrite64", "pwritev", "pwritev2", "read",
	"readv", "select", "timerfd_create", "timerfd_gettime", "timerfd_settime", "write",
	"writev",
	/* files */
	"access", "faccessat", "faccessat2", "fadvise64", "fallocate", "fchmod", "fdatasync",
	"flock", "fstat", "fstatfs", "fsync", "ftruncate", "getcwd", "getdents", "getdents64",
	"lseek", "lstat", "newfstatat", "open", "openat", "openat2", "readlink", "readlinkat",
	"rename", "renameat", "renameat2", "rmdir", "stat", "statfs", "statx", "umask", "unlink",
	"unlinkat",
	/* sockets, but for making them */
	"accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt",
	"listen", "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt",
	"shutdown", NULL};

static const char *const dpdk[] = {
	/* each driver has its own */
	"ioctl",
	/* memory grows while it runs, page by page and where the kernel is asked to put it */
	"get_mempolicy", "mbind", "memfd_create", "mincore", "mlock", "mlock2", "munlock",
	"set_mempolicy", NULL};

static const char *const monitor[] = {"close", "exit_group", "open", "openat", "read",
	"restart_syscall", "rmdir", "rt_sigreturn", "sendmsg", "sigaltstack", "unlinkat", NULL};

/* Calls that are allowed with some values of one argument only. */
struct narrow {
	const char *name;
	struct scmp_arg_cmp arg;
};

#define IS(number, value)                     \
	{                                     \
		number, SCMP_CMP_EQ, value, 0 \
	}
#define HAS(number, bits)                              \
	{                                              \
		number, SCMP_CMP_MASKED_EQ, bits, bits \
	}
#define HAS_NOT(number, bits)                       \
	{                                           \
		number, SCMP_CMP_MASKED_EQ, bits, 0 \
	}

static const struct narrow common_narrow[] = {
	/* What the loop and the C library ask of descriptors, and offloads. */
	{"ioctl", IS(1, FIONBIO)},
	{"ioctl", IS(1, FIONREAD)},
	{"ioctl", IS(1, FIOCLEX)},
	{"ioctl", IS(1, TCGETS)}, /* isatty(3) */
	{"ioctl", IS(1, SIOCETHTOOL)},
	{"ioctl", IS(1, SIOCGIFINDEX)},
	{"ioctl", IS(1, SIOCGIFNAME)},
	/* Threads, no processes and no namespaces. */
	{"clone", HAS(0, CLONE_THREAD)},
	/* Nothing is both written and run. */
	{"mmap", HAS_NOT(2, PROT_EXEC)},
	{"mmap", HAS_NOT(2, PROT_WRITE)},
	{"mprotect", HAS_NOT(2, PROT_EXEC)},
	{"prctl", IS(0, PR_SET_NAME)},
	{"prctl", IS(0, PR_CAPBSET_READ)},
	{"prctl", IS(0, PR_CAP_AMBIENT)},
	{"prctl", IS(0, PR_GET_SECUREBITS)},
	{"prlimit64", IS(0, 0)}, /* its own */
	{"socket", IS(0, AF_UNIX)},
	{"socket", IS(0, AF_INET)},
	{"socket", IS(0, AF_INET6)},
	{"socket", IS(0, AF_NETLINK)},
	{"socketpair", IS(0, AF_UNIX)},
	/* Tables that there are, and taking the program to an interface; it loads no other one. */
	{"bpf", IS(0, BPF_MAP_LOOKUP_ELEM)},
	{"bpf", IS(0, BPF_MAP_UPDATE_ELEM)},
	{"bpf", IS(0, BPF_MAP_DELETE_ELEM)},
	{"bpf", IS(0, BPF_MAP_GET_NEXT_KEY)},
	{"bpf", IS(0, BPF_MAP_LOOKUP_BATCH)},
	{"bpf", IS(0, BPF_OBJ_PIN)},
	{"bpf", IS(0, BPF_OBJ_GET)},
	{"bpf", IS(0, BPF_OBJ_GET_INFO_BY_FD)},
	{"bpf", IS(0, BPF_LINK_CREATE)},
	{"bpf", IS(0, BPF_LINK_UPDATE)},
	{"bpf", IS(0, BPF_LINK_DETACH)},
};

static int allow(scmp_filter_ctx context, const char *const *names)
{
	int r = 0;

	for (size_t i = 0; !r && names[i]; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);

		if (number != __NR_SCMP_ERROR)
			r = seccomp_rule_add(context, SCMP_ACT_ALLOW, number, 0);
		if (r == -EDOM) /* this processor has none: newer ones came without the oldest calls
				 */
			r = 0;
	}
	return r;
}

static int allow_common(scmp_filter_ctx context)
{
	int r = allow(context, common);

	for (size_t i = 0; !r && i < sizeof(common_narrow) / sizeof(common_narrow[0]); i++)
		r = seccomp_rule_add(context, SCMP_ACT_ALLOW,
			seccomp_syscall_resolve_name(common_narrow[i].name), 1,
			common_narrow[i].arg);
	/* Signals to itself: abort(3). */
	if (!r)
		r = seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	/* Its flags lie in memory, where no filter sees them; libc then takes clone. */
	if (!r && seccomp_syscall_resolve_name("clone3") != __NR_SCMP_ERROR)
		r = seccomp_rule_add(
			context, SCMP_ACT_ERRNO(ENOSYS), seccomp_syscall_resolve_name("clone3"), 0);
	return r;
}

/* An interface that is made anew gets a packet socket. */
static int allow_dpdk(scmp_filter_ctx context)
{
	int r = allow(context, dpdk);

	return r ? r
		 : seccomp_rule_add(context, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
			   SCMP_A0(SCMP_CMP_EQ, AF_PACKET));
}

static int set_attributes(scmp_filter_ctx context)
{
	/* Older kernels don't log, and older libraries don't sort: neither is needed. */
	(void)seccomp_attr_set(context, SCMP_FLTATR_CTL_LOG, 1);
	(void)seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* A call by another processor's table is nobody's mistake. */
	(void)seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	return seccomp_attr_set(context, SCMP_FLTATR_CTL_TSYNC, 1);
}

int mr_filter_install(enum mr_filter filter, struct mr_why *ret_why)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = context ? set_attributes(context) : -ENOMEM;

	if (!r)
		r = filter == MR_FILTER_MONITOR ? allow(context, monitor) : allow_common(context);
	if (!r && filter == MR_FILTER_DPDK)
		r = allow_dpdk(context);
	if (!r)
		r = seccomp_load(context);
	seccomp_release(context);
	if (r)
		return mr_why_set(ret_why, r,
			"system calls can't be filtered: %s: a kernel without "
			"CONFIG_SECCOMP_FILTER?",
			strerror(-r));
	return 0;
}
