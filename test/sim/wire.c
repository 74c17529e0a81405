#include "test/sim/wire.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/error.h"
#include "test/sim/events.h"

#define BLOCKED_RETRY 200

/* What arrives at once. Each direction of a connection is a list of them, in order. */
typedef struct sim_chunk {
    struct sim_chunk *prev, *next;
    lm_ms at;
    bool end; /* of the connection */
    size_t len;
    uint8_t data[];
} sim_chunk;

struct sim_conn {
    unsigned a, b; /* nodes; a has dialled */
    lm_link_id link[2];
    unsigned life[2];
    bool reset;
    bool pumping[2];
    lm_ms last[2];         /* when the last chunk from that side arrives */
    sim_chunk *chunks[2];  /* by the side that they come from */
    sim_conn *prev, *next; /* all */
};

/* A node's end of a connection, by its link. */
typedef struct sim_end {
    lm_link_id link;
    sim_conn *conn;
    unsigned side;
    UT_hash_handle hh;
} sim_end;

static sim_end *find_end(const sim_node *n, lm_link_id link)
{
    sim_end *end;
    HASH_FIND(hh, n->ends, &link, sizeof link, end);
    return end;
}

static void add_end(sim_node *n, lm_link_id link, sim_conn *conn, unsigned side)
{
    sim_end *end = sim_grab(sizeof *end);
    *end = (sim_end){.link = link, .conn = conn, .side = side};
    HASH_ADD(hh, n->ends, link, sizeof end->link, end);
}

static void remove_end(sim_node *n, lm_link_id link)
{
    sim_end *end = find_end(n, link);
    if (end == NULL)
        return;
    HASH_DEL(n->ends, end);
    free(end);
}

static void free_conn(sim_conn *conn)
{
    sim_chunk *chunk, *next;
    for (unsigned side = 0; side < 2; side++) {
        DL_FOREACH_SAFE(conn->chunks[side], chunk, next) {
            free(chunk);
        }
    }
    free(conn);
}

void sim_wire_clear(sim_world *w)
{
    sim_conn *conn, *next;
    for (unsigned i = 0; i < w->node_count; i++) {
        sim_end *end, *next_end;
        HASH_ITER(hh, w->nodes[i].ends, end, next_end) {
            HASH_DEL(w->nodes[i].ends, end);
            free(end);
        }
    }
    DL_FOREACH_SAFE(w->conns, conn, next) {
        free_conn(conn);
    }
}

static void queue_chunk(sim_world *w, sim_conn *conn, unsigned side, const void *data, size_t len, bool end)
{
    sim_chunk *chunk = sim_grab(sizeof *chunk + len);
    lm_ms at = w->now + sim_travel(w);
    if (at < conn->last[side])
        at = conn->last[side];
    conn->last[side] = at;
    chunk->at = at;
    chunk->end = end;
    chunk->len = len;
    if (len > 0)
        memcpy(chunk->data, data, len);
    DL_APPEND(conn->chunks[side], chunk);
    if (!conn->pumping[side])
        sim_push(w, (struct sim_event){.at = at, .kind = EVENT_CHUNK, .conn = conn, .side = side});
    conn->pumping[side] = true;
}

void sim_wire_send(sim_world *w, sim_node *n, lm_link_id link, const void *data, size_t len)
{
    const sim_end *end = find_end(n, link);
    if (end != NULL)
        queue_chunk(w, end->conn, end->side, data, len, false);
}

void sim_wire_close(sim_world *w, sim_node *n, lm_link_id link)
{
    const sim_end *end = find_end(n, link);
    if (end == NULL)
        return;
    queue_chunk(w, end->conn, end->side, NULL, 0, true);
    remove_end(n, link);
}

void sim_wire_cut(sim_world *w, sim_node *n, bool silent)
{
    sim_end *end, *next;
    HASH_ITER(hh, n->ends, end, next) {
        if (!silent)
            queue_chunk(w, end->conn, end->side, NULL, 0, true);
        HASH_DEL(n->ends, end);
        free(end);
    }
}

bool sim_is_blocked(const sim_world *w, unsigned a, unsigned b)
{
    return w->nodes[a].group != w->nodes[b].group;
}

