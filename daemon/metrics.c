/* SPDX-License-Identifier: Apache-2.0
 *
 * The counters as text. Names are in base units; docs/operations.md lists them.
 */
#include "daemon/metrics.h"

#include "daemon/auth.h"
#include "daemon/daemon.h"
#include "daemon/events.h"
#include "daemon/hub.h"
#include "daemon/study.h"
#include "daemon/worker_state.h"

static const double bucket_s[I8X_METRIC_BUCKETS] = {0.001, 0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 1800};

void i8x_metrics_duration(i8x_metrics *metrics, uint64_t wall_ns)
{
    double seconds = (double)wall_ns * 1e-9;
    int bucket = 0;
    while (bucket < I8X_METRIC_BUCKETS && seconds > bucket_s[bucket])
        bucket++;
    metrics->duration[bucket]++;
    metrics->duration_sum_s += seconds;
}

static void head(i8x_buffer *text, const char *name, const char *type, const char *help)
{
    i8x_buffer_format(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_tasks(const i8x_metrics *metrics, i8x_buffer *text)
{
    static const char *const results[] = {
#define X(name, label) label,
        I8X_METRIC_TASK_LIST(X)
#undef X
    };
    head(text, "int8x_tasks_total", "counter", "Tasks by kind and what became of them.");
    for (int kind = 0; kind < I8X_TASK_KIND_COUNT; kind++)
        for (int result = 0; result < I8X_METRIC_TASK_COUNT; result++)
            if (metrics->tasks[kind][result] > 0)
                i8x_buffer_format(text, "int8x_tasks_total{kind=\"%s\",result=\"%s\"} %llu\n",
                                  i8x_task_kind_name((i8x_task_kind)kind), results[result],
                                  (unsigned long long)metrics->tasks[kind][result]);
    head(text, "int8x_task_duration_seconds", "histogram",
         "Wall time of committed tasks on their worker.");
    uint64_t count = 0;
    for (int i = 0; i < I8X_METRIC_BUCKETS; i++) {
        count += metrics->duration[i];
        i8x_buffer_format(text, "int8x_task_duration_seconds_bucket{le=\"%g\"} %llu\n", bucket_s[i],
                          (unsigned long long)count);
    }
    count += metrics->duration[I8X_METRIC_BUCKETS];
    i8x_buffer_format(
        text,
        "int8x_task_duration_seconds_bucket{le=\"+Inf\"} %llu\n"
        "int8x_task_duration_seconds_sum %.9g\nint8x_task_duration_seconds_count %llu\n",
        (unsigned long long)count, metrics->duration_sum_s, (unsigned long long)count);
}

static void print_state(i8x_daemon *daemon, i8x_buffer *text)
{
    head(text, "int8x_tasks", "gauge", "Open tasks by state.");
    for (int state = 0; state < I8X_SCHED_STATE_COUNT; state++)
        i8x_buffer_format(text, "int8x_tasks{state=\"%s\"} %zu\n",
                          i8x_sched_state_name((i8x_sched_state)state),
                          i8x_sched_task_count(daemon->sched, (i8x_sched_state)state));
    head(text, "int8x_jobs", "gauge", "Jobs by state.");
    for (int state = 0; state < I8X_JOB_STATE_COUNT; state++)
        i8x_buffer_format(text, "int8x_jobs{state=\"%s\"} %lld\n",
                          i8x_job_state_name((i8x_job_state)state),
                          (long long)i8x_study_count(daemon->study, (i8x_job_state)state));
    head(text, "int8x_workers_quarantined_total", "counter", "Workers put into quarantine.");
    i8x_buffer_format(text, "int8x_workers_quarantined_total %llu\n",
                      (unsigned long long)daemon->metrics.quarantined);
    head(text, "int8x_workers", "gauge", "Workers with a session.");
    i8x_buffer_format(text, "int8x_workers %zu\n", i8x_sched_worker_count(daemon->sched));
    i8x_ledger_stats stats = i8x_ledger_stats_get(daemon->ledger);
    head(text, "int8x_blobs", "gauge", "Blobs in the store.");
    i8x_buffer_format(text, "int8x_blobs %llu\n", (unsigned long long)stats.blobs);
    head(text, "int8x_blobs_bytes", "gauge", "Bytes of the blobs in the store.");
    i8x_buffer_format(text, "int8x_blobs_bytes %llu\n", (unsigned long long)stats.blob_bytes);
    head(text, "int8x_ledger_commits_total", "counter", "Transactions committed.");
    i8x_buffer_format(text, "int8x_ledger_commits_total %llu\n", (unsigned long long)stats.commits);
    head(text, "int8x_ledger_writes_total", "counter", "Rows committed.");
    i8x_buffer_format(text, "int8x_ledger_writes_total %llu\n", (unsigned long long)stats.writes);
    head(text, "int8x_ledger_queue", "gauge", "Writes that wait for a commit.");
    i8x_buffer_format(text, "int8x_ledger_queue %llu\n", (unsigned long long)stats.queued);
    head(text, "int8x_ledger_reads_total", "counter", "Reads on the reader's thread.");
    i8x_buffer_format(text, "int8x_ledger_reads_total %llu\n", (unsigned long long)stats.reads);
    head(text, "int8x_ledger_read_seconds_total", "counter", "Time spent in them.");
    i8x_buffer_format(text, "int8x_ledger_read_seconds_total %.9g\n", (double)stats.read_ns * 1e-9);
    head(text, "int8x_ledger_commit_seconds_total", "counter", "Time spent in transactions.");
    i8x_buffer_format(text, "int8x_ledger_commit_seconds_total %.9g\n",
                      (double)stats.commit_ns * 1e-9);
}

void i8x_metrics_print(i8x_daemon *daemon, i8x_buffer *text)
{
    const i8x_metrics *metrics = &daemon->metrics;
    print_tasks(metrics, text);
    print_state(daemon, text);
    i8x_worker_state_metrics(daemon, text);
    head(text, "int8x_link_requests_total", "counter", "Messages of workers by type.");
    for (int type = 0; type < I8X_WIRE_TYPE_COUNT; type++)
        if (metrics->requests[type] > 0)
            i8x_buffer_format(text, "int8x_link_requests_total{type=\"%s\"} %llu\n",
                              i8x_wire_type_name((i8x_wire_type)type),
                              (unsigned long long)metrics->requests[type]);
    head(text, "int8x_blobs_damaged_total", "counter", "Blobs that the disk damaged, set aside.");
    i8x_buffer_format(text, "int8x_blobs_damaged_total %llu\n",
                      (unsigned long long)metrics->blobs_damaged);
    head(text, "int8x_link_empty_polls_total", "counter", "Requests for work answered with none.");
    i8x_buffer_format(text, "int8x_link_empty_polls_total %llu\n",
                      (unsigned long long)metrics->empty_polls);
    head(text, "int8x_http_responses_total", "counter", "Answers by class of status.");
    for (int i = 1; i < 6; i++)
        i8x_buffer_format(text, "int8x_http_responses_total{code=\"%dxx\"} %llu\n", i,
                          (unsigned long long)metrics->http[i]);
    i8x_auth_print(daemon->auth, text);
    head(text, "int8x_http_connections", "gauge", "Open connections by listener.");
    i8x_buffer_format(text, "int8x_http_connections{listener=\"api\"} %d\n",
                      i8x_http_clients(daemon->http));
    if (daemon->admin != NULL)
        i8x_buffer_format(text, "int8x_http_connections{listener=\"admin\"} %d\n",
                          i8x_http_clients(daemon->admin));
    head(text, "int8x_event_streams", "gauge", "Clients that follow events.");
    i8x_buffer_format(text, "int8x_event_streams %d\n", i8x_events_followers(daemon->events));
    head(text, "int8x_uploads", "gauge", "Blobs that are being written.");
    i8x_buffer_format(text, "int8x_uploads %d\n", daemon->uploads);
    head(text, "int8x_jobs_submitted_total", "counter", "Jobs taken since the start.");
    i8x_buffer_format(text, "int8x_jobs_submitted_total %llu\n",
                      (unsigned long long)metrics->jobs_submitted);
    head(text, "int8x_blob_bytes_received_total", "counter",
         "Bytes of blobs taken since the start.");
    i8x_buffer_format(text, "int8x_blob_bytes_received_total %llu\n",
                      (unsigned long long)metrics->blob_bytes_received);
    head(text, "int8x_start_time_seconds", "gauge", "Start of this process since 1970.");
    i8x_buffer_format(text, "int8x_start_time_seconds %.3f\n", (double)daemon->started_ms / 1000);
}
