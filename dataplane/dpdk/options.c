/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.c - reads the `dpdk { }` section: one table of names, one setter each.
 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sets a field from `value`; the text of what a right value would be, or NULL if it was right. */
typedef const char *set_fn(struct mr_dpdk_options *o, const char *value);

static bool parse_number(const char *text, unsigned long lo, unsigned long hi, uint32_t *ret)
{
	unsigned long value;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value < lo || value > hi)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static const char *add_device(struct mr_dpdk_options *o, const char *word)
{
	unsigned domain, bus, slot, function;
	int length = 0;

	if (sscanf(word, "%4x:%2x:%2x.%1u%n", &domain, &bus, &slot, &function, &length) != 4 ||
		(word[length] && word[length] != ','))
		return "want PCI addresses such as 0000:03:00.0";
	if (o->n_devices + o->n_vdevs == MR_DPDK_PORTS_MAX)
		return "at most 16 devices";
	o->devices[o->n_devices++] = word;
	return NULL;
}

static const char *add_vdev(struct mr_dpdk_options *o, const char *word)
{
	if (strncmp(word, "net_", 4))
		return "want virtual Ethernet devices of DPDK such as net_tap0,iface=x";
	if (o->n_devices + o->n_vdevs == MR_DPDK_PORTS_MAX)
		return "at most 16 devices";
	o->vdevs[o->n_vdevs++] = word;
	return NULL;
}

static const char *add_eal(struct mr_dpdk_options *o, const char *word)
{
	if (o->n_eal == MR_DPDK_EAL_MAX)
		return "at most 32 arguments";
	o->eal[o->n_eal++] = word;
	return NULL;
}

/* Hands each word of `value`, copied to where it stays, to `add`. */
static const char *each_word(struct mr_dpdk_options *o, const char *value, set_fn *add)
{
	size_t size = strlen(value) + 1;
	const char *want = NULL;
	char *text = o->text + o->text_used, *word, *rest;

	if (size > sizeof(o->text) - o->text_used)
		return "too long";
	memcpy(text, value, size);
	o->text_used += size;
	for (word = strtok_r(text, " ", &rest); word && !want; word = strtok_r(NULL, " ", &rest))
		want = add(o, word);
	return want;
}

static const char *set_devices(struct mr_dpdk_options *o, const char *value)
{
	return each_word(o, value, add_device);
}

static const char *set_vdevs(struct mr_dpdk_options *o, const char *value)
{
	return each_word(o, value, add_vdev);
}

static const char *set_eal(struct mr_dpdk_options *o, const char *value)
{
	return each_word(o, value, add_eal);
}

/* "2,4-6" */
static const char *set_lcores(struct mr_dpdk_options *o, const char *value)
{
	static const char want[] = "want CPU numbers such as 2,4-6, at most 32";
	const char *at = value;

	o->n_lcores = 0;
	do {
		unsigned first, last;
		int length = 0;

		if (!isdigit((unsigned char)*at) || sscanf(at, "%4u%n", &first, &length) != 1)
			return want;
		at += length;
		last = first;
		if (*at == '-') {
			if (!isdigit((unsigned char)at[1]) ||
				sscanf(at + 1, "%4u%n", &last, &length) != 1)
				return want;
			at += 1 + length;
		}
		for (; first <= last; first++) {
			if (o->n_lcores == MR_DPDK_WORKERS_MAX)
				return want;
			o->lcores[o->n_lcores++] = (uint16_t)first;
		}
	} while (*at == ',' && *++at);
	return *at || !o->n_lcores ? want : NULL;
}

static const char *set_workers(struct mr_dpdk_options *o, const char *value)
{
	return parse_number(value, 1, MR_DPDK_WORKERS_MAX, &o->workers) ? NULL : "want 1 to 32";
}

static const char *set_memory(struct mr_dpdk_options *o, const char *value)
{
	return parse_number(value, 32, 1 << 20, &o->memory_mib) ? NULL
								: "want mebibytes, at least 32";
}

static const char *set_descriptors(struct mr_dpdk_options *o, const char *value)
{
	return parse_number(value, 32, 32768, &o->descriptors) ? NULL : "want 32 to 32768";
}

static const char *set_hugepages(struct mr_dpdk_options *o, const char *value)
{
	if (!strcmp(value, "auto"))
		o->hugepages = MR_HUGEPAGES_AUTO;
	else if (!strcmp(value, "none"))
		o->hugepages = MR_HUGEPAGES_NONE;
	else if (!strcmp(value, "required"))
		o->hugepages = MR_HUGEPAGES_REQUIRED;
	else
		return "want auto, none or required";
	return NULL;
}

static const char *set_exception(struct mr_dpdk_options *o, const char *value)
{
	if (!strcmp(value, "auto"))
		o->exception = MR_EXCEPTION_AUTO;
	else if (!strcmp(value, "tap"))
		o->exception = MR_EXCEPTION_TAP;
	else if (!strcmp(value, "kernel"))
		o->exception = MR_EXCEPTION_KERNEL;
	else
		return "want auto, tap or kernel";
	return NULL;
}

static const char *set_idle(struct mr_dpdk_options *o, const char *value)
{
	if (strcmp(value, "sleep") && strcmp(value, "poll"))
		return "want sleep or poll";
	o->poll = !strcmp(value, "poll");
	return NULL;
}

static const struct {
	const char *name;
	set_fn *set;
} table[] = {
	{"devices", set_devices},
	{"vdevs", set_vdevs},
	{"lcores", set_lcores},
	{"workers", set_workers},
	{"hugepages", set_hugepages},
	{"memory", set_memory},
	{"descriptors", set_descriptors},
	{"exception", set_exception},
	{"idle", set_idle},
	{"eal", set_eal},
};

static int set_option(struct mr_dpdk_options *o, const char *option, struct mr_why *ret_why)
{
	size_t name_length = strcspn(option, "=");

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *want;

		if (!option[name_length] || strlen(table[i].name) != name_length ||
			strncmp(table[i].name, option, name_length))
			continue;
		want = table[i].set(o, option + name_length + 1);
		return want ? mr_why_set(ret_why, -EINVAL, "dpdk option %s: %s", option, want) : 0;
	}
	return mr_why_set(ret_why, -EINVAL, "dpdk option %s: there is none of this name; see %s",
		option, "docs/dpdk.md");
}

int mr_dpdk_options_parse(const char *const *options, size_t n_options,
	struct mr_dpdk_options *ret_options, struct mr_why *ret_why)
{
	struct mr_dpdk_options *o = ret_options;
	int rc;

	*o = (struct mr_dpdk_options){0};
	for (size_t i = 0; i < n_options; i++) {
		rc = set_option(o, options[i], ret_why);
		if (rc)
			return rc;
	}
	if (!o->workers)
		o->workers = o->n_lcores ? (uint32_t)o->n_lcores : 1;
	if (o->n_lcores && o->n_lcores != o->workers)
		return mr_why_set(ret_why, -EINVAL,
			"dpdk options: %u workers on %zu lcores: leave "
			"out workers, or name as many lcores",
			o->workers, o->n_lcores);
	return 0;
}
