#include "test/sim/browsers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "test/sim/events.h"

#define SILENT_AFTER 7000
#define GHOST_TIME 30000
#define BROWSER_MARK 0xB0

void sim_room_id(unsigned room, uint8_t id[LM_MESH_ROOM_LEN])
{
    memset(id, 0x52, LM_MESH_ROOM_LEN);
    memcpy(id, &room, sizeof room);
}

static void peer_id(unsigned browser, uint8_t id[LM_MESH_PEER_LEN])
{
    memset(id, BROWSER_MARK, LM_MESH_PEER_LEN);
    memcpy(id, &browser, sizeof browser);
}

/* False for one that a hostile node made up. */
static bool read_ids(const uint8_t *room, const uint8_t *peer, unsigned *room_index, unsigned *browser)
{
    memcpy(room_index, room, sizeof *room_index);
    memcpy(browser, peer, sizeof *browser);
    return peer[LM_MESH_PEER_LEN - 1] == BROWSER_MARK;
}

static uint64_t make_key(unsigned a, unsigned b)
{
    return (uint64_t)a << 32 | b;
}

sim_view *sim_find_view(const sim_node *n, unsigned room, unsigned browser)
{
    uint64_t key = make_key(room, browser);
    sim_view *seen;
    HASH_FIND(hh, n->view, &key, sizeof key, seen);
    return seen;
}

static void drop_view(sim_node *n, unsigned room, unsigned browser)
{
    sim_view *seen = sim_find_view(n, room, browser);
    if (seen == NULL)
        return;
    HASH_DEL(n->view, seen);
    free(seen);
}

static void clear_view(sim_node *n)
{
    sim_view *seen, *next;
    HASH_ITER(hh, n->view, seen, next) {
        HASH_DEL(n->view, seen);
        free(seen);
    }
}

/* Pairs of a browser with those at a node: one has left the other's sight. */
static void mark_lossy(sim_world *w, const sim_node *n, unsigned browser)
{
    sim_pair *pair, *next;
    HASH_ITER(hh, w->pairs, pair, next) {
        unsigned from = (unsigned)(pair->key >> 32), to = (unsigned)pair->key;
        if ((from == browser && w->browsers[to].node == (int)n->index) ||
            (to == browser && w->browsers[from].node == (int)n->index))
            pair->lossy = true;
    }
}

/* The relay forgets who is elsewhere in a room without members here. */
static void forget_room(sim_world *w, sim_node *n, unsigned room)
{
    sim_view *seen, *next;
    for (unsigned i = 0; i < w->browser_count; i++) {
        if (w->browsers[i].room == room &&
            (w->browsers[i].node == (int)n->index || w->browsers[i].ghost == (int)n->index))
            return;
    }
    HASH_ITER(hh, n->view, seen, next) {
        if (seen->key >> 32 == room) {
            mark_lossy(w, n, (unsigned)seen->key);
            HASH_DEL(n->view, seen);
            free(seen);
        }
    }
}

static void on_signal(sim_world *w, sim_node *n, unsigned browser, const lm_mesh_output *out)
{
    unsigned to, from_gen, to_gen, number;
    memcpy(&to, out->member.to, sizeof to);
    if (sscanf(out->member.text, "%u.%u.%u", &from_gen, &to_gen, &number) != 3)
        return; /* a hostile node's: a browser would not be able to decrypt it */
    uint64_t key = make_key(browser, to);
    sim_pair *pair;
    HASH_FIND(hh, w->pairs, &key, sizeof key, pair);
    if (pair == NULL || pair->from_gen != from_gen || pair->to_gen != to_gen ||
        w->browsers[to].node != (int)n->index)
        return;
    if (number < pair->received || number >= pair->sent)
        sim_fail(w, "signal %u of %u to %u came twice or out of order, after %u", number, browser, to,
                 pair->received);
    else if (number > pair->received && !pair->lossy)
        sim_fail(w, "signal of %u to %u is missing: %u came, not %u", browser, to, number, pair->received);
    pair->received = number + 1;
    w->signals_received++;
}

