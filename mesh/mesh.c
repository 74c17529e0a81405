#include "mesh/mesh.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "mesh/conversation.h"
#include "mesh/dialer.h"
#include "mesh/gossip.h"
#include "mesh/links.h"
#include "mesh/members.h"
#include "mesh/nodes.h"

#define LINK_BYTES_MIN (1024u * 1024) /* what one link takes that does as it should */

/* An output that waits to be polled. */
typedef struct lm_mesh_event {
    struct lm_mesh_event *prev, *next;
    lm_mesh_output out; /* its texts are in text */
    char text[];
} lm_mesh_event;

void lm_mesh_limits_default(lm_mesh_limits *limits)
{
    *limits = (lm_mesh_limits){.links_wanted = 64,
                               .links_max = 128,
                               .nodes_max = 1024,
                               .room_size = 250,
                               .members_per_node = 10000,
                               .members_max = 100000,
                               .shares_max = 250000,
                               .link_bytes = 64 * 1024 * 1024,
                               .queue_bytes = 64 * 1024 * 1024,
                               .frame_rate = 2000};
}

uint64_t lm_mesh_memory(const lm_mesh_limits *l)
{
    return sizeof(lm_mesh) + (uint64_t)(l->links_max + LM_MESH_PENDING_MAX) * LM_MESH_LINK_BYTES +
           l->link_bytes + LM_MESH_BUFFER_BYTES + l->queue_bytes +
           (uint64_t)l->nodes_max * LM_MESH_NODE_BYTES + (uint64_t)l->members_max * LM_MESH_MEMBER_BYTES +
           (uint64_t)l->shares_max * LM_MESH_SHARE_BYTES;
}

static bool are_good(const lm_mesh_limits *l)
{
    return l->links_wanted > 0 && l->links_max >= l->links_wanted && l->nodes_max > 0 && l->room_size > 0 &&
           l->members_per_node > 0 && l->members_max > 0 && l->shares_max > 0 &&
           l->link_bytes >= LINK_BYTES_MIN && l->queue_bytes > 0 && l->frame_rate > 0;
}

uint32_t lm_mesh_below(lm_mesh *mesh, uint32_t n)
{
    uint64_t value;
    lm_random_fill(&mesh->random, &value, sizeof value);
    return (uint32_t)(value % n); /* the bias is below 2^-32 */
}

int lm_mesh_create(lm_mesh **out, const lm_mesh_config *config, lm_ms now)
{
    if (strlen(config->salt) < LM_MESH_SALT_MIN || !are_good(&config->limits))
        return LM_EINVAL;
    lm_mesh *mesh = calloc(1, sizeof *mesh);
    if (mesh == NULL)
        return LM_ENOMEM;
    mesh->limits = config->limits;
    mesh->random = config->random;
    mesh->log = config->log;
    mesh->tell_at = mesh->fresh_at = LM_MS_NEVER;
    mesh->expire_at = now;
    lm_random_fill(&mesh->random, &mesh->boot, 6);
    mesh->boot &= LM_MESH_NUMBER_MAX;
    int result = lm_mesh_keys_make(&mesh->keys, config->seed, config->salt);
    mesh->told_cap = mesh->limits.links_max;
    mesh->told = calloc(mesh->told_cap, sizeof *mesh->told);
    if (result == LM_OK)
        mesh->self = lm_nodes_get(mesh, mesh->keys.nk);
    if (result == LM_OK && (mesh->told == NULL || mesh->self == NULL))
        result = LM_ENOMEM;
    if (result == LM_OK)
        *out = mesh;
    else
        lm_mesh_destroy(mesh);
    return result;
}

