#include "relay/memory_bound.h"

#include "mesh/mesh_uv.h"
#include "relay/health_uv.h"
#include "relay/mesh_settings.h"
#include "relay/rooms.h"
#include "webrtc/admission.h"
#include "webrtc/output_queue.h"
#include "webrtc/sctp.h"
#include "webrtc/stream_uv.h"
#include "webrtc/turn.h"

#define MEGABYTE 1000000.0

/* The TURN server with all its allocations; its queue and tables are part of it whatever their number is. */
static uint64_t turn_most(const lm_settings *s)
{
    uint64_t families = (s->public_ip[0].family != LM_AF_NONE) + (s->public_ip6[0].family != LM_AF_NONE);
    uint64_t ports = (uint64_t)(s->turn_ports.last - s->turn_ports.first) + 1;
    if (s->turn == LM_TURN_CHOICE_OFF)
        return 0;
    return (uint64_t)s->max_allocations * LM_TURN_MEMORY_ALLOCATION + families * ports * LM_TURN_MEMORY_PORT +
           LM_TURN_QUEUE_BYTES + LM_ADMISSION_ADDRESSES * LM_MEMORY_ADMISSION_ENTRY;
}

/* The connections of the TCP and the TLS port, each with its queue full. */
static uint64_t streams_most(const lm_settings *s)
{
    uint32_t connections = lm_settings_connections(s);
    return (lm_settings_tcp_port(s) != 0 ? lm_streams_memory(connections, false) : 0) +
           (s->tls_port != 0 ? lm_streams_memory(connections, true) : 0);
}

/* What the mesh holds, what its links have handed to the network, and what each member here is there. */
static uint64_t mesh_most(const lm_settings *s)
{
    lm_mesh_limits limits;
    if (!lm_mesh_settings_are_set(s))
        return 0;
    lm_mesh_settings_limits(s, &limits);
    uint64_t places = (uint64_t)s->max_sessions * s->max_rooms_per_session;
    return lm_mesh_memory(&limits) +
           (uint64_t)(limits.links_max + LM_MESH_CONNECTIONS_MORE) * LM_MESH_CONNECTION_BYTES +
           places * (LM_MESH_MEMBER_BYTES + LM_MESH_SHARE_BYTES);
}

void lm_memory_bound_of(lm_memory_bound *b, const lm_settings *settings)
{
    const uint64_t sessions = settings->max_sessions;
    /* Every member could be alone in its room. */
    const uint64_t member =
        sizeof(lm_member) + LM_MEMBER_INFO_MAX + 1 + sizeof(lm_room) + 3 * LM_MEMORY_OVERHEAD;
    const uint64_t places = settings->max_rooms_per_session * member;

    b->fixed =
        LM_MEMORY_PROGRAM + LM_OUTPUT_QUEUE_DATAGRAM_BYTES +
        (settings->session_rate > 0 ? LM_ADMISSION_ADDRESSES * LM_MEMORY_ADMISSION_ENTRY : 0) +
        (settings->health_listen.family != LM_AF_NONE ? LM_HEALTH_CONNECTIONS_MAX * LM_MEMORY_HTTP_CONNECTION
                                                      : 0);
    b->session_at_rest = LM_MEMORY_SESSION;
    b->session_most = LM_MEMORY_SESSION + LM_SCTP_SEND_SPACE + LM_SCTP_RECEIVE_SPACE + places;
    b->queues_most = sessions * LM_WEBRTC_SEND_QUEUE_MAX;
    if (b->queues_most > LM_WEBRTC_SEND_QUEUES_MAX)
        b->queues_most = LM_WEBRTC_SEND_QUEUES_MAX;
    b->peer_most = sizeof(lm_peer) + LM_MEMORY_OVERHEAD + places;
    b->peers_most = settings->resume_seconds == 0
                        ? 0
                        : sessions * (settings->resume_seconds / LM_MEMORY_SILENCE_SECONDS + 1);
    if (b->peers_most > LM_PEERS_DETACHED_MAX)
        b->peers_most = LM_PEERS_DETACHED_MAX;
    b->at_rest = b->fixed + sessions * b->session_at_rest;
    b->turn_most = turn_most(settings);
    b->streams_most = streams_most(settings);
    b->mesh_most = mesh_most(settings);
    b->most = b->mesh_most + b->fixed + b->queues_most + sessions * b->session_most +
              b->peers_most * b->peer_most + b->turn_most + b->streams_most;
}

void lm_memory_bound_print(FILE *out, const lm_memory_bound *b, const lm_settings *settings)
{
    fprintf(out, "memory: %.0f MB when all %u sessions are there and at rest,\n",
            (double)b->at_rest / MEGABYTE, (unsigned)settings->max_sessions);
    fprintf(out,
            "memory: %.0f MB at the very most, with every queue and room full: %.0f MB, %.2f MB a session, "
            "%.0f MB for\n"
            "        slow readers, %.2f MB for each of %llu peers that may come back within RESUME_SECONDS, "
            "%.0f MB for TURN, %.0f MB for "
            "streams, %.0f MB for the mesh\n",
            (double)b->most / MEGABYTE, (double)b->fixed / MEGABYTE, (double)b->session_most / MEGABYTE,
            (double)b->queues_most / MEGABYTE, (double)b->peer_most / MEGABYTE,
            (unsigned long long)b->peers_most, (double)b->turn_most / MEGABYTE,
            (double)b->streams_most / MEGABYTE, (double)b->mesh_most / MEGABYTE);
}
