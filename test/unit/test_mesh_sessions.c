/*
 * A browser keeps two sessions where it can, and in a mesh they are at two nodes: one peer, one member, two
 * places. Keys 1, 2, 3 are peers a, b, c with one session each at nodes 0, 1, 2; key 9 is p, at 0 and 1.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "relay/mesh_rooms.h"
#include "test/support/mesh_relays.h"
#include "test/support/relay_expect.h"

#define ROOM "1111111111111111111111111111111111111111111111111111111111111111"
#define SOON 500 /* ms: what happens elsewhere has happened */
#define P 9

static mesh_relays m;
static lm_session_id single[3], p[2];

static const char *id_of(uint8_t key)
{
    static char ids[16][LM_PEER_ID_TEXT];
    return relay_world_id(ids[key % 16], key);
}

static void join(int node, lm_session_id session)
{
    mesh_relays_say(&m, node, session, "{\"action\":\"join\",\"room\":\"" ROOM "\",\"info\":\"i\"}");
}

static void signal_to(int node, lm_session_id session, uint8_t to, const char *data)
{
    char text[256];
    snprintf(text, sizeof text, "{\"action\":\"signal\",\"room\":\"" ROOM "\",\"to\":\"%s\",\"data\":\"%s\"}",
             id_of(to), data);
    mesh_relays_say(&m, node, session, text);
}

/* How many of the messages that wait for a session, all taken, have this text in them. */
static unsigned count(int node, lm_session_id session, const char *text)
{
    const char *said;
    unsigned found = 0;
    while ((said = memory_stack_take(m.world[node].stack, session)) != NULL)
        found += strstr(said, text) != NULL;
    return found;
}

#define expect(node, session, ...) expect_json(&m.world[node], session, __VA_ARGS__)
#define expect_signal(node, session, key, data)                                                            \
    expect(node, session, "{\"action\":\"signal\",\"room\":\"" ROOM "\",\"from\":\"%s\",\"data\":\"%s\"}", \
           id_of(key), data)

static void expect_nothing(void)
{
    for (int n = 0; n < 3; n++)
        expect_silence(&m.world[n], single[n]);
    for (int n = 0; n < m.count; n++)
        expect_sound(&m.world[n]);
}

static void read_all(void)
{
    for (int n = 0; n < 3; n++)
        memory_stack_discard(m.world[n].stack, single[n]);
    for (int n = 0; n < 2; n++)
        memory_stack_discard(m.world[n].stack, p[n]);
}

/* All are there, and the rooms have settled; nothing has been read but the welcomes. */
static void furnish(const lm_relay_limits *limits)
{
    mesh_relays_create(&m, 3, limits, false);
    for (int n = 0; n < 3; n++) {
        single[n] = mesh_relays_greet(&m, n, (uint8_t)(n + 1));
        join(n, single[n]);
        mesh_relays_advance(&m, 5000);
    }
    for (int n = 0; n < 2; n++) {
        p[n] = mesh_relays_greet(&m, n, P);
        join(n, p[n]);
        mesh_relays_advance(&m, 5000);
    }
}

static int tear_down(void **state)
{
    (void)state;
    mesh_relays_destroy(&m);
    return 0;
}

static uint64_t members(int node)
{
    return lm_relay_get_stats(m.world[node].relay)->members;
}

static uint64_t moved(int node)
{
    return lm_relay_get_stats(m.world[node].relay)->places_moved;
}

static void a_peer_at_two_nodes_is_one_member(void **state)
{
    char joined[128];
    lm_relay_limits limits;
    (void)state;
    lm_relay_limits_default(&limits);
    limits.room_size = 5;
    furnish(&limits);
    snprintf(joined, sizeof joined, "\"peer-joined\",\"room\":\"" ROOM "\",\"peer\":{\"id\":\"%s\"",
             id_of(P));
    for (int n = 0; n < 3; n++)
        assert_int_equal(count(n, single[n], joined), 1);
    assert_int_equal(members(0), 2);
    assert_int_equal(members(1), 2);
    join(2, single[2]); /* the list */
    const char *list = memory_stack_take(m.world[2].stack, single[2]), *first = strstr(list, id_of(P));
    assert_non_null(first);
    assert_null(strstr(first + 1, id_of(P)));
    for (uint8_t i = 0; i < 2; i++) { /* one more has a place, two have not */
        lm_session_id more = mesh_relays_greet(&m, i, (uint8_t)(4 + i));
        join(i, more);
        assert_int_equal(count(i, more, "\"room-full\""), i);
        mesh_relays_advance(&m, SOON);
    }
}

