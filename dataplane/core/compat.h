/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * compat.h - what differs between BPF and the host: the one place with an #ifdef for it.
 *
 * Owns byte order, inlining and single-copy loads and stores. Everything else in the core is plain
 * C over the fixed-width types of the Linux UAPI and needs no other header.
 */
#ifndef MR_CORE_COMPAT_H
#define MR_CORE_COMPAT_H

#include <linux/bpf.h>
#include <linux/types.h>

#ifdef __bpf__
/* Functions called under a bpf_spin_lock must be inlined (until kernel 6.14), so all of them are.
 */
#define mr_inline static inline __attribute__((always_inline, unused))
#else
#include <stdbool.h>
#include <stddef.h>
#define mr_inline static inline __attribute__((unused))
#endif

#ifdef __bpf__
typedef _Bool bool;
#define true 1
#define false 0
#ifndef NULL
#define NULL ((void *)0)
#endif
#endif

#define mr_likely(x)   __builtin_expect(!!(x), 1)
#define mr_unlikely(x) __builtin_expect(!!(x), 0)
#define mr_min(a, b)   ((a) < (b) ? (a) : (b))
#define mr_max(a, b)   ((a) > (b) ? (a) : (b))

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define mr_be16_to_cpu(x) __builtin_bswap16((__u16)(x))
#define mr_be32_to_cpu(x) __builtin_bswap32((__u32)(x))
#define mr_be64_to_cpu(x) __builtin_bswap64((__u64)(x))
#else
#define mr_be16_to_cpu(x) ((__u16)(x))
#define mr_be32_to_cpu(x) ((__u32)(x))
#define mr_be64_to_cpu(x) ((__u64)(x))
#endif
#define mr_cpu_to_be16(x) ((__be16)mr_be16_to_cpu(x))
#define mr_cpu_to_be32(x) ((__be32)mr_be32_to_cpu(x))
#define mr_cpu_to_be64(x) ((__be64)mr_be64_to_cpu(x))

#endif