/* How long it took from a browser's join, or from that of the one who hears of it. */
static void time_join(sim_world *w, const sim_node *n, unsigned room, unsigned browser)
{
    lm_ms since = w->browsers[browser].since, heard_since = 0;
    if (!w->calm)
        return;
    for (unsigned i = 0; i < w->browser_count; i++) {
        const sim_browser *b = &w->browsers[i];
        if (b->node == (int)n->index && b->room == w->browsers[browser].room &&
            (heard_since == 0 || b->since < heard_since))
            heard_since = b->since;
    }
    if (heard_since > since)
        since = heard_since;
    if (w->browsers[browser].node < 0 || w->browsers[browser].room != room || w->now - since > 30000)
        return;
    w->joins_seen++;
    if (w->now - since > w->slowest_join)
        w->slowest_join = w->now - since;
}

void sim_on_member(sim_world *w, sim_node *n, const lm_mesh_output *out)
{
    unsigned room, browser;
    bool real = read_ids(out->member.room, out->member.peer, &room, &browser);
    sim_view *seen = real ? sim_find_view(n, room, browser) : NULL;
    if (!real || n->hostile)
        return;
    switch (out->kind) {
    case LM_MESH_JOINED:
        if (seen != NULL)
            sim_fail(w, "node %u hears twice that %u joined", n->index, browser);
        if (seen != NULL || browser >= w->browser_count)
            break;
        seen = sim_grab(sizeof *seen);
        seen->key = make_key(room, browser);
        seen->since = w->now;
        HASH_ADD(hh, n->view, key, sizeof seen->key, seen);
        time_join(w, n, room, browser);
        break;
    case LM_MESH_LEFT:
        if (seen == NULL) {
            sim_fail(w, "node %u hears that %u left, whom it did not know", n->index, browser);
            break;
        }
        HASH_DEL(n->view, seen);
        free(seen);
        mark_lossy(w, n, browser);
        if (w->browsers[browser].node >= 0 && w->nodes[w->browsers[browser].node].mesh != NULL &&
            w->browsers[browser].room == room && w->browsers[browser].node != (int)n->index)
            w->false_leaves++;
        break;
    case LM_MESH_SIGNAL:
        if (seen == NULL)
            sim_fail(w, "node %u gets a signal of %u, whom it does not know", n->index, browser);
        on_signal(w, n, browser, out);
        break;
    case LM_MESH_GIVE_UP:
        if (w->browsers[browser].ghost == (int)n->index)
            w->browsers[browser].ghost = -1;
        else if (w->calm)
            sim_fail(w, "node %u gives up %u, which it has", n->index, browser);
        seen = sim_grab(sizeof *seen);
        seen->key = make_key(room, browser);
        seen->since = w->now;
        HASH_ADD(hh, n->view, key, sizeof seen->key, seen);
        forget_room(w, n, room); /* where it was the last one here */
        break;
    default:
        break;
    }
}

/* A browser is no more where it was: what was under way to or from it may be lost. */
static void forget_browser(sim_world *w, unsigned browser)
{
    w->browsers[browser].gen++;
}

void sim_browsers_lost(sim_world *w, unsigned node)
{
    clear_view(&w->nodes[node]);
    for (unsigned i = 0; i < w->browser_count; i++) {
        if (w->browsers[i].node == (int)node) {
            w->browsers[i].node = -1;
            forget_browser(w, i);
        }
        if (w->browsers[i].ghost == (int)node)
            w->browsers[i].ghost = -1;
    }
}

void sim_join(sim_world *w, unsigned browser, unsigned node, unsigned room)
{
    sim_node *n = &w->nodes[node];
    sim_browser *b = &w->browsers[browser];
    uint8_t room_bytes[LM_MESH_ROOM_LEN], peer_bytes[LM_MESH_PEER_LEN];
    if (n->mesh == NULL || b->node >= 0 || (b->ghost >= 0 && b->room != room) || b->ghost == (int)node)
        return;
    b->node = (int)node;
    b->room = room;
    b->since = w->now;
    forget_browser(w, browser);
    sim_room_id(room, room_bytes);
    peer_id(browser, peer_bytes);
    drop_view(n, room, browser);
    if (lm_mesh_join(n->mesh, w->now, room_bytes, peer_bytes, "some info, encrypted by the browser") != LM_OK)
        abort();
    sim_drain(w, n);
}

