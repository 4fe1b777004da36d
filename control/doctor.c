// SPDX-License-Identifier: BSD-2-Clause
/*
 * doctor.c - runs the examinations and puts their findings together.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "addr.h"
#include "doctor_private.h"

struct phrase phrase(const char *format, ...)
{
	struct phrase result;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(result.text, sizeof(result.text), format, arguments);
	va_end(arguments);
	return result;
}

void finding_add(struct report *report, enum finding finding, const char *name, const char *detail,
	const char *advice)
{
	static const char *const status[] = {
		[FINDING_OK] = "ok", [FINDING_WARN] = "warn", [FINDING_FAIL] = "fail"};
	json_t *check = json_pack("{s:s, s:s, s:s, s:s?}", "name", name, "status", status[finding],
		"detail", detail, "advice", advice && *advice ? advice : NULL);

	report->failed |= finding == FINDING_FAIL;
	if (!check || json_array_append_new(report->checks, check))
		report->out_of_memory = true;
}

bool is_attached(const struct mr_doctor *doctor, const char *iface)
{
	for (size_t i = 0; i < doctor->n_interfaces; i++)
		if (!strcmp(doctor->interfaces[i], iface))
			return true;
	return false;
}

unsigned kernel_version(void)
{
	struct utsname name;
	unsigned major = 0, minor = 0;

	uname(&name);
	if (sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return 0;
	return major * 1000 + minor;
}

int line_read(const char *path, char *buf, size_t size)
{
	FILE *file = fopen(path, "re");
	int error = 0;

	if (!file)
		return -errno;
	if (!fgets(buf, (int)size, file))
		error = -EIO;
	else
		buf[strcspn(buf, "\n")] = '\0';
	fclose(file);
	return error;
}

int mr_doctor_run(const struct mr_doctor *doctor, const char *target, json_t **ret_result)
{
	struct mr_addr addr;
	uint16_t port = 0;

	if (target && mr_addr_parse(target, &addr) && mr_endpoint_parse(target, &addr, &port))
		return -EINVAL;

	struct report report = {.doctor = doctor, .checks = json_array()};
	if (!report.checks)
		return -ENOMEM;
	examine_host(&report);
	examine_ports(&report);
	examine_links(&report);
	examine_publics(&report);
	if (target)
		examine_target(&report, &addr, port);
	else
		examine_targets(&report);

	/* json_pack() takes the array over, also when it fails. */
	json_t *result = json_pack("{s:o, s:b}", "checks", report.checks, "ok", !report.failed);
	if (!result || report.out_of_memory) {
		json_decref(result);
		return -ENOMEM;
	}
	*ret_result = result;
	return 0;
}
