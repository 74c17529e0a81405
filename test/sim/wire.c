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

/* One side of a connection: a node, in one of its lives. What is queued is what it has sent. */
typedef struct sim_side {
    unsigned node, life;
    lm_link_id link;
    bool open;    /* the node has it */
    bool pumping; /* an event will take the chunks on */
    lm_ms last;   /* when the last chunk arrives */
    sim_chunk *chunks;
} sim_side;

struct sim_conn {
    sim_side sides[2]; /* the first one has dialled */
    bool reset;
    sim_conn *prev, *next; /* all */
};

/* The side that a node has of a connection. A mesh counts its links: they are the index in n->ends. */
typedef struct sim_end {
    sim_conn *conn; /* NULL: never connected, or ended */
    unsigned side;
} sim_end;

static sim_end *find_end(const sim_node *n, lm_link_id link)
{
    return link < n->end_count && n->ends[link].conn != NULL ? &n->ends[link] : NULL;
}

static void add_end(sim_node *n, lm_link_id link, sim_conn *conn, unsigned side)
{
    if (link >= n->end_count) {
        size_t count = 2 * (size_t)link + 64;
        n->ends = realloc(n->ends, count * sizeof *n->ends);
        if (n->ends == NULL)
            abort();
        memset(n->ends + n->end_count, 0, (count - n->end_count) * sizeof *n->ends);
        n->end_count = count;
    }
    n->ends[link] = (sim_end){.conn = conn, .side = side};
    conn->sides[side] = (sim_side){.node = n->index, .life = n->life, .link = link, .open = true};
}

static void end_side(sim_world *w, sim_side *side)
{
    side->open = false;
    w->nodes[side->node].ends[side->link].conn = NULL;
}

static void free_conn(sim_conn *conn)
{
    sim_chunk *chunk, *next;
    for (unsigned side = 0; side < 2; side++) {
        DL_FOREACH_SAFE(conn->sides[side].chunks, chunk, next) {
            free(chunk);
        }
    }
    free(conn);
}

void sim_wire_clear(sim_world *w)
{
    sim_conn *conn, *next;
    for (unsigned i = 0; i < w->node_count; i++)
        free(w->nodes[i].ends);
    DL_FOREACH_SAFE(w->conns, conn, next) {
        free_conn(conn);
    }
}

static void pump(sim_world *w, sim_conn *conn, unsigned side, lm_ms at)
{
    conn->sides[side].pumping = true;
    sim_push(w, (struct sim_event){.at = at, .kind = EVENT_CHUNK, .conn = conn, .side = side});
}

static void queue_chunk(sim_world *w, sim_conn *conn, unsigned side, const void *data, size_t len, bool end)
{
    sim_side *from = &conn->sides[side];
    sim_chunk *chunk = malloc(sizeof *chunk + len);
    lm_ms at = w->now + sim_travel(w);
    if (chunk == NULL)
        abort();
    from->last = at < from->last ? from->last : at;
    *chunk = (sim_chunk){.at = from->last, .end = end, .len = len};
    if (len > 0)
        memcpy(chunk->data, data, len);
    DL_APPEND(from->chunks, chunk);
    if (!from->pumping)
        pump(w, conn, side, from->last);
}

void sim_wire_send(sim_world *w, sim_node *n, lm_link_id link, const void *data, size_t len)
{
    const sim_end *end = find_end(n, link);
    if (end != NULL)
        queue_chunk(w, end->conn, end->side, data, len, false);
}

static void close_end(sim_world *w, const sim_end *end, bool silent)
{
    sim_side *side = &end->conn->sides[end->side];
    if (!silent)
        queue_chunk(w, end->conn, end->side, NULL, 0, true);
    end_side(w, side);
}

void sim_wire_close(sim_world *w, sim_node *n, lm_link_id link)
{
    const sim_end *end = find_end(n, link);
    if (end != NULL)
        close_end(w, end, false);
}