static void leave_at(sim_world *w, unsigned browser, unsigned node, unsigned room)
{
    uint8_t room_bytes[LM_MESH_ROOM_LEN], peer_bytes[LM_MESH_PEER_LEN];
    if (w->nodes[node].mesh == NULL)
        return;
    sim_room_id(room, room_bytes);
    peer_id(browser, peer_bytes);
    lm_mesh_leave(w->nodes[node].mesh, w->now, room_bytes, peer_bytes);
    sim_drain(w, &w->nodes[node]);
    forget_room(w, &w->nodes[node], room);
}

void sim_leave(sim_world *w, unsigned browser)
{
    sim_browser *b = &w->browsers[browser];
    if (b->node < 0)
        return;
    unsigned node = (unsigned)b->node;
    b->node = -1;
    forget_browser(w, browser);
    leave_at(w, browser, node, b->room);
}

void sim_move(sim_world *w, unsigned browser, unsigned node)
{
    sim_browser *b = &w->browsers[browser];
    if (b->node < 0 || b->ghost >= 0 || b->node == (int)node || w->nodes[node].mesh == NULL)
        return;
    unsigned from = (unsigned)b->node;
    b->ghost = b->node;
    b->node = -1;
    sim_join(w, browser, node, b->room);
    sim_push(w, (struct sim_event){.at = w->now + SILENT_AFTER,
                                   .kind = EVENT_SILENT,
                                   .node = from,
                                   .life = w->nodes[from].life,
                                   .browser = browser});
    sim_push(w, (struct sim_event){.at = w->now + GHOST_TIME,
                                   .kind = EVENT_GHOST,
                                   .node = from,
                                   .life = w->nodes[from].life,
                                   .browser = browser});
}

void sim_signal(sim_world *w, unsigned from, unsigned to)
{
    sim_browser *a = &w->browsers[from], *b = &w->browsers[to];
    uint8_t room[LM_MESH_ROOM_LEN], a_id[LM_MESH_PEER_LEN], b_id[LM_MESH_PEER_LEN];
    char data[64];
    uint64_t key = make_key(from, to);
    sim_pair *pair;
    if (a->node < 0 || b->node < 0 || a->node == b->node || a->room != b->room || a->ghost >= 0 ||
        b->ghost >= 0 || sim_find_view(&w->nodes[a->node], a->room, to) == NULL)
        return;
    HASH_FIND(hh, w->pairs, &key, sizeof key, pair);
    if (pair == NULL) {
        pair = sim_grab(sizeof *pair);
        pair->key = key;
        HASH_ADD(hh, w->pairs, key, sizeof pair->key, pair);
    }
    if (pair->from_gen != a->gen || pair->to_gen != b->gen) {
        pair->from_gen = a->gen;
        pair->to_gen = b->gen;
        pair->sent = pair->received = 0;
        pair->lossy = false;
    }
    sim_room_id(a->room, room);
    peer_id(from, a_id);
    peer_id(to, b_id);
    snprintf(data, sizeof data, "%u.%u.%u", a->gen, b->gen, pair->sent);
    if (lm_mesh_signal(w->nodes[a->node].mesh, w->now, room, a_id, b_id, data) == LM_OK) {
        pair->sent++;
        w->signals++;
    } else {
        sim_fail(w, "node %d cannot send to %u, whom it sees", a->node, to);
    }
    sim_drain(w, &w->nodes[a->node]);
}

void sim_on_silent(sim_world *w, const struct sim_event *event)
{
    uint8_t peer[LM_MESH_PEER_LEN];
    sim_node *n = &w->nodes[event->node];
    if (!sim_is_here(w, event->node, event->life) || w->browsers[event->browser].ghost != (int)event->node)
        return;
    peer_id(event->browser, peer);
    lm_mesh_peer_silent(n->mesh, w->now, peer, true);
    sim_drain(w, n);
}

void sim_on_ghost(sim_world *w, const struct sim_event *event)
{
    sim_browser *b = &w->browsers[event->browser];
    if (!sim_is_here(w, event->node, event->life) || b->ghost != (int)event->node)
        return;
    b->ghost = -1;
    leave_at(w, event->browser, event->node, b->room);
}

void sim_browsers_clear(sim_world *w)
{
    sim_pair *pair, *next;
    for (unsigned i = 0; i < w->node_count; i++)
        clear_view(&w->nodes[i]);
    HASH_ITER(hh, w->pairs, pair, next) {
        HASH_DEL(w->pairs, pair);
        free(pair);
    }
}
