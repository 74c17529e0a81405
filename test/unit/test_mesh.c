/*
 * Up to four meshes, joined by links that deliver at once; names stand for addresses. Peers and rooms are
 * bytes: room 1 is 01 01 …, peer 'a' is 61 61 …
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "mesh/mesh.h"
#include "mesh/mesh_state.h"
#include "test/support/node.h"
#include "test/support/seeded.h"

#define UNIX UINT64_C(1800000000000)
#define NODES 4
#define ENDS 64

typedef struct end {
    lm_link_id link; /* 0: free */
    int node, other; /* index of the other end */
} end;

typedef struct net {
    lm_mesh *mesh[NODES];
    bool alone[NODES][NODES]; /* no link between these */
    end ends[ENDS];
    lm_ms now;
    char events[4096]; /* "1+a " node 1 hears that a joined, "1-a" left, "1~a" changed, "1<a:data" signal,
                          "1^a" gives a up, "1!a" room full */
    char log[1024];
    lm_log handler;
    uint32_t room_size, links_max, members_max, link_bytes;
    bool stuck[NODES];      /* what the node sends is not taken by the network */
    uint64_t random[NODES]; /* each draws its own numbers, the same in every run */
    int delivered[NODES];   /* sends of a node that arrive before the rest is lost; -1: all */
} net;

static void on_log(void *ctx, lm_log_level level, const char *text)
{
    net *n = ctx;
    (void)level;
    snprintf(n->log, sizeof n->log, "%s", text);
}

static end *find_end(net *n, int node, lm_link_id link)
{
    for (int i = 0; i < ENDS; i++) {
        if (n->ends[i].link == link && n->ends[i].node == node && link != 0)
            return &n->ends[i];
    }
    return NULL;
}

static end *new_end(net *n, int node, lm_link_id link)
{
    for (int i = 0; i < ENDS; i++) {
        if (n->ends[i].link == 0) {
            n->ends[i] = (end){.link = link, .node = node};
            return &n->ends[i];
        }
    }
    abort();
}

static void hang_up(net *n, end *e)
{
    end *other = &n->ends[e->other];
    lm_link_id link = other->link;
    e->link = other->link = 0;
    if (n->mesh[other->node] != NULL)
        lm_mesh_closed(n->mesh[other->node], n->now, link);
}

static void dial(net *n, int node, const lm_mesh_output *out)
{
    int to = out->host_port[0] - '0';
    lm_addr addr = {.family = LM_AF_INET, .ip = {10, 0, 0, (uint8_t)to}, .port = 7000};
    lm_link_id link, own = out->link;
    if (n->mesh[to] == NULL || n->alone[node][to] ||
        lm_mesh_accepted(n->mesh[to], n->now, &addr, &link) != LM_OK) {
        lm_mesh_closed(n->mesh[node], n->now, own);
        return;
    }
    end *a = new_end(n, node, own), *b = new_end(n, to, link);
    a->other = (int)(b - n->ends);
    b->other = (int)(a - n->ends);
    lm_mesh_connected(n->mesh[node], n->now, own, &addr);
}

static void note(net *n, int node, const lm_mesh_output *out)
{
    static const char signs[] = "+~-<^!";
    size_t len = strlen(n->events);
    snprintf(n->events + len, sizeof n->events - len, "%d%c%c%s%s ", node, signs[out->kind - LM_MESH_JOINED],
             out->member.peer[0], out->kind == LM_MESH_SIGNAL ? ":" : "",
             out->kind == LM_MESH_SIGNAL ? out->member.text : "");
}

static bool drain(net *n, int node)
{
    lm_mesh_output out;
    bool any = false;
    while (n->mesh[node] != NULL && lm_mesh_poll(n->mesh[node], n->now, &out) == 1) {
        end *e = find_end(n, node, out.link);
        any = true;
        if (out.kind == LM_MESH_CONNECT) {
            dial(n, node, &out);
        } else if (out.kind == LM_MESH_SEND) {
            if (n->stuck[node])
                continue;
            bool arrives = n->delivered[node] != 0;
            n->delivered[node] -= n->delivered[node] > 0;
            lm_mesh_sent(n->mesh[node], n->now, out.link, out.bytes.len);
            if (e != NULL && arrives)
                lm_mesh_input(n->mesh[n->ends[e->other].node], n->now, n->ends[e->other].link, out.bytes.data,
                              out.bytes.len);
        } else if (out.kind == LM_MESH_CLOSE) {
            if (e != NULL)
                hang_up(n, e);
        } else {
            note(n, node, &out);
        }
    }
    return any;
}