void sim_on_connect(sim_world *w, const struct sim_event *event)
{
    sim_node *n = &w->nodes[event->node], *to = &w->nodes[event->browser];
    lm_addr addr = {.family = LM_AF_INET, .port = 7000};
    lm_link_id link;
    if (!sim_is_here(w, event->node, event->life) || sim_is_blocked(w, n->index, to->index) || to->silent)
        return; /* no answer: the mesh gives up by itself */
    addr.ip[0] = 10;
    addr.ip[3] = (uint8_t)to->index;
    if (to->mesh == NULL || to->nat || lm_mesh_accepted(to->mesh, w->now, &addr, &link) != LM_OK) {
        lm_mesh_closed(n->mesh, w->now, event->link);
        sim_drain(w, n);
        return;
    }
    sim_conn *conn = sim_grab(sizeof *conn);
    *conn =
        (sim_conn){.a = n->index, .b = to->index, .link = {event->link, link}, .life = {n->life, to->life}};
    DL_APPEND(w->conns, conn);
    add_end(n, event->link, conn, 0);
    add_end(to, link, conn, 1);
    lm_mesh_connected(n->mesh, w->now, event->link, &addr);
    sim_drain(w, n);
    sim_drain(w, to);
}

void sim_on_chunk(sim_world *w, const struct sim_event *event)
{
    sim_conn *conn = event->conn;
    unsigned side = event->side, from = side == 0 ? conn->a : conn->b, at = side == 0 ? conn->b : conn->a;
    sim_node *n = &w->nodes[at], *sender = &w->nodes[from];
    conn->pumping[side] = false;
    if (n->mesh != NULL && n->life != conn->life[!side] && sim_is_here(w, from, conn->life[side]) &&
        find_end(sender, conn->link[side]) != NULL && !sim_is_blocked(w, from, at) && !conn->reset) {
        conn->reset = true; /* the node was started anew: its kernel knows of no such connection */
        queue_chunk(w, conn, !side, NULL, 0, true);
    }
    if (sim_is_blocked(w, from, at) && sim_is_here(w, at, conn->life[!side])) {
        conn->pumping[side] = true;
        sim_push(w, (struct sim_event){
                        .at = w->now + BLOCKED_RETRY, .kind = EVENT_CHUNK, .conn = conn, .side = side});
        return;
    }
    while (conn->chunks[side] != NULL && conn->chunks[side]->at <= w->now) {
        sim_chunk *chunk = conn->chunks[side];
        DL_DELETE(conn->chunks[side], chunk);
        if (sim_is_here(w, at, conn->life[!side]) && find_end(n, conn->link[!side]) != NULL) {
            if (chunk->end) {
                remove_end(n, conn->link[!side]);
                lm_mesh_closed(n->mesh, w->now, conn->link[!side]);
            } else {
                double start = sim_seconds(w);
                lm_mesh_input(n->mesh, w->now, conn->link[!side], chunk->data, chunk->len);
                n->cpu += sim_seconds(w) - start;
            }
            sim_drain(w, n);
        }
        if (sim_is_here(w, from, conn->life[side]) && find_end(sender, conn->link[side]) != NULL &&
            !chunk->end) {
            lm_mesh_sent(sender->mesh, w->now, conn->link[side], chunk->len);
            sim_drain(w, sender);
        }
        free(chunk);
    }
    if (conn->chunks[side] != NULL && !conn->pumping[side]) {
        conn->pumping[side] = true;
        sim_push(w, (struct sim_event){
                        .at = conn->chunks[side]->at, .kind = EVENT_CHUNK, .conn = conn, .side = side});
    }
}

void sim_lose_links(sim_world *w, unsigned in)
{
    for (unsigned i = 0; i < w->node_count; i++) {
        sim_node *n = &w->nodes[i];
        sim_end *end, *next;
        HASH_ITER(hh, n->ends, end, next) {
            if (end->side != 0 || sim_below(w, in) != 0)
                continue;
            sim_node *other = &w->nodes[end->conn->b];
            lm_link_id link = end->link, other_link = end->conn->link[1];
            bool both =
                sim_is_here(w, other->index, end->conn->life[1]) && find_end(other, other_link) != NULL;
            if (both)
                remove_end(other, other_link);
            remove_end(n, link);
            lm_mesh_closed(n->mesh, w->now, link);
            if (both)
                lm_mesh_closed(other->mesh, w->now, other_link);
            sim_drain(w, n);
            sim_drain(w, other);
        }
    }
}
