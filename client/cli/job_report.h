/* SPDX-License-Identifier: Apache-2.0
 *
 * Job report: the report of a job on a service, as a table.
 */
#ifndef CLIENT_CLI_JOB_REPORT_H
#define CLIENT_CLI_JOB_REPORT_H

#include <stddef.h>

#include "client/c/remote.h"

/**
 * Prints the table of a report. text [size]: the report as the service gives it (JSON); its result
 * part is fetched once more as the canonical record that result_sha256 names, and checked. Errors:
 * I8X_EFORMAT, I8X_EARG (digest), I8X_ECORRUPT, whatever the transfer gives.
 */
I8X_FALLIBLE i8x_status i8x_job_report_show(i8x_remote *remote, const char *text, size_t size);

#endif