static void pass(net *n, lm_ms time)
{
    for (lm_ms stop = n->now + time; n->now < stop; n->now += 10) {
        for (int i = 0; i < NODES; i++) {
            if (n->mesh[i] != NULL && lm_mesh_next_timeout(n->mesh[i]) <= n->now)
                lm_mesh_timeout(n->mesh[i], n->now);
        }
        for (bool any = true; any;) {
            any = false;
            for (int i = 0; i < NODES; i++)
                any = drain(n, i) || any;
        }
    }
}

static void set_record(net *n, int node, uint64_t seq)
{
    static const char *const features[] = {"signal"};
    uint8_t seed[32], secret[64];
    char address[24];
    lm_node_config config;
    lm_node_record record = {0};
    test_node(&config, seed);
    memset(seed, node + 1, sizeof seed);
    crypto_sign_seed_keypair(config.nk, secret, seed);
    snprintf(address, sizeof address, "%d:7000", node);
    const lm_node_record_extra extra = {
        .seq = seq, .features = features, .feature_count = 1, .mesh = address};
    assert_int_equal(lm_node_record_make(&record, &config, &extra, seed), LM_OK);
    assert_int_equal(lm_mesh_set_record(n->mesh[node], n->now, &record), LM_OK);
    lm_node_record_clear(&record);
}

static void start(net *n, int node, const char *salt, uint64_t unix_ms)
{
    static const char *const peers[] = {"0:7000", "1:7000"};
    uint8_t seed[32];
    lm_mesh_config config = {
        .seed = seed, .salt = salt, .random = seeded_random(&n->random[node]), .log = &n->handler};
    memset(seed, node + 1, sizeof seed);
    lm_mesh_limits_default(&config.limits);
    config.limits.room_size = n->room_size;
    if (n->members_max > 0)
        config.limits.members_max = n->members_max;
    if (n->link_bytes > 0)
        config.limits.link_bytes = n->link_bytes;
    if (n->links_max > 0)
        config.limits.links_wanted = config.limits.links_max = n->links_max;
    assert_int_equal(lm_mesh_create(&n->mesh[node], &config, n->now), LM_OK);
    lm_mesh_set_unix_time(n->mesh[node], n->now, unix_ms);
    set_record(n, node, unix_ms);
    assert_int_equal(lm_mesh_set_peers(n->mesh[node], n->now, peers, 2), LM_OK);
}

static void stop(net *n, int node)
{
    lm_mesh_destroy(n->mesh[node]);
    n->mesh[node] = NULL;
    for (int i = 0; i < ENDS; i++) {
        if (n->ends[i].link != 0 && n->ends[i].node == node)
            hang_up(n, &n->ends[i]);
    }
}

static net *begin(int nodes)
{
    net *n = calloc(1, sizeof *n);
    n->now = 1000;
    n->room_size = 250;
    for (int i = 0; i < NODES; i++) {
        n->delivered[i] = -1;
        n->random[i] = 100 + (uint64_t)i;
    }
    n->handler = (lm_log){.level = LM_LOG_INFO, .handler = on_log, .ctx = n};
    for (int i = 0; i < nodes; i++)
        start(n, i, "a salt of some length", UNIX);
    pass(n, 3000);
    return n;
}

static void finish(net *n)
{
    for (int i = 0; i < NODES; i++)
        lm_mesh_destroy(n->mesh[i]);
    free(n);
}

static const uint8_t *id(char byte)
{
    static uint8_t ids[4][32];
    static unsigned next;
    return memset(ids[next++ % 4], byte, 32);
}

static void join(net *n, int node, char room, char peer)
{
    assert_int_equal(lm_mesh_join(n->mesh[node], n->now, id(room), id(peer), "info"), LM_OK);
}

#define expect(n, time, text)                   \
    do {                                        \
        pass((n), (time));                      \
        assert_string_equal((n)->events, text); \
        (n)->events[0] = '\0';                  \
    } while (0)

