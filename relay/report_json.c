#include "common/base64url.h"
#include "common/error.h"
#include "common/json_writer.h"
#include "relay/report.h"
#include "webrtc/webrtc.h"

static void put_uint(lm_json_writer *j, const char *key, uint64_t value)
{
    lm_json_key(j, key);
    lm_json_uint(j, value);
}

static void put_string(lm_json_writer *j, const char *key, const char *text)
{
    lm_json_key(j, key);
    lm_json_string(j, text);
}

static void put_bool(lm_json_writer *j, const char *key, bool value)
{
    lm_json_key(j, key);
    lm_json_bool(j, value);
}

static void open_object(lm_json_writer *j, const char *key)
{
    lm_json_key(j, key);
    lm_json_open(j, '{');
}

static void close_object(lm_json_writer *j)
{
    lm_json_close(j, '}');
}

/* The handful that answers "how is it": the rest stands behind it, whole. */
static void put_summary(lm_json_writer *j, const lm_report *r)
{
    put_uint(j, "sessions", r->relay->sessions);
    put_uint(j, "maxSessions", r->max_sessions);
    put_uint(j, "peers", r->relay->peers);
    put_uint(j, "rooms", r->relay->rooms);
    put_uint(j, "members", r->relay->members);
    open_object(j, "messages");
    put_uint(j, "in", r->relay->messages_in);
    put_uint(j, "out", r->relay->messages_out);
    close_object(j);
    open_object(j, "handshakes");
    put_uint(j, "done", r->webrtc->handshakes_done);
    put_uint(j, "failed", r->webrtc->handshakes_failed);
    close_object(j);
}

static void put_drops(lm_json_writer *j, const lm_report *r)
{
    open_object(j, "drops");
    open_object(j, "webrtc");
#define LM_X(name) put_uint(j, #name, r->webrtc->drops.name);
    LM_WEBRTC_DROPS(LM_X)
#undef LM_X
    close_object(j);
    open_object(j, "relay");
#define LM_X(name) put_uint(j, #name, r->relay->drops.name);
    LM_RELAY_DROPS(LM_X)
#undef LM_X
    close_object(j);
    open_object(j, "turn");
#define LM_X(name) put_uint(j, #name, r->turn->drops.name);
    LM_TURN_DROPS(LM_X)
#undef LM_X
    close_object(j);
    open_object(j, "mesh");
#define LM_X(name) put_uint(j, #name, r->mesh->drops.name);
    LM_MESH_DROPS(LM_X)
#undef LM_X
    close_object(j);
    close_object(j);
}

/* {"bounds":[1,2,…],"counts":[…],"sum":…}, times in ms; there is one more count than bounds. */
static void put_histogram(lm_json_writer *j, const char *key, const lm_histogram *histogram)
{
    open_object(j, key);
    lm_json_key(j, "bounds");
    lm_json_open(j, '[');
    for (size_t i = 0; i + 1 < LM_HISTOGRAM_BUCKETS; i++)
        lm_json_uint(j, lm_histogram_bound(i));
    lm_json_close(j, ']');
    lm_json_key(j, "counts");
    lm_json_open(j, '[');
    for (size_t i = 0; i < LM_HISTOGRAM_BUCKETS; i++)
        lm_json_uint(j, histogram->buckets[i]);
    lm_json_close(j, ']');
    put_uint(j, "sum", histogram->sum);
    close_object(j);
}

static void put_relay(lm_json_writer *j, const lm_relay_stats *stats)
{
    open_object(j, "relay");
#define LM_X(name, metric, help) put_uint(j, #name, stats->name);
    LM_RELAY_COUNTERS(LM_X)
    LM_RELAY_GAUGES(LM_X)
#undef LM_X
    open_object(j, "requests");
#define LM_X(name) put_uint(j, #name, stats->messages.name);
    LM_RELAY_ACTIONS(LM_X)
#undef LM_X
    close_object(j);
    open_object(j, "errors");
#define LM_X(name, code) put_uint(j, code, stats->errors.name);
    LM_RELAY_ERRORS(LM_X)
#undef LM_X
    close_object(j);
    open_object(j, "closes");
#define LM_X(name) put_uint(j, #name, stats->closes.name);
    LM_RELAY_CLOSES(LM_X)
#undef LM_X
    close_object(j);
    close_object(j);
}