void sim_wire_cut(sim_world *w, sim_node *n, bool silent)
{
    for (lm_link_id link = 0; link < n->end_count; link++) {
        if (n->ends[link].conn != NULL)
            close_end(w, &n->ends[link], silent);
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
    addr.ip[2] = (uint8_t)(to->index >> 8);
    addr.ip[3] = (uint8_t)to->index;
    if (to->mesh == NULL || to->nat || lm_mesh_accepted(to->mesh, w->now, &addr, &link) != LM_OK) {
        lm_mesh_closed(n->mesh, w->now, event->link);
        sim_drain(w, n);
        return;
    }
    sim_conn *conn = sim_grab(sizeof *conn);
    DL_APPEND(w->conns, conn);
    add_end(n, event->link, conn, 0);
    add_end(to, link, conn, 1);
    lm_mesh_connected(n->mesh, w->now, event->link, &addr);
    sim_drain(w, n);
    sim_drain(w, to);
}

/* A chunk has arrived. */
static void deliver(sim_world *w, const sim_chunk *chunk, sim_side *from, sim_side *to)
{
    sim_node *sender = &w->nodes[from->node], *n = &w->nodes[to->node];
    if (to->open) {
        if (chunk->end) {
            end_side(w, to);
            lm_mesh_closed(n->mesh, w->now, to->link);
        } else {
            lm_mesh_input(n->mesh, w->now, to->link, chunk->data, chunk->len);
        }
        sim_drain(w, n);
    }
    if (from->open && !chunk->end) {
        lm_mesh_sent(sender->mesh, w->now, from->link, chunk->len);
        sim_drain(w, sender);
    }
}

void sim_on_chunk(sim_world *w, const struct sim_event *event)
{
    sim_conn *conn = event->conn;
    sim_side *from = &conn->sides[event->side], *to = &conn->sides[!event->side];
    const sim_node *n = &w->nodes[to->node];
    bool blocked = sim_is_blocked(w, from->node, to->node);
    from->pumping = false;
    if (n->mesh != NULL && n->life != to->life && from->open && !blocked && !conn->reset) {
        conn->reset = true; /* the node was started anew: its kernel knows of no such connection */
        queue_chunk(w, conn, !event->side, NULL, 0, true);
    }
    if (blocked && sim_is_here(w, to->node, to->life)) {
        pump(w, conn, event->side, w->now + BLOCKED_RETRY);
        return;
    }
    while (from->chunks != NULL && from->chunks->at <= w->now) {
        sim_chunk *chunk = from->chunks;
        DL_DELETE(from->chunks, chunk);
        deliver(w, chunk, from, to);
        free(chunk);
    }
    if (from->chunks != NULL && !from->pumping)
        pump(w, conn, event->side, from->chunks->at);
    if (!from->open && !to->open && !from->pumping && !to->pumping) {
        DL_DELETE(w->conns, conn);
        free_conn(conn);
    }
}

/* Both sides are told at once, and what was under way is lost. */
static void reset(sim_world *w, sim_conn *conn)
{
    bool was_open[2] = {conn->sides[0].open, conn->sides[1].open};
    for (unsigned i = 0; i < 2; i++) {
        if (was_open[i])
            end_side(w, &conn->sides[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (was_open[i])
            lm_mesh_closed(w->nodes[conn->sides[i].node].mesh, w->now, conn->sides[i].link);
    }
    for (unsigned i = 0; i < 2; i++)
        sim_drain(w, &w->nodes[conn->sides[i].node]);
}

void sim_lose_links(sim_world *w, unsigned in)
{
    for (unsigned i = 0; i < w->node_count; i++) {
        sim_node *n = &w->nodes[i];
        for (lm_link_id link = 0; link < n->end_count; link++) {
            const sim_end *end = find_end(n, link);
            if (end != NULL && end->side == 0 && sim_below(w, in) == 0)
                reset(w, end->conn);
        }
    }
}