static void members_meet_and_part(void **state)
{
    net *n = begin(2);
    (void)state;
    join(n, 0, 1, 'a');
    expect(n, 1000, "");
    join(n, 1, 1, 'b');
    expect(n, 1000, "1+a 0+b ");
    assert_int_equal(lm_mesh_remote_count(n->mesh[0], id(1)), 1);
    assert_int_equal(lm_mesh_signal(n->mesh[0], n->now, id(1), id('a'), id('b'), "hi"), LM_OK);
    expect(n, 100, "1<a:hi ");
    assert_int_equal(lm_mesh_join(n->mesh[0], n->now, id(1), id('a'), "another info"), LM_OK);
    expect(n, 100, "1~a ");
    join(n, 0, 1, 'c');
    expect(n, 100, "1+c ");
    lm_mesh_leave(n->mesh[0], n->now, id(1), id('a'));
    expect(n, 100, "1-a ");
    assert_int_equal(lm_mesh_signal(n->mesh[1], n->now, id(1), id('b'), id('a'), "hi"), LM_ENOTFOUND);
    lm_mesh_leave(n->mesh[0], n->now, id(1), id('c'));
    expect(n, 100, "1-c ");
    assert_int_equal(lm_mesh_remote_count(n->mesh[0], id(1)), 0);
    join(n, 0, 1, 'a');
    expect(n, 100, "0+b 1+a ");
    finish(n);
}

static void a_room_left_before_the_answer_is_found_again(void **state)
{
    net *n = begin(2);
    (void)state;
    join(n, 1, 1, 'b');
    pass(n, 100);
    join(n, 0, 1, 'a');
    lm_mesh_timeout(n->mesh[0], n->now + 100); /* tells of the room */
    lm_mesh_leave(n->mesh[0], n->now, id(1), id('a'));
    expect(n, 1000, "");
    join(n, 0, 1, 'a');
    expect(n, 1000, "0+b 1+a ");
    finish(n);
}

static void a_link_that_ends_takes_members_away_until_the_next(void **state)
{
    net *n = begin(2);
    (void)state;
    join(n, 0, 1, 'a');
    join(n, 1, 1, 'b');
    pass(n, 1000);
    n->events[0] = '\0';
    n->alone[0][1] = n->alone[1][0] = true;
    for (int i = 0; i < ENDS; i++) {
        if (n->ends[i].link != 0) {
            lm_mesh_closed(n->mesh[n->ends[i].node], n->now, n->ends[i].link);
            n->ends[i].link = 0;
        }
    }
    expect(n, 20, "0-b 1-a ");
    n->alone[0][1] = n->alone[1][0] = false;
    pass(n, 5000);
    assert_non_null(strstr(n->events, "0+b"));
    assert_non_null(strstr(n->events, "1+a"));
    finish(n);
}

static void a_silent_peer_goes_on_where_it_came_back(void **state)
{
    net *n = begin(3);
    (void)state;
    join(n, 0, 1, 'p');
    join(n, 0, 1, 'a');
    join(n, 2, 1, 'c');
    pass(n, 1000);
    n->events[0] = '\0';
    join(n, 1, 1, 'p');
    pass(n, 1000);
    assert_null(strstr(n->events, "^")); /* its session at 0 lives */
    assert_null(strstr(n->events, "2+p"));
    n->events[0] = '\0';
    lm_mesh_peer_silent(n->mesh[0], n->now, id('p'), true);
    expect(n, 1000, "0^p "); /* nobody else hears of it */
    assert_int_equal(lm_mesh_signal(n->mesh[2], n->now, id(1), id('c'), id('p'), "hi"), LM_OK);
    expect(n, 100, "1<c:hi ");
    finish(n);
}

static void a_full_room_puts_the_newcomer_out(void **state)
{
    net *n = begin(1);
    (void)state;
    n->room_size = 2;
    lm_mesh_destroy(n->mesh[0]);
    start(n, 0, "a salt of some length", UNIX);
    start(n, 1, "a salt of some length", UNIX);
    pass(n, 3000);
    join(n, 0, 1, 'a');
    join(n, 0, 1, 'b');
    pass(n, 5000);
    join(n, 1, 1, 'c');
    pass(n, 1000);
    assert_non_null(strstr(n->events, "1!c"));
    assert_null(strstr(n->events, "0!"));
    finish(n);
}

static void another_salt_is_counted_and_logged(void **state)
{
    net *n = begin(1);
    (void)state;
    start(n, 1, "quite another salt", UNIX);
    pass(n, 3000);
    assert_non_null(strstr(n->log, "MESH_SALT differs?"));
    assert_int_not_equal(lm_mesh_get_stats(n->mesh[0])->drops.salt, 0);
    assert_int_not_equal(lm_mesh_get_stats(n->mesh[1])->drops.salt, 0);
    assert_int_equal(lm_mesh_get_stats(n->mesh[0])->links, 0);
    finish(n);
}

