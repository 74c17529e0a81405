#include "test/sim/world.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "common/error.h"
#include "test/support/node.h"

#define EPOCH UINT64_C(1800000000000) /* Unix ms at the start */
#define BLOCKED_RETRY 200
#define SALT "simulated salt of the mesh"
#define RENEW_TIME 60000
#define SILENT_AFTER 7000
#define GHOST_TIME 30000
#define BROWSER_MARK 0xB0

struct sim_conn {
    unsigned a, b; /* nodes; a has dialled */
    lm_link_id link[2];
    unsigned life[2];
    bool reset;
    bool pumping[2];
    lm_ms last[2]; /* when the last chunk from that side arrives */
    sim_chunk *chunks[2];
    sim_conn *prev, *next; /* all */
};

typedef enum event_kind { EVENT_TIMER, EVENT_CONNECT, EVENT_CHUNK, EVENT_SILENT, EVENT_GHOST } event_kind;

struct sim_event {
    lm_ms at;
    uint64_t order;
    event_kind kind;
    unsigned node, life, side, browser;
    lm_link_id link;
    sim_conn *conn;
};

/* CPU time, where it is wanted: to ask for it costs more than most of what is timed. */
static double seconds(const sim_world *w)
{
    return w->timed ? (double)clock() / CLOCKS_PER_SEC : 0;
}

static uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

/* xoshiro256** by Blackman and Vigna, from its description. */
static uint64_t draw(sim_world *w)
{
    uint64_t *s = w->random_state, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

static void fill(void *ctx, void *buf, size_t len)
{
    uint8_t *out = buf;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t value = draw(ctx);
        memcpy(out + i, &value, len - i < 8 ? len - i : 8);
    }
}

uint32_t sim_below(sim_world *w, uint32_t n)
{
    return (uint32_t)(draw(w) >> 32) % n;
}

static void *grab(size_t size)
{
    void *p = calloc(1, size);
    if (p == NULL)
        abort();
    return p;
}