static void the_end_of_one_session_is_news_to_nobody(void **state)
{
    char left[128];
    (void)state;
    furnish(NULL);
    read_all();
    mesh_relays_end_session(&m, 0, p[0], LM_CLOSE_REMOTE);
    mesh_relays_advance(&m, 60000);
    expect_nothing();
    for (int n = 0; n < 3; n++) {
        signal_to(n, single[n], P, "d");
        mesh_relays_advance(&m, SOON);
        expect_signal(1, p[1], (uint8_t)(n + 1), "d");
    }
    expect_nothing();
    mesh_relays_end_session(&m, 1, p[1], LM_CLOSE_REMOTE);
    mesh_relays_advance(&m, SOON);
    snprintf(left, sizeof left, "{\"action\":\"peer-left\",\"room\":\"" ROOM "\",\"id\":\"%s\"}", id_of(P));
    for (int n = 0; n < 3; n++)
        expect(n, single[n], "%s", left);
    expect_nothing();
}

/* Nobody can tell which of the two lives: both get them, in order, once each. */
static void signals_go_to_both_sessions(void **state)
{
    (void)state;
    furnish(NULL);
    for (int n = 0; n < 3; n++) {
        read_all();
        signal_to(n, single[n], P, "one");
        signal_to(n, single[n], P, "two");
        mesh_relays_advance(&m, SOON);
        for (int i = 0; i < 2; i++) {
            expect_signal(i, p[i], (uint8_t)(n + 1), "one");
            expect_signal(i, p[i], (uint8_t)(n + 1), "two");
            expect_silence(&m.world[i], p[i]);
        }
        for (int i = 0; i < 2; i++) {
            signal_to(i, p[i], (uint8_t)(n + 1), "back");
            mesh_relays_advance(&m, SOON);
            expect_signal(n, single[n], P, "back");
        }
        expect_nothing();
    }
}

/* Its network has gone, and the node does not know yet; later it does, and keeps the place for a while. */
static void a_dead_session_takes_no_signals_away(void **state)
{
    (void)state;
    furnish(NULL);
    read_all();
    memory_stack_set_heard(m.world[0].stack, p[0], m.now);
    for (int second = 0; second < 90; second++) {
        if (second == 30)
            mesh_relays_end_session(&m, 0, p[0], LM_CLOSE_CONSENT);
        int n = second % 3;
        signal_to(n, single[n], P, "d");
        mesh_relays_advance(&m, 1000);
        expect_signal(1, p[1], (uint8_t)(n + 1), "d");
        expect_silence(&m.world[1], p[1]);
    }
    expect_nothing();
    assert_int_equal(members(0), 1);
    assert_int_equal(members(1), 2);
}

/* The browser's network is away for a while: neither node may count on the other's session. */
static void both_fall_silent_and_are_heard_again(void **state)
{
    (void)state;
    furnish(NULL);
    read_all();
    for (int n = 0; n < 2; n++)
        memory_stack_set_heard(m.world[n].stack, p[n], m.now);
    mesh_relays_advance(&m, 20000);
    for (int n = 0; n < 2; n++)
        memory_stack_set_heard(m.world[n].stack, p[n], LM_MS_NEVER);
    mesh_relays_advance(&m, 10000);
    expect_nothing();
    for (int n = 0; n < 2; n++) {
        expect_silence(&m.world[n], p[n]);
        assert_int_equal(members(n), 2);
        assert_int_equal(moved(n), 0);
    }
}