/* The node that has no place says so by its hello and the end of the link. */
static void who_finds_no_place_does_not_doubt_the_salt(void **state)
{
    net *n = begin(0);
    (void)state;
    n->links_max = 1;
    for (int i = 0; i < 3; i++)
        start(n, i, "a salt of some length", UNIX);
    pass(n, 9000);
    const lm_mesh_stats *stats[] = {lm_mesh_get_stats(n->mesh[0]), lm_mesh_get_stats(n->mesh[1]),
                                    lm_mesh_get_stats(n->mesh[2])};
    uint64_t refused = 0;
    for (int i = 0; i < 3; i++) {
        refused += stats[i]->drops.link_limit;
        assert_int_equal(stats[i]->drops.salt, 0);
        assert_int_equal(stats[i]->drops.handshake, 0);
    }
    assert_true(refused > 2);
    assert_null(strstr(n->log, "MESH_SALT"));
    finish(n);
}

/* Both dial at the same moment, over and over: one of two links ends where it opens. */
static void who_has_a_link_already_does_not_doubt_the_salt(void **state)
{
    uint64_t duplicates = 0;
    (void)state;
    for (int round = 0; round < 50; round++) {
        net *n = begin(3);
        for (int i = 0; i < 3; i++) {
            const lm_mesh_stats *stats = lm_mesh_get_stats(n->mesh[i]);
            duplicates += stats->drops.duplicate;
            assert_int_equal(stats->links, 2);
            assert_int_equal(stats->drops.salt, 0);
            assert_int_equal(stats->drops.handshake, 0);
        }
        finish(n);
    }
    assert_true(duplicates > 0);
}

/* Node 0 dials node 1, has its handshake done, and node 1 does not get the last message of it. */
static net *begin_half(void)
{
    static const char *const peers[] = {"1:7000"};
    net *n = begin(0);
    n->delivered[0] = 1;
    start(n, 0, "a salt of some length", UNIX);
    start(n, 1, "a salt of some length", UNIX);
    assert_int_equal(lm_mesh_set_peers(n->mesh[0], n->now, peers, 1), LM_OK);
    assert_int_equal(lm_mesh_set_peers(n->mesh[1], n->now, NULL, 0), LM_OK);
    pass(n, 300);
    return n;
}

static void a_handshake_without_an_answer_is_no_other_salt(void **state)
{
    net *n = begin_half();
    (void)state;
    pass(n, 5300);
    assert_int_equal(lm_mesh_get_stats(n->mesh[0])->drops.salt, 0);
    assert_int_equal(lm_mesh_get_stats(n->mesh[0])->drops.handshake, 1);
    assert_string_equal(n->log, "");
    finish(n);
}

static void a_node_that_ends_in_a_handshake_has_no_other_salt(void **state)
{
    net *n = begin_half();
    (void)state;
    stop(n, 1);
    assert_int_equal(lm_mesh_get_stats(n->mesh[0])->drops.salt, 0);
    assert_int_equal(lm_mesh_get_stats(n->mesh[0])->drops.handshake, 1);
    start(n, 1, "a salt of some length", UNIX);
    n->delivered[0] = -1;
    pass(n, 3000);
    assert_int_equal(lm_mesh_get_stats(n->mesh[0])->links, 1);
    assert_int_equal(lm_mesh_get_stats(n->mesh[0])->drops.salt, 0);
    assert_null(strstr(n->log, "MESH_SALT"));
    finish(n);
}

static void count_live(void *ctx, const lm_mesh_node_info *node)
{
    *(unsigned *)ctx += node->live;
}

static void note_pair(void *ctx, uint32_t a, uint32_t b)
{
    uint32_t *seen = ctx;
    assert_true(a < 32 && b < 32 && a != b);
    assert_int_equal(seen[a] >> b & 1, 0);
    seen[a] |= 1u << b;
    seen[b] |= 1u << a;
    seen[32]++;
}

typedef struct places {
    uint32_t count, self;
} places;

static void find_self(void *ctx, const lm_mesh_node_info *node)
{
    places *p = ctx;
    if (node->self)
        p->self = p->count;
    p->count++;
}