void lm_mesh_destroy(lm_mesh *mesh)
{
    lm_mesh_link *link, *next_link;
    lm_mesh_node *node, *next_node;
    lm_mesh_event *event, *next_event;
    if (mesh == NULL)
        return;
    HASH_ITER(hh, mesh->nodes, node, next_node) {
        lm_conversation_end(mesh, 0, node);
    }
    lm_deadlines_clear(&mesh->conversation_deadlines);
    lm_members_clear(mesh);
    lm_deadlines_clear(&mesh->link_deadlines); /* it touches their owners */
    while (mesh->ready != NULL) {
        link = mesh->ready;
        if (link->state == LM_LINK_DEAD) {
            lm_links_bury(mesh, link);
        } else {
            DL_DELETE2(mesh->ready, link, ready_prev, ready_next);
            link->ready = false;
        }
    }
    HASH_ITER(hh, mesh->links, link, next_link) {
        HASH_DEL(mesh->links, link);
        DL_APPEND2(mesh->dying, link, ready_prev, ready_next);
        link->dial = NULL;
    }
    lm_dialer_clear(mesh);
    lm_links_reap(mesh);
    lm_nodes_clear(mesh);
    DL_FOREACH_SAFE(mesh->events, event, next_event) {
        free(event);
    }
    free(mesh->polled);
    free(mesh->told);
    sodium_memzero(&mesh->keys, sizeof mesh->keys);
    free(mesh);
}

static lm_mesh_event *add_event(lm_mesh *mesh, lm_mesh_output_kind kind, lm_link_id link, const char *text)
{
    size_t len = text != NULL ? strlen(text) : 0;
    lm_mesh_event *event = calloc(1, sizeof *event + len + 1);
    if (event == NULL) {
        mesh->stats.drops.memory++;
        return NULL;
    }
    if (len > 0)
        memcpy(event->text, text, len);
    event->out.kind = kind;
    event->out.link = link;
    DL_APPEND(mesh->events, event);
    return event;
}

void lm_mesh_emit(lm_mesh *mesh, lm_mesh_output_kind kind, lm_link_id link, const char *text)
{
    lm_mesh_event *event = add_event(mesh, kind, link, text);
    if (event != NULL)
        event->out.host_port = event->text;
}

void lm_mesh_emit_member(lm_mesh *mesh, lm_mesh_output_kind kind, const uint8_t room[LM_MESH_ROOM_LEN],
                         const uint8_t peer[LM_MESH_PEER_LEN], const uint8_t *to, const char *text)
{
    lm_mesh_event *event = add_event(mesh, kind, 0, text);
    if (event == NULL)
        return;
    memcpy(event->out.member.room, room, LM_MESH_ROOM_LEN);
    memcpy(event->out.member.peer, peer, LM_MESH_PEER_LEN);
    if (to != NULL)
        memcpy(event->out.member.to, to, LM_MESH_PEER_LEN);
    event->out.member.text = event->text;
}

void lm_mesh_ban(lm_mesh *mesh, lm_ms now, lm_mesh_node *node)
{
    lm_mesh_link *link;
    node->banned_until = now + LM_MESH_BAN;
    mesh->doom = true;
    DL_FOREACH2(node->links, link, node_next) {
        lm_links_doom(mesh, link);
    }
}

/* The end of each turn: what could not end in its midst does. */
static void settle(lm_mesh *mesh, lm_ms now)
{
    while (mesh->doom) {
        mesh->doom = false;
        lm_links_close_doomed(mesh, now);
        lm_conversation_close_over(mesh, now);
    }
    lm_links_reap(mesh);
}

void lm_mesh_set_unix_time(lm_mesh *mesh, lm_ms now, uint64_t unix_ms)
{
    mesh->clock_at = now;
    mesh->unix_ms = unix_ms;
}

int lm_mesh_set_record(lm_mesh *mesh, lm_ms now, const lm_node_record *record)
{
    int result = lm_nodes_set_self(mesh, now, record->text, record->sig);
    if (result == LM_OK)
        lm_gossip_self(mesh, now);
    settle(mesh, now);
    return result;
}

uint64_t lm_mesh_own_seq(const lm_mesh *mesh)
{
    return mesh->seen_seq;
}

int lm_mesh_set_peers(lm_mesh *mesh, lm_ms now, const char *const *peers, size_t count)
{
    int result = lm_dialer_prepare(mesh, peers, count);
    if (result == LM_OK)
        lm_dialer_commit(mesh, now);
    return result;
}