/* A place that was given up to the node where the peer came in is given back when its session asks for it. */
static void who_is_heard_again_joins_again(void **state)
{
    (void)state;
    furnish(NULL);
    mesh_relays_end_session(&m, 1, p[1], LM_CLOSE_REMOTE);
    mesh_relays_advance(&m, SOON);
    memory_stack_set_heard(m.world[0].stack, p[0], m.now);
    p[1] = mesh_relays_greet(&m, 1, P);
    join(1, p[1]);
    mesh_relays_advance(&m, 6000);
    assert_int_equal(moved(0), 0);
    read_all();
    mesh_relays_advance(&m, 2000);
    assert_int_equal(moved(0), 1);
    assert_int_equal(members(0), 1);
    expect(0, p[0],
           "{\"action\":\"error\",\"code\":\"not-in-room\",\"message\":\"nothing was heard of this session, "
           "and the "
           "peer went on at another node: join again\",\"room\":\"" ROOM "\"}");
    memory_stack_set_heard(m.world[0].stack, p[0], LM_MS_NEVER);
    join(0, p[0]);
    mesh_relays_advance(&m, 60000);
    assert_int_equal(members(0), 2);
    assert_int_equal(members(1), 2);
    expect_nothing();
    read_all();
    mesh_relays_end_session(&m, 1, p[1], LM_CLOSE_REMOTE);
    mesh_relays_advance(&m, SOON);
    signal_to(1, single[1], P, "d");
    mesh_relays_advance(&m, SOON);
    expect_signal(0, p[0], 2, "d");
    expect_nothing();
}

/* a and p fill the room at node 0; at node 1, which does not know that yet, x comes, and then p. */
static void who_has_a_place_elsewhere_is_not_sent_away(void **state)
{
    lm_relay_limits limits;
    (void)state;
    lm_relay_limits_default(&limits);
    limits.room_size = 2;
    mesh_relays_create(&m, 2, &limits, false);
    single[0] = mesh_relays_greet(&m, 0, 1);
    p[0] = mesh_relays_greet(&m, 0, P);
    join(0, single[0]);
    join(0, p[0]);
    mesh_relays_advance(&m, 5000);
    lm_session_id x = mesh_relays_greet(&m, 1, 4);
    p[1] = mesh_relays_greet(&m, 1, P);
    join(1, x);
    join(1, p[1]);
    mesh_relays_advance(&m, SOON);
    assert_int_equal(count(1, x, "\"room-full\""), 1);
    assert_int_equal(count(1, p[1], "\"room-full\""), 0);
    assert_int_equal(members(1), 1);
    signal_to(0, single[0], P, "d");
    mesh_relays_advance(&m, SOON);
    expect_signal(1, p[1], 1, "d");
}

/* How many of the messages that wait for a session name p; all are taken. */
static unsigned names_p(int node, lm_session_id session)
{
    return count(node, session, id_of(P));
}

/* Node 0 is cut off for a while: p is on both sides. */
static void a_peer_on_both_sides_of_a_partition_stays(void **state)
{
    (void)state;
    furnish(NULL);
    read_all();
    m.alone[0] = true;
    mesh_relays_advance(&m, 40000);
    for (int n = 0; n < 3; n++)
        assert_int_equal(names_p(n, single[n]), 0);
    signal_to(0, single[0], P, "one");
    signal_to(2, single[2], P, "two");
    mesh_relays_advance(&m, SOON);
    assert_int_equal(count(0, p[0], "\"one\""), 1);
    assert_int_equal(count(1, p[1], "\"two\""), 1);
    m.alone[0] = false;
    mesh_relays_advance(&m, 10000);
    for (int n = 0; n < 3; n++)
        assert_int_equal(names_p(n, single[n]), 0);
    mesh_relays_end_session(&m, 1, p[1], LM_CLOSE_REMOTE);
    mesh_relays_advance(&m, SOON);
    for (int n = 0; n < 3; n++)
        assert_int_equal(names_p(n, single[n]), 0);
    mesh_relays_end_session(&m, 0, p[0], LM_CLOSE_REMOTE);
    mesh_relays_advance(&m, SOON);
    for (int n = 0; n < 3; n++)
        assert_int_equal(names_p(n, single[n]), 1); /* it left */
}

#define test(f) cmocka_unit_test_teardown(f, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_peer_at_two_nodes_is_one_member),
        test(the_end_of_one_session_is_news_to_nobody),
        test(signals_go_to_both_sessions),
        test(a_dead_session_takes_no_signals_away),
        test(both_fall_silent_and_are_heard_again),
        test(who_is_heard_again_joins_again),
        test(a_peer_on_both_sides_of_a_partition_stays),
        test(who_has_a_place_elsewhere_is_not_sent_away),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
