/*
 * What a running relay tells of itself to whoever looks after it, as JSON (/statsz) and in the text format
 * of Prometheus (/metrics). Whoever has the numbers fills an lm_report; the two writers go through the lists
 * of the counters, so that a new one is in both.
 *
 * Nothing here grows with what peers do: no address, no room, no peer is named, and every label's values
 * come from a fixed list. The nodes of a mesh, and its links, are named in the JSON alone, so many at most.
 */
#ifndef LM_RELAY_REPORT_H
#define LM_RELAY_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/mesh.h"
#include "relay/process_stats.h"
#include "relay/relay_stats.h"
#include "webrtc/stats.h"
#include "webrtc/stream_stats.h"
#include "webrtc/turn_stats.h"

/* Room for either text, whatever the numbers are. */
#define LM_REPORT_MAX (128 * 1024)

/* Most links and nodes of a mesh that are named in JSON; their numbers stand beside them. */
#define LM_REPORT_LINKS_MAX 128
#define LM_REPORT_NODES_MAX 256
#define LM_REPORT_PAIRS_MAX 2048 /* links between two others of these nodes */

typedef struct lm_report {
    const char *version; /* borrowed, as all pointers here */
    const char *node_id;
    bool open;     /* the UDP port is */
    bool draining; /* newcomers are refused, as the end is near */
    uint64_t unix_ms;
    uint64_t started_unix_ms;
    uint64_t uptime_ms; /* by the clock that nobody sets */
    uint64_t max_sessions;
    uint64_t max_allocations; /* 0 where TURN is off */
    const lm_webrtc_stats *webrtc;
    const lm_relay_stats *relay;
    const lm_udp_stats *udp;
    const lm_stream_stats *tcp; /* all 0 where the port is not open, as those of TLS */
    const lm_stream_stats *tls;
    const lm_turn_stats *turn; /* all 0 where TURN is off */
    const lm_mesh_stats *mesh; /* all 0 without a mesh */
    const lm_mesh *mesh_nodes; /* NULL without a mesh */
    uint64_t now;              /* lm_ms, that mesh_nodes goes by */
    lm_process_stats process;
} lm_report;

/* Where a report comes from: get fills every member but node_id and unix_ms, which the asker knows. */
typedef struct lm_report_source {
    void (*get)(void *ctx, lm_report *report);
    void *ctx;
} lm_report_source;

/* True when browsers that come now are let in. */
static inline bool lm_report_ready(const lm_report *report)
{
    return report->open && !report->draining;
}

/* Writes {"version":…} into buf, cap bytes, without a NUL. The length, or LM_ETOOBIG. */
int lm_report_json(const lm_report *report, void *buf, size_t cap);

/* Writes the metrics likewise (text format 0.0.4). */
int lm_report_metrics(const lm_report *report, void *buf, size_t cap);

#endif