void sim_fail(sim_world *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (w->failures++ < 10) {
        printf("  at %.3f s: ", (double)w->now / 1000);
        vprintf(format, args);
        printf("\n");
    }
    va_end(args);
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(sim_world *w, struct sim_event event)
{
    static uint64_t order;
    event.order = order++;
    if (w->heap_len == w->heap_cap) {
        w->heap_cap = w->heap_cap ? 2 * w->heap_cap : 1024;
        w->heap = realloc(w->heap, w->heap_cap * sizeof *w->heap);
        if (w->heap == NULL)
            abort();
    }
    size_t i = w->heap_len++;
    for (; i > 0 && before(&event, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        w->heap[i] = w->heap[(i - 1) / 2];
    w->heap[i] = event;
}

static struct sim_event pop(sim_world *w)
{
    struct sim_event top = w->heap[0], last = w->heap[--w->heap_len];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->heap_len)
            break;
        if (child + 1 < w->heap_len && before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!before(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return top;
}

static void on_log(void *ctx, lm_log_level level, const char *text)
{
    sim_world *w = ctx;
    if (w->verbose)
        printf("%9.3f %s %s\n", (double)w->now / 1000, lm_log_level_name(level), text);
}

void sim_world_init(sim_world *w, uint64_t seed, unsigned nodes, unsigned browsers, unsigned rooms)
{
    *w = (sim_world){.now = 1000,
                     .delay = 50,
                     .jitter = 10,
                     .node_count = nodes,
                     .browser_count = browsers,
                     .room_count = rooms};
    for (unsigned i = 0; i < 4; i++)
        w->random_state[i] = (seed + 1) * UINT64_C(0x9E3779B97F4A7C15) + i * UINT64_C(0xBF58476D1CE4E5B9);
    for (unsigned i = 0; i < 16; i++)
        draw(w);
    w->log = (lm_log){.level = LM_LOG_INFO, .handler = on_log, .ctx = w};
    w->nodes = grab(nodes * sizeof *w->nodes);
    w->browsers = grab((browsers + 1) * sizeof *w->browsers);
    for (unsigned i = 0; i < nodes; i++) {
        w->nodes[i].index = i;
        sim_new_key(w, i);
    }
    for (unsigned i = 0; i < browsers; i++)
        w->browsers[i].node = w->browsers[i].ghost = -1;
}

void sim_new_key(sim_world *w, unsigned node)
{
    uint8_t secret[64];
    fill(w, w->nodes[node].seed, 32);
    crypto_sign_seed_keypair(w->nodes[node].nk, secret, w->nodes[node].seed);
}

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
    sim_end *end = grab(sizeof *end);
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

static void clear_view(sim_node *n)
{
    sim_view *seen, *next;
    HASH_ITER(hh, n->view, seen, next) {
        HASH_DEL(n->view, seen);
        free(seen);
    }
}

void sim_world_clear(sim_world *w)
{
    sim_pair *pair, *next_pair;
    sim_conn *conn, *next_conn;
    for (unsigned i = 0; i < w->node_count; i++) {
        sim_end *end, *next_end;
        HASH_ITER(hh, w->nodes[i].ends, end, next_end) {
            HASH_DEL(w->nodes[i].ends, end);
            free(end);
        }
        lm_mesh_destroy(w->nodes[i].mesh);
        clear_view(&w->nodes[i]);
    }
    DL_FOREACH_SAFE(w->conns, conn, next_conn) {
        free_conn(conn);
    }
    HASH_ITER(hh, w->pairs, pair, next_pair) {
        HASH_DEL(w->pairs, pair);
        free(pair);
    }
    free(w->heap);
    free(w->nodes);
    free(w->browsers);
}

static void room_id(unsigned room, uint8_t id[LM_MESH_ROOM_LEN])
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

static lm_ms travel(sim_world *w)
{
    return w->delay + (w->jitter > 0 ? sim_below(w, w->jitter + 1) : 0);
}

static bool is_here(const sim_world *w, unsigned node, unsigned life)
{
    return w->nodes[node].mesh != NULL && w->nodes[node].life == life;
}

static void set_timer(sim_world *w, sim_node *n)
{
    lm_ms next = lm_ms_min(lm_mesh_next_timeout(n->mesh), n->renew_at);
    if (next <= w->now)
        next = w->now + 1;
    if (next >= n->timer && n->timer > w->now)
        return;
    n->timer = next;
    push(w, (struct sim_event){.at = next, .kind = EVENT_TIMER, .node = n->index, .life = n->life});
}

static void renew(sim_world *w, sim_node *n)
{
    static const char *const features[] = {"signal"};
    char address[32];
    uint8_t seed[32];
    lm_node_config config;
    lm_node_record record = {0};
    test_node(&config, seed);
    memcpy(config.nk, n->nk, sizeof config.nk);
    snprintf(address, sizeof address, "n%u:7000", n->index);
    lm_mesh_set_unix_time(n->mesh, w->now, EPOCH + w->now + (uint64_t)n->skew);
    const lm_node_record_extra extra = {.seq = EPOCH + w->now + (uint64_t)n->skew,
                                        .features = features,
                                        .feature_count = 1,
                                        .mesh = n->nat ? NULL : address};
    if (lm_node_record_make(&record, &config, &extra, n->seed) != LM_OK ||
        lm_mesh_set_record(n->mesh, w->now, &record) != LM_OK)
        abort();
    lm_node_record_clear(&record);
    n->renew_at = w->now + RENEW_TIME;
}

void sim_start(sim_world *w, unsigned node)
{
    sim_node *n = &w->nodes[node];
    char texts[3][32];
    const char *peers[3];
    lm_mesh_config config = {
        .seed = n->seed, .salt = SALT, .random = {.fill = fill, .ctx = w}, .log = &w->log};
    lm_mesh_limits_default(&config.limits);
    if (n->mesh != NULL)
        return;
    if (lm_mesh_create(&n->mesh, &config, w->now) != LM_OK)
        abort();
    n->life++;
    n->silent = false;
    n->timer = 0;
    renew(w, n);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(texts[i], sizeof texts[i], "n%u:7000", i);
        peers[i] = texts[i];
    }
    lm_mesh_set_peers(n->mesh, w->now, peers, w->node_count < 3 ? w->node_count : 3);
    sim_drain(w, n);
}

static void queue_chunk(sim_world *w, sim_conn *conn, unsigned side, const void *data, size_t len, bool end)
{
    sim_chunk *chunk = grab(sizeof *chunk + len);
    lm_ms at = w->now + travel(w);
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
        push(w, (struct sim_event){.at = at, .kind = EVENT_CHUNK, .conn = conn, .side = side});
    conn->pumping[side] = true;
}

static bool is_blocked(const sim_world *w, unsigned a, unsigned b)
{
    return w->nodes[a].group != w->nodes[b].group;
}

static void on_connect(sim_world *w, const struct sim_event *event)
{
    sim_node *n = &w->nodes[event->node], *to = &w->nodes[event->browser];
    lm_addr addr = {.family = LM_AF_INET, .port = 7000};
    lm_link_id link;
    if (!is_here(w, event->node, event->life) || is_blocked(w, n->index, to->index) || to->silent)
        return; /* no answer: the mesh gives up by itself */
    addr.ip[0] = 10;
    addr.ip[3] = (uint8_t)to->index;
    if (to->mesh == NULL || to->nat || lm_mesh_accepted(to->mesh, w->now, &addr, &link) != LM_OK) {
        lm_mesh_closed(n->mesh, w->now, event->link);
        sim_drain(w, n);
        return;
    }
    sim_conn *conn = grab(sizeof *conn);
    *conn =
        (sim_conn){.a = n->index, .b = to->index, .link = {event->link, link}, .life = {n->life, to->life}};
    DL_APPEND(w->conns, conn);
    add_end(n, event->link, conn, 0);
    add_end(to, link, conn, 1);
    lm_mesh_connected(n->mesh, w->now, event->link, &addr);
    sim_drain(w, n);
    sim_drain(w, to);
}

static void on_chunk(sim_world *w, const struct sim_event *event)
{
    sim_conn *conn = event->conn;
    unsigned side = event->side, from = side == 0 ? conn->a : conn->b, at = side == 0 ? conn->b : conn->a;
    sim_node *n = &w->nodes[at], *sender = &w->nodes[from];
    conn->pumping[side] = false;
    if (n->mesh != NULL && n->life != conn->life[!side] && is_here(w, from, conn->life[side]) &&
        find_end(sender, conn->link[side]) != NULL && !is_blocked(w, from, at) && !conn->reset) {
        conn->reset = true; /* the node was started anew: its kernel knows of no such connection */
        queue_chunk(w, conn, !side, NULL, 0, true);
    }
    if (is_blocked(w, from, at) && is_here(w, at, conn->life[!side])) {
        conn->pumping[side] = true;
        push(w, (struct sim_event){
                    .at = w->now + BLOCKED_RETRY, .kind = EVENT_CHUNK, .conn = conn, .side = side});
        return;
    }
    while (conn->chunks[side] != NULL && conn->chunks[side]->at <= w->now) {
        sim_chunk *chunk = conn->chunks[side];
        DL_DELETE(conn->chunks[side], chunk);
        if (is_here(w, at, conn->life[!side]) && find_end(n, conn->link[!side]) != NULL) {
            if (chunk->end) {
                remove_end(n, conn->link[!side]);
                lm_mesh_closed(n->mesh, w->now, conn->link[!side]);
            } else {
                double start = seconds(w);
                lm_mesh_input(n->mesh, w->now, conn->link[!side], chunk->data, chunk->len);
                n->cpu += seconds(w) - start;
            }
            sim_drain(w, n);
        }
        if (is_here(w, from, conn->life[side]) && find_end(sender, conn->link[side]) != NULL && !chunk->end) {
            lm_mesh_sent(sender->mesh, w->now, conn->link[side], chunk->len);
            sim_drain(w, sender);
        }
        free(chunk);
    }
    if (conn->chunks[side] != NULL && !conn->pumping[side]) {
        conn->pumping[side] = true;
        push(w, (struct sim_event){
                    .at = conn->chunks[side]->at, .kind = EVENT_CHUNK, .conn = conn, .side = side});
    }
}

static sim_view *find_view(const sim_node *n, unsigned room, unsigned browser)
{
    uint64_t key = make_key(room, browser);
    sim_view *seen;
    HASH_FIND(hh, n->view, &key, sizeof key, seen);
    return seen;
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
    for (unsigned i = 0; i < w->browser_count; i++) {
        const sim_browser *b = &w->browsers[i];
        if (b->node == (int)n->index && b->room == w->browsers[browser].room &&
            (heard_since == 0 || b->since < heard_since))
            heard_since = b->since;
    }
    if (heard_since > since)
        since = heard_since;
    if (!w->calm || w->browsers[browser].node < 0 || w->browsers[browser].room != room ||
        w->now - since > 30000)
        return;
    w->joins_seen++;
    if (w->now - since > w->slowest_join)
        w->slowest_join = w->now - since;
}

static void on_member(sim_world *w, sim_node *n, const lm_mesh_output *out)
{
    unsigned room, browser;
    bool real = read_ids(out->member.room, out->member.peer, &room, &browser);
    sim_view *seen = real ? find_view(n, room, browser) : NULL;
    if (!real || n->hostile)
        return;
    switch (out->kind) {
    case LM_MESH_JOINED:
        if (seen != NULL)
            sim_fail(w, "node %u hears twice that %u joined", n->index, browser);
        if (seen != NULL || browser >= w->browser_count)
            break;
        seen = grab(sizeof *seen);
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
        seen = grab(sizeof *seen);
        seen->key = make_key(room, browser);
        seen->since = w->now;
        HASH_ADD(hh, n->view, key, sizeof seen->key, seen);
        forget_room(w, n, room); /* where it was the last one here */
        break;
    default:
        break;
    }
}

void sim_drain(sim_world *w, sim_node *n)
{
    lm_mesh_output out;
    unsigned target;
    if (n->mesh == NULL)
        return;
    double start = seconds(w);
    while (lm_mesh_poll(n->mesh, w->now, &out) == 1) {
        sim_end *end = find_end(n, out.link);
        switch (out.kind) {
        case LM_MESH_CONNECT:
            if (sscanf(out.host_port, "n%u:", &target) == 1 && target < w->node_count)
                push(w, (struct sim_event){.at = w->now + 2 * travel(w),
                                           .kind = EVENT_CONNECT,
                                           .node = n->index,
                                           .life = n->life,
                                           .link = out.link,
                                           .browser = target});
            break;
        case LM_MESH_SEND:
            n->bytes += out.bytes.len;
            if (end != NULL)
                queue_chunk(w, end->conn, end->side, out.bytes.data, out.bytes.len, false);
            break;
        case LM_MESH_CLOSE:
            if (end != NULL)
                queue_chunk(w, end->conn, end->side, NULL, 0, true);
            remove_end(n, out.link);
            break;
        default:
            on_member(w, n, &out);
            break;
        }
    }
    n->cpu += seconds(w) - start;
    set_timer(w, n);
}

/* A browser is no more where it was: what was under way to or from it may be lost. */
static void forget_browser(sim_world *w, unsigned browser)
{
    w->browsers[browser].gen++;
}

void sim_kill(sim_world *w, unsigned node, bool silent)
{
    sim_node *n = &w->nodes[node];
    sim_end *end, *next;
    if (n->mesh == NULL)
        return;
    HASH_ITER(hh, n->ends, end, next) {
        if (!silent)
            queue_chunk(w, end->conn, end->side, NULL, 0, true);
        HASH_DEL(n->ends, end);
        free(end);
    }
    lm_mesh_destroy(n->mesh);
    n->mesh = NULL;
    n->silent = silent;
    clear_view(n);
    for (unsigned i = 0; i < w->browser_count; i++) {
        if (w->browsers[i].node == (int)node) {
            w->browsers[i].node = -1;
            forget_browser(w, i);
        }
        if (w->browsers[i].ghost == (int)node)
            w->browsers[i].ghost = -1;
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
            bool both = is_here(w, other->index, end->conn->life[1]) && find_end(other, other_link) != NULL;
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

static void drop_view(sim_node *n, unsigned room, unsigned browser)
{
    sim_view *seen = find_view(n, room, browser);
    if (seen == NULL)
        return;
    HASH_DEL(n->view, seen);
    free(seen);
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
    room_id(room, room_bytes);
    peer_id(browser, peer_bytes);
    drop_view(n, room, browser);
    double start = seconds(w);
    if (lm_mesh_join(n->mesh, w->now, room_bytes, peer_bytes, "some info, encrypted by the browser") != LM_OK)
        abort();
    n->cpu += seconds(w) - start;
    sim_drain(w, n);
}

static void leave_at(sim_world *w, unsigned browser, unsigned node, unsigned room)
{
    uint8_t room_bytes[LM_MESH_ROOM_LEN], peer_bytes[LM_MESH_PEER_LEN];
    if (w->nodes[node].mesh == NULL)
        return;
    room_id(room, room_bytes);
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
    push(w, (struct sim_event){.at = w->now + SILENT_AFTER,
                               .kind = EVENT_SILENT,
                               .node = from,
                               .life = w->nodes[from].life,
                               .browser = browser});
    push(w, (struct sim_event){.at = w->now + GHOST_TIME,
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
        b->ghost >= 0 || find_view(&w->nodes[a->node], a->room, to) == NULL)
        return;
    HASH_FIND(hh, w->pairs, &key, sizeof key, pair);
    if (pair == NULL) {
        pair = grab(sizeof *pair);
        pair->key = key;
        HASH_ADD(hh, w->pairs, key, sizeof pair->key, pair);
    }
    if (pair->from_gen != a->gen || pair->to_gen != b->gen) {
        pair->from_gen = a->gen;
        pair->to_gen = b->gen;
        pair->sent = pair->received = 0;
        pair->lossy = false;
    }
    room_id(a->room, room);
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

static void on_silent(sim_world *w, const struct sim_event *event)
{
    uint8_t peer[LM_MESH_PEER_LEN];
    sim_node *n = &w->nodes[event->node];
    if (!is_here(w, event->node, event->life) || w->browsers[event->browser].ghost != (int)event->node)
        return;
    peer_id(event->browser, peer);
    lm_mesh_peer_silent(n->mesh, w->now, peer, true);
    sim_drain(w, n);
}

static void on_ghost(sim_world *w, const struct sim_event *event)
{
    sim_browser *b = &w->browsers[event->browser];
    if (!is_here(w, event->node, event->life) || b->ghost != (int)event->node)
        return;
    b->ghost = -1;
    leave_at(w, event->browser, event->node, b->room);
}

static void on_timer(sim_world *w, const struct sim_event *event)
{
    sim_node *n = &w->nodes[event->node];
    if (!is_here(w, event->node, event->life) || event->at != n->timer)
        return;
    double start = seconds(w);
    if (w->now >= n->renew_at)
        renew(w, n);
    lm_mesh_timeout(n->mesh, w->now);
    n->cpu += seconds(w) - start;
    sim_drain(w, n);
}

void sim_run(sim_world *w, lm_ms until)
{
    while (w->heap_len > 0 && w->heap[0].at <= until) {
        const struct sim_event event = pop(w);
        w->now = event.at;
        switch (event.kind) {
        case EVENT_TIMER:
            on_timer(w, &event);
            break;
        case EVENT_CONNECT:
            on_connect(w, &event);
            break;
        case EVENT_CHUNK:
            on_chunk(w, &event);
            break;
        case EVENT_SILENT:
            on_silent(w, &event);
            break;
        default:
            on_ghost(w, &event);
            break;
        }
    }
    w->now = until;
}

/* True if node sees, or must see, a place of the browser elsewhere. */
static bool must_see(const sim_world *w, const sim_node *n, const sim_browser *b)
{
    int here = (int)n->index;
    if (b->node == here || b->ghost == here)
        return false;
    return (b->node >= 0 && !is_blocked(w, n->index, (unsigned)b->node)) ||
           (b->ghost >= 0 && !is_blocked(w, n->index, (unsigned)b->ghost));
}

typedef struct known_count {
    const sim_world *w;
    unsigned count;
    bool say;
} known_count;

/* Whom honest nodes have; a hostile one can always announce members of its own. */
static void count_known(void *ctx, const lm_mesh_member_info *member)
{
    known_count *known = ctx;
    for (unsigned i = 0; i < known->w->node_count; i++) {
        if (known->w->nodes[i].hostile &&
            memcmp(known->w->nodes[i].nk, member->node, sizeof member->node) == 0)
            return;
    }
    known->count++;
    for (unsigned i = 0; known->say && i < known->w->node_count; i++) {
        unsigned browser;
        memcpy(&browser, member->peer, sizeof browser);
        if (memcmp(known->w->nodes[i].nk, member->node, sizeof member->node) == 0)
            printf("  %u by node %u, it is at %d and %d, since %llu\n", browser, i,
                   known->w->browsers[browser].node, known->w->browsers[browser].ghost,
                   (unsigned long long)known->w->browsers[browser].since);
    }
}

unsigned sim_differences(sim_world *w, bool say)
{
    unsigned count = 0;
    bool has_hostile = false;
    for (unsigned i = 0; i < w->node_count; i++)
        has_hostile = has_hostile || w->nodes[i].hostile;
    unsigned *heads = grab(w->room_count * sizeof *heads),
             *nexts = grab((w->browser_count + 1) * sizeof *nexts);
    for (unsigned i = 0; i < w->browser_count; i++) { /* lists of who is in which room, counted from 1 */
        if (w->browsers[i].node < 0 && w->browsers[i].ghost < 0)
            continue;
        nexts[i] = heads[w->browsers[i].room];
        heads[w->browsers[i].room] = i + 1;
    }
    for (unsigned room = 0; room < w->room_count; room++) {
        for (unsigned i = heads[room]; i != 0; i = nexts[i - 1]) {
            const sim_browser *local = &w->browsers[i - 1];
            sim_node *n = local->node >= 0 ? &w->nodes[local->node] : NULL;
            unsigned expected = 0, found = 0, taken = 0;
            known_count known = {.w = w};
            uint8_t id[LM_MESH_ROOM_LEN];
            if (n == NULL || n->hostile)
                continue;
            for (unsigned j = heads[room]; j != 0; j = nexts[j - 1]) {
                if (!must_see(w, n, &w->browsers[j - 1]))
                    continue;
                expected++;
                found += find_view(n, room, j - 1) != NULL;
                taken += has_hostile;
                if (say && find_view(n, room, j - 1) == NULL)
                    printf("  node %u (since %llu) does not see %u of node %d (since %llu) in room %u\n",
                           n->index, (unsigned long long)local->since, j - 1, w->browsers[j - 1].node,
                           (unsigned long long)w->browsers[j - 1].since, room);
            }
            room_id(room, id);
            lm_mesh_visit_members(n->mesh, id, count_known, &known);
            /* A hostile node that claims somebody's browser first is named for it, and takes nothing away. */
            bool right = known.count <= expected && known.count + taken >= expected;
            if (!right && found == expected && say) {
                known.say = true;
                lm_mesh_visit_members(n->mesh, id, count_known, &known);
            }
            if (!right && found == expected && say)
                printf("  node %u sees %u members of room %u, not %u\n", n->index, known.count, room,
                       expected);
            count += found != expected || !right;
            say = say && count < 3;
        }
    }
    free(heads);
    free(nexts);
    return count;
}

void sim_check_signals(sim_world *w)
{
    sim_pair *pair, *next;
    HASH_ITER(hh, w->pairs, pair, next) {
        const sim_browser *from = &w->browsers[pair->key >> 32], *to = &w->browsers[(unsigned)pair->key];
        if (!pair->lossy && pair->from_gen == from->gen && pair->to_gen == to->gen &&
            pair->sent != pair->received)
            sim_fail(w, "of %u signals of %u (node %d) to %u (node %d) %u came", pair->sent,
                     (unsigned)(pair->key >> 32), from->node, (unsigned)pair->key, to->node, pair->received);
        HASH_DEL(w->pairs, pair);
        free(pair);
    }
    for (unsigned i = 0; i < w->browser_count; i++) /* new pairs are not mistaken for old ones */
        w->browsers[i].gen++;
}

typedef struct gone_check {
    const uint8_t *nk;
    unsigned found;
} gone_check;

static void check_gone(void *ctx, const lm_mesh_member_info *member)
{
    gone_check *check = ctx;
    check->found += memcmp(member->node, check->nk, sizeof member->node) == 0;
}

void sim_check_gone(sim_world *w, unsigned node, const char *when)
{
    gone_check check = {.nk = w->nodes[node].nk};
    for (unsigned room = 0; room < w->room_count; room++) {
        uint8_t id[LM_MESH_ROOM_LEN];
        room_id(room, id);
        for (unsigned i = 0; i < w->node_count; i++) {
            if (w->nodes[i].mesh != NULL)
                lm_mesh_visit_members(w->nodes[i].mesh, id, check_gone, &check);
        }
    }
    if (check.found > 0)
        sim_fail(w, "%u members of node %u are still seen %s", check.found, node, when);
}