int lm_mesh_prepare(lm_mesh *mesh, const lm_mesh_limits *limits, const char *const *peers, size_t count)
{
    if (!are_good(limits))
        return LM_EINVAL;
    if (limits->links_max > mesh->told_cap) {
        uint8_t(*told)[LM_NODE_PUBLIC_KEY_LEN] = realloc(mesh->told, limits->links_max * sizeof *told);
        if (told == NULL)
            return LM_ENOMEM;
        mesh->told = told;
        mesh->told_cap = limits->links_max;
    }
    int result = lm_dialer_prepare(mesh, peers, count);
    if (result == LM_OK)
        mesh->prepared = *limits;
    return result;
}

void lm_mesh_commit(lm_mesh *mesh, lm_ms now)
{
    mesh->limits = mesh->prepared;
    lm_dialer_commit(mesh, now);
}

int lm_mesh_accepted(lm_mesh *mesh, lm_ms now, const lm_addr *from, lm_link_id *id)
{
    if (mesh->self->record == NULL)
        return LM_ELIMIT;
    lm_mesh_link *link = lm_links_add(mesh, now, NULL, from);
    if (link == NULL)
        return LM_ELIMIT;
    *id = link->id;
    lm_links_begin(mesh, now, link);
    settle(mesh, now);
    return LM_OK;
}

void lm_mesh_connected(lm_mesh *mesh, lm_ms now, lm_link_id id, const lm_addr *to)
{
    lm_mesh_link *link = lm_links_find(mesh, id);
    if (link == NULL)
        return;
    link->addr = *to;
    lm_links_begin(mesh, now, link);
    settle(mesh, now);
}

void lm_mesh_input(lm_mesh *mesh, lm_ms now, lm_link_id id, const void *data, size_t len)
{
    lm_mesh_link *link = lm_links_find(mesh, id);
    if (link == NULL)
        return;
    lm_links_input(mesh, now, link, data, len);
    settle(mesh, now);
}

void lm_mesh_sent(lm_mesh *mesh, lm_ms now, lm_link_id id, size_t len)
{
    lm_mesh_link *link = lm_links_find(mesh, id);
    (void)now;
    if (link == NULL)
        return;
    link->in_flight -= len < link->in_flight ? len : link->in_flight;
    lm_links_mark_ready(mesh, link);
}

void lm_mesh_closed(lm_mesh *mesh, lm_ms now, lm_link_id id)
{
    lm_mesh_link *link = lm_links_find(mesh, id);
    if (link == NULL)
        return;
    lm_links_close(mesh, now, link, false);
    settle(mesh, now);
}

/* The next bytes of a link: 1, or 0 if there are none. */
static int poll_links(lm_mesh *mesh, lm_ms now, lm_mesh_output *out)
{
    while (mesh->ready != NULL) {
        lm_mesh_link *link = mesh->ready;
        bool dead = link->state == LM_LINK_DEAD;
        DL_DELETE2(mesh->ready, link, ready_prev, ready_next);
        link->ready = false;
        if (!dead && link->in_flight >= LM_MESH_IN_FLIGHT_MAX) /* lm_mesh_sent() makes it ready again */
            continue;
        int len = lm_noise_stream_take(&link->stream, mesh->out);
        lm_links_count_buffers(mesh, link);
        if (len < 0 && !dead)
            lm_links_close(mesh, now, link, true);
        else if (dead && (len <= 0 || !lm_noise_stream_pending(&link->stream)))
            lm_links_bury(mesh, link);
        else
            lm_links_mark_ready(mesh, link);
        if (len <= 0)
            continue;
        link->in_flight += (size_t)len;
        link->bytes_out += (uint64_t)len;
        mesh->stats.bytes_out += (uint64_t)len;
        *out = (lm_mesh_output){.kind = LM_MESH_SEND, .link = link->id};
        out->bytes.data = mesh->out;
        out->bytes.len = (size_t)len;
        return 1;
    }
    return 0;
}

/* event may be NULL: 0. */
static int take_event(lm_mesh *mesh, lm_mesh_event *event, lm_mesh_output *out)
{
    if (event == NULL)
        return 0;
    mesh->polled = event;
    DL_DELETE(mesh->events, event);
    *out = event->out;
    return 1;
}