static void put_webrtc(lm_json_writer *j, const lm_webrtc_stats *stats)
{
    open_object(j, "webrtc");
#define LM_X(name, metric, help) put_uint(j, #name, stats->name);
    LM_WEBRTC_COUNTERS(LM_X)
    LM_WEBRTC_GAUGES(LM_X)
#undef LM_X
    open_object(j, "closed");
    for (int i = 0; i < LM_CLOSE_REASONS; i++)
        put_uint(j, lm_close_reason_name((lm_close_reason)i), stats->closed[i]);
    close_object(j);
    close_object(j);
}

static void put_udp(lm_json_writer *j, const lm_udp_stats *stats)
{
    open_object(j, "udp");
#define LM_X(name, metric, help) put_uint(j, #name, stats->name);
    LM_UDP_COUNTERS(LM_X)
#undef LM_X
    close_object(j);
}

static void put_stream(lm_json_writer *j, const char *key, const lm_stream_stats *stats)
{
    open_object(j, key);
#define LM_X(name, metric, help) put_uint(j, #name, stats->name);
    LM_STREAM_COUNTERS(LM_X)
    LM_STREAM_GAUGES(LM_X)
#undef LM_X
    open_object(j, "ended");
    for (int i = 0; i < LM_STREAM_END_COUNT; i++)
        put_uint(j, lm_stream_end_name((lm_stream_end)i), stats->ended[i]);
    close_object(j);
    close_object(j);
}

static void put_turn(lm_json_writer *j, const lm_turn_stats *stats, uint64_t max_allocations)
{
    open_object(j, "turn");
    put_uint(j, "maxAllocations", max_allocations);
#define LM_X(name, metric, help) put_uint(j, #name, stats->name);
    LM_TURN_COUNTERS(LM_X)
    LM_TURN_GAUGES(LM_X)
#undef LM_X
    close_object(j);
}

/* A list of a mesh's links or nodes that is being written. */
typedef struct mesh_list {
    lm_json_writer *j;
    unsigned left; /* that may still be named */
} mesh_list;

static void put_nk(lm_json_writer *j, const uint8_t nk[LM_NODE_PUBLIC_KEY_LEN])
{
    char text[LM_BASE64URL_SIZE(LM_NODE_PUBLIC_KEY_LEN)];
    put_string(j, "node", lm_base64url_encode(text, sizeof text, nk, LM_NODE_PUBLIC_KEY_LEN));
}

static void put_link(void *ctx, const lm_mesh_link_info *link)
{
    mesh_list *list = ctx;
    if (list->left == 0)
        return;
    list->left--;
    lm_json_open(list->j, '{');
    put_nk(list->j, link->nk);
    put_bool(list->j, "dialled", link->dialled);
    put_uint(list->j, "upMs", link->up);
    if (link->round_trip != LM_MS_NEVER)
        put_uint(list->j, "roundTripMs", link->round_trip);
    put_uint(list->j, "bytesIn", link->bytes_in);
    put_uint(list->j, "bytesOut", link->bytes_out);
    close_object(list->j);
}

static void put_node(void *ctx, const lm_mesh_node_info *node)
{
    mesh_list *list = ctx;
    if (list->left == 0)
        return;
    list->left--;
    lm_json_open(list->j, '{');
    put_nk(list->j, node->nk);
    put_bool(list->j, "self", node->self);
    put_bool(list->j, "live", node->live);
    put_bool(list->j, "linked", node->linked);
    put_bool(list->j, "spoken", node->spoken);
    put_uint(list->j, "members", node->members);
    close_object(list->j);
}