/* Four that are all linked: three links, seen from each, are between others; two, where 2 and 3 have none. */
static void links_between_others_are_told(void **state)
{
    (void)state;
    for (int apart = 0; apart < 2; apart++) {
        net *n = begin(0);
        n->alone[2][3] = n->alone[3][2] = apart == 1;
        for (int i = 0; i < 4; i++)
            start(n, i, "a salt of some length", UNIX);
        pass(n, 5000);
        for (int i = 0; i < 4; i++) {
            uint32_t seen[33] = {0};
            places p = {.count = 0};
            lm_mesh_visit_nodes(n->mesh[i], n->now, find_self, &p);
            lm_mesh_visit_pairs(n->mesh[i], note_pair, seen);
            assert_int_equal(p.count, 4);
            assert_int_equal(seen[32], apart == 1 && i < 2 ? 2 : 3);
            assert_int_equal(seen[p.self], 0);
        }
        finish(n);
    }
}

static void a_wrong_clock_keeps_nobody_out(void **state)
{
    unsigned live = 0;
    net *n = begin(1);
    (void)state;
    start(n, 1, "a salt of some length", UNIX + 3600000);
    join(n, 0, 1, 'a');
    join(n, 1, 1, 'b');
    pass(n, 3000);
    assert_string_equal(n->events, "0+b 1+a ");
    lm_mesh_visit_nodes(n->mesh[0], n->now, count_live, &live);
    assert_int_equal(live, 1); /* itself: the other's record is from the future */
    assert_int_not_equal(lm_mesh_get_stats(n->mesh[0])->drops.record_future, 0);
    finish(n);
}

/*
 *     2 ─── 0 ─── 3        2 and 3 cannot dial each other
 *      └─── 1 ───┘
 */
static void two_without_a_link_speak_through_a_neighbour(void **state)
{
    char data[8];
    net *n = begin(0);
    (void)state;
    n->alone[2][3] = n->alone[3][2] = true;
    for (int i = 0; i < 4; i++)
        start(n, i, "a salt of some length", UNIX);
    pass(n, 4000);
    join(n, 2, 1, 'c');
    join(n, 3, 1, 'd');
    expect(n, 1000, "2+d 3+c ");
    for (int i = 0; i < 10; i++) {
        snprintf(data, sizeof data, "%d", i);
        assert_int_equal(lm_mesh_signal(n->mesh[2], n->now, id(1), id('c'), id('d'), data), LM_OK);
        if (i == 5) { /* whichever it was, the other one is left */
            stop(n, lm_mesh_get_stats(n->mesh[0])->via_passed > 0 ? 0 : 1);
        }
        pass(n, 10);
    }
    expect(n, 5000, "3<c:0 3<c:1 3<c:2 3<c:3 3<c:4 3<c:5 3<c:6 3<c:7 3<c:8 3<c:9 ");
    finish(n);
}

/* What each says to the others of its rooms goes once, and not by a neighbour first. */
static void no_detour_is_made_while_links_come_up(void **state)
{
    net *n = begin(4);
    (void)state;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(lm_mesh_get_stats(n->mesh[i])->links, 3);
        assert_int_equal(lm_mesh_get_stats(n->mesh[i])->conversations, 3);
        assert_int_equal(lm_mesh_get_stats(n->mesh[i])->via_passed, 0);
    }
    finish(n);
}

/* Section 2 of the mesh page, word for word. */
static void check_digest(const lm_mesh *mesh, unsigned records)
{
    static const uint8_t key[crypto_shorthash_KEYBYTES];
    uint8_t sums[LM_MESH_DIGEST_LEN] = {0};
    lm_mesh_node *node, *next;
    unsigned count = 0;
    HASH_ITER(hh, mesh->nodes, node, next) {
        uint8_t bytes[LM_NODE_PUBLIC_KEY_LEN + 8], hash[8];
        if (node->record == NULL)
            continue;
        memcpy(bytes, node->nk, LM_NODE_PUBLIC_KEY_LEN);
        for (int i = 0; i < 8; i++)
            bytes[LM_NODE_PUBLIC_KEY_LEN + i] = (uint8_t)(node->seq >> (56 - 8 * i));
        crypto_shorthash(hash, bytes, sizeof bytes, key);
        for (int i = 0; i < 8; i++)
            sums[node->nk[0] % LM_MESH_DIGEST_BUCKETS * 8 + i] ^= hash[i];
        count++;
    }
    assert_int_equal(count, records);
    assert_memory_equal(mesh->digest, sums, sizeof sums);
}