int lm_mesh_poll(lm_mesh *mesh, lm_ms now, lm_mesh_output *out)
{
    free(mesh->polled);
    mesh->polled = NULL;
    /* Bytes first: the last words of a link have gone to the network before its LM_MESH_CLOSE. */
    if (poll_links(mesh, now, out) == 1)
        return 1;
    settle(mesh, now);
    return take_event(mesh, mesh->events, out);
}

int lm_mesh_poll_members(lm_mesh *mesh, lm_mesh_output *out)
{
    lm_mesh_event *event;
    free(mesh->polled);
    mesh->polled = NULL;
    DL_FOREACH(mesh->events, event)
    {
        if (event->out.kind >= LM_MESH_JOINED)
            break;
    }
    return take_event(mesh, event, out);
}

lm_ms lm_mesh_next_timeout(const lm_mesh *mesh)
{
    lm_ms next = lm_ms_min(lm_ms_min(mesh->expire_at, mesh->tell_at), mesh->fresh_at);
    next = lm_ms_min(next, lm_deadlines_next(&mesh->link_deadlines));
    next = lm_ms_min(next, lm_deadlines_next(&mesh->dial_deadlines));
    return lm_ms_min(next, lm_deadlines_next(&mesh->conversation_deadlines));
}

void lm_mesh_timeout(lm_mesh *mesh, lm_ms now)
{
    lm_links_timeout(mesh, now);
    lm_conversation_timeout(mesh, now);
    lm_members_timeout(mesh, now);
    lm_gossip_timeout(mesh, now);
    lm_dialer_timeout(mesh, now);
    lm_nodes_expire(mesh, now);
    settle(mesh, now);
}

void lm_mesh_visit_links(const lm_mesh *mesh, lm_ms now,
                         void (*visit)(void *ctx, const lm_mesh_link_info *link), void *ctx)
{
    lm_mesh_link *link, *next;
    HASH_ITER(hh, mesh->links, link, next) {
        if (link->state != LM_LINK_UP)
            continue;
        const lm_mesh_link_info info = {.id = link->id,
                                        .dialled = link->dialled,
                                        .addr = link->addr,
                                        .nk = link->node->nk,
                                        .up = now - link->since,
                                        .round_trip = link->round_trip,
                                        .bytes_in = link->bytes_in,
                                        .bytes_out = link->bytes_out};
        visit(ctx, &info);
    }
}

void lm_mesh_visit_nodes(const lm_mesh *mesh, lm_ms now,
                         void (*visit)(void *ctx, const lm_mesh_node_info *node), void *ctx)
{
    lm_mesh_node *node, *next;
    HASH_ITER(hh, mesh->nodes, node, next) {
        if (node->record == NULL)
            continue;
        const lm_mesh_node_info info = {.nk = node->nk,
                                        .record = node->record,
                                        .sig = node->sig,
                                        .self = node == mesh->self,
                                        .live = lm_nodes_is_live(mesh, now, node),
                                        .linked = node->links != NULL,
                                        .spoken = lm_conversation_is_on(node),
                                        .members = node->member_count};
        visit(ctx, &info);
    }
}

/* True if `by`, by its link, says that it is linked with node. */
static bool says(const lm_mesh_node *by, const lm_mesh_node *node)
{
    return by->links != NULL && lm_gossip_reaches(by->links, node);
}

void lm_mesh_visit_pairs(const lm_mesh *mesh, void (*visit)(void *ctx, uint32_t a, uint32_t b), void *ctx)
{
    lm_mesh_node *node, *next;
    uint32_t place = 0;
    HASH_ITER(hh, mesh->nodes, node, next) {
        if (node->record != NULL)
            node->place = place++;
    }
    HASH_ITER(hh, mesh->nodes, node, next) {
        for (size_t i = 0; node->record != NULL && node->links != NULL && i < node->links->reach_count; i++) {
            const lm_mesh_node *other = node->links->reaches[i];
            if (other->record != NULL && (node->place < other->place || !says(other, node)))
                visit(ctx, node->place, other->place);
        }
    }
}

const lm_mesh_stats *lm_mesh_get_stats(const lm_mesh *mesh)
{
    return &mesh->stats;
}
