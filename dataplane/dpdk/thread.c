/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * thread.c - capget and capset by hand: libcap-ng keeps one state for the process, which is the
 * daemon's.
 */
#include "thread.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

int mr_thread_keep_capabilities(uint64_t mask)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t word = (uint32_t)(mask >> (32 * i));

		data[i].effective &= word;
		data[i].permitted &= word;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}