static void the_digest_is_that_of_all_records(void **state)
{
    net *n = begin(3);
    (void)state;
    check_digest(n->mesh[0], 3);
    set_record(n, 0, UNIX + 1000);
    set_record(n, 1, UNIX + 1000);
    pass(n, 1000);
    check_digest(n->mesh[0], 3);
    assert_memory_equal(n->mesh[0]->digest, n->mesh[2]->digest, LM_MESH_DIGEST_LEN);
    stop(n, 1);
    stop(n, 2);
    n->now += 25 * 60 * 60 * 1000; /* by then they are forgotten */
    pass(n, 1000);
    check_digest(n->mesh[0], 1);
    finish(n);
}

static void a_node_that_dials_itself_notices(void **state)
{
    net *n = begin(1);
    (void)state;
    pass(n, 60000);
    assert_int_equal(lm_mesh_get_stats(n->mesh[0])->links, 0);
    assert_true(lm_mesh_get_stats(n->mesh[0])->dials < 20); /* of 1:7000; and once of itself */
    assert_int_equal(lm_mesh_get_stats(n->mesh[0])->peers, 1);
    finish(n);
}

static void an_older_record_of_its_own_is_reported(void **state)
{
    net *n = begin(2);
    (void)state;
    stop(n, 1);
    start(n, 1, "a salt of some length", UNIX - 100000); /* its clock was set back */
    pass(n, 5000);
    assert_int_equal(lm_mesh_own_seq(n->mesh[1]), UNIX);
    set_record(n, 1, UNIX + 1);
    pass(n, 100);
    assert_int_equal(lm_mesh_own_seq(n->mesh[1]), UNIX + 1);
    finish(n);
}

/* Nodes 1 to 3 take nothing any more: what waits for all of them together is bounded. */
static void links_have_a_bound_together(void **state)
{
    static char data[LM_MESH_DATA_MAX + 1];
    net *n = begin(0);
    (void)state;
    memset(data, 'd', LM_MESH_DATA_MAX);
    n->link_bytes = 1280 * 1024;
    for (int i = 0; i < 4; i++) {
        start(n, i, "a salt of some length", UNIX);
        join(n, i, 1, (char)('a' + i));
    }
    pass(n, 5000);
    assert_int_equal(lm_mesh_get_stats(n->mesh[0])->links, 3);
    n->stuck[0] = true;
    for (int i = 0; i < 30; i++)
        for (char to = 'b'; to <= 'd'; to++)
            (void)lm_mesh_signal(n->mesh[0], n->now, id(1), id('a'), id(to), data);
    pass(n, 100);
    const lm_mesh_stats *stats = lm_mesh_get_stats(n->mesh[0]);
    assert_int_equal(stats->drops.slow_reader, 1);
    assert_int_equal(stats->links, 2);
    n->stuck[0] = false;
    finish(n);
}

/* Also where they are no new members, but claims of those that are here. */
static void claims_have_a_bound_together(void **state)
{
    net *n = begin(0);
    (void)state;
    n->members_max = 3;
    for (int i = 0; i < 3; i++)
        start(n, i, "a salt of some length", UNIX);
    for (char peer = 'a'; peer <= 'c'; peer++)
        for (int i = 0; i < 3; i++)
            join(n, i, 1, peer);
    pass(n, 5000);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lm_mesh_get_stats(n->mesh[i])->drops.members_full, 3);
        assert_int_equal(lm_mesh_get_stats(n->mesh[i])->remote_members, 0);
    }
    finish(n);
}

/* What is known of a room that nobody here is in any more counts no longer. */
static void claims_end_with_their_room(void **state)
{
    net *n = begin(0);
    (void)state;
    n->members_max = 3;
    for (int i = 0; i < 2; i++)
        start(n, i, "a salt of some length", UNIX);
    pass(n, 5000);
    join(n, 1, 1, 'b');
    for (int i = 0; i < 5; i++) {
        join(n, 0, 1, 'a');
        pass(n, 500);
        assert_int_equal(lm_mesh_get_stats(n->mesh[0])->remote_members, 1);
        lm_mesh_leave(n->mesh[0], n->now, id(1), id('a'));
        pass(n, 500);
    }
    assert_int_equal(lm_mesh_get_stats(n->mesh[0])->drops.members_full, 0);
    finish(n);
}