/* Links between other nodes, as pairs of places in nodeList. */
typedef struct pair_list {
    lm_json_writer *j;
    unsigned count, left;
} pair_list;

static void put_pair(void *ctx, uint32_t a, uint32_t b)
{
    pair_list *list = ctx;
    list->count++;
    if (list->left == 0 || a >= LM_REPORT_NODES_MAX || b >= LM_REPORT_NODES_MAX)
        return;
    list->left--;
    lm_json_open(list->j, '[');
    lm_json_uint(list->j, a);
    lm_json_uint(list->j, b);
    lm_json_close(list->j, ']');
}

static void put_mesh(lm_json_writer *j, const lm_report *r)
{
    pair_list pairs = {.j = j, .left = LM_REPORT_PAIRS_MAX};
    mesh_list links = {.j = j, .left = LM_REPORT_LINKS_MAX};
    mesh_list nodes = {.j = j, .left = LM_REPORT_NODES_MAX};
    open_object(j, "mesh");
    put_bool(j, "on", r->mesh_nodes != NULL);
#define LM_X(name, metric, help) put_uint(j, #name, r->mesh->name);
    LM_MESH_COUNTERS(LM_X)
    LM_MESH_GAUGES(LM_X)
#undef LM_X
    put_histogram(j, "lag", &r->mesh->lag);
    put_histogram(j, "roundTrip", &r->mesh->round_trip);
    lm_json_key(j, "linkList");
    lm_json_open(j, '[');
    if (r->mesh_nodes != NULL)
        lm_mesh_visit_links(r->mesh_nodes, r->now, put_link, &links);
    lm_json_close(j, ']');
    lm_json_key(j, "nodeList");
    lm_json_open(j, '[');
    if (r->mesh_nodes != NULL)
        lm_mesh_visit_nodes(r->mesh_nodes, r->now, put_node, &nodes);
    lm_json_close(j, ']');
    lm_json_key(j, "pairList");
    lm_json_open(j, '[');
    if (r->mesh_nodes != NULL)
        lm_mesh_visit_pairs(r->mesh_nodes, put_pair, &pairs);
    lm_json_close(j, ']');
    put_uint(j, "pairs", pairs.count);
    close_object(j);
}

static void put_process(lm_json_writer *j, const lm_process_stats *process)
{
    open_object(j, "process");
    put_uint(j, "cpuMs", process->cpu_ms);
    put_uint(j, "residentBytes", process->resident_bytes);
    put_uint(j, "virtualBytes", process->virtual_bytes);
    put_uint(j, "openFds", process->open_fds);
    put_uint(j, "maxFds", process->max_fds);
    close_object(j);
}

int lm_report_json(const lm_report *report, void *buf, size_t cap)
{
    lm_json_writer j = lm_json_writer_init(buf, cap);
    lm_json_open(&j, '{');
    put_string(&j, "version", report->version);
    put_string(&j, "nodeId", report->node_id);
    put_bool(&j, "ready", lm_report_ready(report));
    put_bool(&j, "draining", report->draining);
    put_uint(&j, "ts", report->unix_ms);
    put_uint(&j, "startedAt", report->started_unix_ms);
    put_uint(&j, "uptimeMs", report->uptime_ms);
    put_summary(&j, report);
    put_drops(&j, report);
    put_histogram(&j, "connectTime", &report->webrtc->connect_time);
    put_histogram(&j, "signalTime", &report->relay->signal_time);
    put_histogram(&j, "turnTime", &report->udp->turn_time);
    put_relay(&j, report->relay);
    put_webrtc(&j, report->webrtc);
    put_udp(&j, report->udp);
    put_stream(&j, "tcp", report->tcp);
    put_stream(&j, "tls", report->tls);
    put_turn(&j, report->turn, report->max_allocations);
    put_mesh(&j, report);
    put_process(&j, &report->process);
    lm_json_close(&j, '}');
    return j.text.failed ? LM_ETOOBIG : (int)j.text.len;
}
