#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/bytes.h"
#include "common/error.h"
#include "relay/report.h"
#include "webrtc/webrtc.h"

#define PREFIX "lumamesh_"
#define LINE_MAX_LEN 512 /* of our own names and numbers */

__attribute__((format(printf, 2, 3))) static void put(lm_writer *w, const char *format, ...)
{
    char line[LINE_MAX_LEN];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof line)
        w->failed = true;
    else
        lm_write_bytes(w, line, (size_t)n);
}

static void put_head(lm_writer *w, const char *name, const char *type, const char *help)
{
    put(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Thousandths as a decimal number, whatever the locale. */
static void put_milli(lm_writer *w, const char *name, uint64_t milli)
{
    put(w, "%s %" PRIu64 ".%03u\n", name, milli / 1000, (unsigned)(milli % 1000));
}

static void put_gauge(lm_writer *w, const char *name, uint64_t value, const char *help)
{
    put_head(w, name, "gauge", help);
    put(w, "%s %" PRIu64 "\n", name, value);
}

static void put_counter(lm_writer *w, const char *name, uint64_t value, const char *help)
{
    put_head(w, name, "counter", help);
    put(w, "%s %" PRIu64 "\n", name, value);
}

/* The bound in seconds as the shortest decimal number: 0.001, 0.25, 30. */
static void put_bound(char text[32], lm_ms bound)
{
    int n = snprintf(text, 32, "%" PRIu64 ".%03u", bound / 1000, (unsigned)(bound % 1000));
    while (n > 0 && text[n - 1] == '0')
        text[--n] = '\0';
    if (n > 0 && text[n - 1] == '.')
        text[n - 1] = '\0';
}

/* Prometheus's buckets hold all times up to their bound, ours only those over the bound before. */
static void put_histogram(lm_writer *w, const char *name, const lm_histogram *histogram, const char *help)
{
    uint64_t count = 0;
    put_head(w, name, "histogram", help);
    for (size_t i = 0; i < LM_HISTOGRAM_BUCKETS; i++) {
        char bound[32] = "+Inf";
        if (i + 1 < LM_HISTOGRAM_BUCKETS)
            put_bound(bound, lm_histogram_bound(i));
        count += histogram->buckets[i];
        put(w, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name, bound, count);
    }
    put(w, "%s_sum %" PRIu64 ".%03u\n%s_count %" PRIu64 "\n", name, histogram->sum / 1000,
        (unsigned)(histogram->sum % 1000), name, count);
}

static void put_state(lm_writer *w, const lm_report *r)
{
    put_head(w, PREFIX "build_info", "gauge", "Which build this is; always 1.");
    put(w, PREFIX "build_info{version=\"%s\"} 1\n", r->version);
    put_head(w, PREFIX "node_info", "gauge", "Which node this is; always 1.");
    put(w, PREFIX "node_info{node=\"%s\"} 1\n", r->node_id);
    put_gauge(w, PREFIX "ready", lm_report_ready(r), "1 when newcomers are let in, as /readyz says.");
    put_gauge(w, PREFIX "draining", r->draining, "1 when newcomers are refused, as the relay is to end.");
    put_gauge(w, PREFIX "sessions_max", r->max_sessions, "Sessions that there may be, MAX_SESSIONS.");
}

static void put_relay(lm_writer *w, const lm_relay_stats *stats)
{
#define LM_X(name, metric, help) put_gauge(w, PREFIX metric, stats->name, help);
    LM_RELAY_GAUGES(LM_X)
#undef LM_X
#define LM_X(name, metric, help) put_counter(w, PREFIX metric "_total", stats->name, help);
    LM_RELAY_COUNTERS(LM_X)
#undef LM_X
    put_head(w, PREFIX "requests_total", "counter", "Requests taken from clients, by action.");
#define LM_X(name) put(w, PREFIX "requests_total{action=\"" #name "\"} %" PRIu64 "\n", stats->messages.name);
    LM_RELAY_ACTIONS(LM_X)
#undef LM_X
    put_head(w, PREFIX "errors_total", "counter", "Requests answered with an error, by its code.");
#define LM_X(name, code) put(w, PREFIX "errors_total{code=\"" code "\"} %" PRIu64 "\n", stats->errors.name);
    LM_RELAY_ERRORS(LM_X)
#undef LM_X
    put_head(w, PREFIX "relay_closes_total", "counter", "Sessions that the relay itself closed, by reason.");
#define LM_X(name) \
    put(w, PREFIX "relay_closes_total{reason=\"" #name "\"} %" PRIu64 "\n", stats->closes.name);
    LM_RELAY_CLOSES(LM_X)
#undef LM_X
}

static void put_webrtc(lm_writer *w, const lm_webrtc_stats *stats)
{
#define LM_X(name, metric, help) put_gauge(w, PREFIX metric, stats->name, help);
    LM_WEBRTC_GAUGES(LM_X)
#undef LM_X
#define LM_X(name, metric, help) put_counter(w, PREFIX metric "_total", stats->name, help);
    LM_WEBRTC_COUNTERS(LM_X)
#undef LM_X
    put_head(w, PREFIX "sessions_closed_total", "counter", "Opened sessions that ended, by reason.");
    for (int i = 0; i < LM_CLOSE_REASONS; i++)
        put(w, PREFIX "sessions_closed_total{reason=\"%s\"} %" PRIu64 "\n",
            lm_close_reason_name((lm_close_reason)i), stats->closed[i]);
}

/* One value of each listener. */
static void put_streams(lm_writer *w, const lm_report *r)
{
#define LM_X(name, metric, help)                                             \
    put_head(w, PREFIX metric, "gauge", help);                               \
    put(w, PREFIX metric "{transport=\"tcp\"} %" PRIu64 "\n", r->tcp->name); \
    put(w, PREFIX metric "{transport=\"tls\"} %" PRIu64 "\n", r->tls->name);
    LM_STREAM_GAUGES(LM_X)
#undef LM_X
#define LM_X(name, metric, help)                                                   \
    put_head(w, PREFIX metric "_total", "counter", help);                          \
    put(w, PREFIX metric "_total{transport=\"tcp\"} %" PRIu64 "\n", r->tcp->name); \
    put(w, PREFIX metric "_total{transport=\"tls\"} %" PRIu64 "\n", r->tls->name);
    LM_STREAM_COUNTERS(LM_X)
#undef LM_X
    put_head(w, PREFIX "stream_ended_total", "counter", "Connections that ended or were refused, by reason.");
    for (int i = 0; i < LM_STREAM_END_COUNT; i++) {
        const char *reason = lm_stream_end_name((lm_stream_end)i);
        put(w, PREFIX "stream_ended_total{transport=\"tcp\",reason=\"%s\"} %" PRIu64 "\n", reason,
            r->tcp->ended[i]);
        put(w, PREFIX "stream_ended_total{transport=\"tls\",reason=\"%s\"} %" PRIu64 "\n", reason,
            r->tls->ended[i]);
    }
}

static void put_turn(lm_writer *w, const lm_turn_stats *stats, uint64_t max_allocations)
{
    put_gauge(w, PREFIX "turn_allocations_max", max_allocations,
              "TURN allocations that there may be, MAX_ALLOCATIONS; 0: TURN is off.");
#define LM_X(name, metric, help) put_gauge(w, PREFIX metric, stats->name, help);
    LM_TURN_GAUGES(LM_X)
#undef LM_X
#define LM_X(name, metric, help) put_counter(w, PREFIX metric "_total", stats->name, help);
    LM_TURN_COUNTERS(LM_X)
#undef LM_X
}

static void put_mesh(lm_writer *w, const lm_mesh_stats *stats)
{
#define LM_X(name, metric, help) put_gauge(w, PREFIX metric, stats->name, help);
    LM_MESH_GAUGES(LM_X)
#undef LM_X
#define LM_X(name, metric, help) put_counter(w, PREFIX metric "_total", stats->name, help);
    LM_MESH_COUNTERS(LM_X)
#undef LM_X
    put_histogram(w, PREFIX "mesh_lag_seconds", &stats->lag,
                  "Time from a link's rise to the list of the other node's rooms.");
    put_histogram(w, PREFIX "mesh_round_trip_seconds", &stats->round_trip,
                  "Time from a ping to its answer, over all links.");
}

static void put_drops(lm_writer *w, const lm_report *r)
{
    put_head(w, PREFIX "drops_total", "counter",
             "Datagrams, records, chunks and messages that led to nothing, by where and why.");
#define LM_X(name) \
    put(w, PREFIX "drops_total{layer=\"webrtc\",reason=\"" #name "\"} %" PRIu64 "\n", r->webrtc->drops.name);
    LM_WEBRTC_DROPS(LM_X)
#undef LM_X
#define LM_X(name) \
    put(w, PREFIX "drops_total{layer=\"relay\",reason=\"" #name "\"} %" PRIu64 "\n", r->relay->drops.name);
    LM_RELAY_DROPS(LM_X)
#undef LM_X
#define LM_X(name) \
    put(w, PREFIX "drops_total{layer=\"turn\",reason=\"" #name "\"} %" PRIu64 "\n", r->turn->drops.name);
    LM_TURN_DROPS(LM_X)
#undef LM_X
#define LM_X(name) \
    put(w, PREFIX "drops_total{layer=\"mesh\",reason=\"" #name "\"} %" PRIu64 "\n", r->mesh->drops.name);
    LM_MESH_DROPS(LM_X)
#undef LM_X
}

/* The names that Prometheus's client libraries have agreed on. */
static void put_process(lm_writer *w, const lm_report *r)
{
    put_head(w, "process_cpu_seconds_total", "counter", "CPU time used, in user and in kernel mode.");
    put_milli(w, "process_cpu_seconds_total", r->process.cpu_ms);
    put_head(w, "process_start_time_seconds", "gauge", "When the relay was started, in Unix time.");
    put_milli(w, "process_start_time_seconds", r->started_unix_ms);
    put_gauge(w, "process_resident_memory_bytes", r->process.resident_bytes, "Memory that is resident.");
    put_gauge(w, "process_virtual_memory_bytes", r->process.virtual_bytes, "Address space.");
    put_gauge(w, "process_open_fds", r->process.open_fds, "Open file descriptors.");
    put_gauge(w, "process_max_fds", r->process.max_fds, "File descriptors that may be open; 0: no limit.");
}

int lm_report_metrics(const lm_report *report, void *buf, size_t cap)
{
    lm_writer w = lm_writer_init(buf, cap);
    put_state(&w, report);
    put_relay(&w, report->relay);
    put_histogram(&w, PREFIX "signal_latency_seconds", &report->relay->signal_time,
                  "Time that signals took through the relay, from the datagrams coming in to the target's "
                  "queue.");
    put_webrtc(&w, report->webrtc);
    put_histogram(&w, PREFIX "connect_seconds", &report->webrtc->connect_time,
                  "Time from a session's first valid check to its open channel.");
#define LM_X(name, metric, help) put_counter(&w, PREFIX metric "_total", report->udp->name, help);
    LM_UDP_COUNTERS(LM_X)
#undef LM_X
    put_histogram(&w, PREFIX "loop_turn_seconds", &report->udp->turn_time,
                  "CPU time that a turn of the event loop took, from one wait for the network to the next.");
    put_streams(&w, report);
    put_turn(&w, report->turn, report->max_allocations);
    put_mesh(&w, report->mesh);
    put_drops(&w, report);
    put_process(&w, report);
    return w.failed ? LM_ETOOBIG : (int)w.len;
}