static uint64_t dials(const net *n, int node)
{
    return lm_mesh_get_stats(n->mesh[node])->dials;
}

/* Node 0 knows "1:7000", where nobody is; then "2:7000" in its place. */
static void peers_that_are_taken_away_are_not_dialled(void **state)
{
    static const char *const others[] = {"2:7000", "2:7000"};
    lm_mesh_limits limits;
    net *n = begin(0);
    (void)state;
    lm_mesh_limits_default(&limits);
    start(n, 0, "a salt of some length", UNIX);
    assert_int_equal(lm_mesh_set_peers(n->mesh[0], n->now, (const char *const[]){"1:7000"}, 1), LM_OK);
    pass(n, 5000);
    uint64_t before = dials(n, 0);
    assert_true(before > 1);
    /* Prepared, it is as it was. */
    assert_int_equal(lm_mesh_prepare(n->mesh[0], &limits, others, 2), LM_OK);
    start(n, 2, "a salt of some length", UNIX);
    assert_int_equal(lm_mesh_set_peers(n->mesh[2], n->now, NULL, 0), LM_OK);
    pass(n, 70000);
    assert_true(dials(n, 0) > before);
    assert_int_equal(lm_mesh_get_stats(n->mesh[0])->links, 0);
    limits.links_max = 0;
    assert_int_equal(lm_mesh_prepare(n->mesh[0], &limits, NULL, 0), LM_EINVAL);
    limits.links_max = 200;
    assert_int_equal(lm_mesh_prepare(n->mesh[0], &limits, NULL, 0), LM_OK);
    assert_int_equal(lm_mesh_prepare(n->mesh[0], &limits, others, 2), LM_OK);
    before = dials(n, 0);
    lm_mesh_commit(n->mesh[0], n->now);
    pass(n, 100000);
    assert_int_equal(dials(n, 0), before + 1);
    assert_int_equal(lm_mesh_get_stats(n->mesh[0])->links, 1);
    assert_int_equal(lm_mesh_get_stats(n->mesh[0])->peers, 1);
    assert_int_equal(lm_mesh_get_stats(n->mesh[2])->peers, 0);
    finish(n);
}

static void bad_settings_are_refused(void **state)
{
    uint8_t seed[32] = {1};
    lm_mesh *mesh = NULL;
    lm_mesh_config config = {.seed = seed, .salt = "fifteen letters", .random = lm_random_system()};
    (void)state;
    lm_mesh_limits_default(&config.limits);
    assert_int_equal(lm_mesh_create(&mesh, &config, 0), LM_EINVAL);
    config.salt = "sixteen letters!";
    config.limits.room_size = 0;
    assert_int_equal(lm_mesh_create(&mesh, &config, 0), LM_EINVAL);
    assert_null(mesh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_meet_and_part),
        cmocka_unit_test(a_room_left_before_the_answer_is_found_again),
        cmocka_unit_test(a_link_that_ends_takes_members_away_until_the_next),
        cmocka_unit_test(a_silent_peer_goes_on_where_it_came_back),
        cmocka_unit_test(a_full_room_puts_the_newcomer_out),
        cmocka_unit_test(another_salt_is_counted_and_logged),
        cmocka_unit_test(who_finds_no_place_does_not_doubt_the_salt),
        cmocka_unit_test(who_has_a_link_already_does_not_doubt_the_salt),
        cmocka_unit_test(a_handshake_without_an_answer_is_no_other_salt),
        cmocka_unit_test(a_node_that_ends_in_a_handshake_has_no_other_salt),
        cmocka_unit_test(links_between_others_are_told),
        cmocka_unit_test(a_wrong_clock_keeps_nobody_out),
        cmocka_unit_test(two_without_a_link_speak_through_a_neighbour),
        cmocka_unit_test(no_detour_is_made_while_links_come_up),
        cmocka_unit_test(the_digest_is_that_of_all_records),
        cmocka_unit_test(a_node_that_dials_itself_notices),
        cmocka_unit_test(an_older_record_of_its_own_is_reported),
        cmocka_unit_test(links_have_a_bound_together),
        cmocka_unit_test(claims_have_a_bound_together),
        cmocka_unit_test(claims_end_with_their_room),
        cmocka_unit_test(peers_that_are_taken_away_are_not_dialled),
        cmocka_unit_test(bad_settings_are_refused),
    };
    return sodium_init() < 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
