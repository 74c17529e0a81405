/*
 * Rooms over two or three nodes: what clients hear is what one relay would tell them. Keys 1, 2, 3 are peers
 * a, b, c; links have a delay of 25 ms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "relay/mesh_rooms.h"
#include "test/support/mesh_relays.h"
#include "test/support/relay_expect.h"

#define ROOM "1111111111111111111111111111111111111111111111111111111111111111"
#define SOON 500 /* ms: what happens elsewhere has happened */

static mesh_relays m;

static const char *id_of(uint8_t key)
{
    static char ids[16][LM_PEER_ID_TEXT];
    return relay_world_id(ids[key % 16], key);
}

static void join(int node, lm_session_id session, const char *info)
{
    char text[256];
    snprintf(text, sizeof text, "{\"action\":\"join\",\"room\":\"" ROOM "\",\"info\":\"%s\"}", info);
    mesh_relays_say(&m, node, session, text);
}

static void leave(int node, lm_session_id session)
{
    mesh_relays_say(&m, node, session, "{\"action\":\"leave\",\"room\":\"" ROOM "\"}");
}

static void signal_to(int node, lm_session_id session, uint8_t to, const char *data)
{
    char text[256];
    snprintf(text, sizeof text, "{\"action\":\"signal\",\"room\":\"" ROOM "\",\"to\":\"%s\",\"data\":\"%s\"}",
             id_of(to), data);
    mesh_relays_say(&m, node, session, text);
}

static void read_all(int node, lm_session_id session)
{
    memory_stack_discard(m.world[node].stack, session);
}

static void expect_sound_all(void)
{
    for (int n = 0; n < m.count; n++)
        if (m.mesh[n] != NULL)
            expect_sound(&m.world[n]);
}

#define expect(node, session, ...) expect_json(&m.world[node], session, __VA_ARGS__)
#define expect_nothing(node, session) expect_silence(&m.world[node], session)
#define expect_joined_alone(node, session) \
    expect(node, session, "{\"action\":\"joined\",\"room\":\"" ROOM "\",\"peers\":[]}")
#define expect_peer_joined(node, session, key, info)                                                      \
    expect(node, session,                                                                                 \
           "{\"action\":\"peer-joined\",\"room\":\"" ROOM "\",\"peer\":{\"id\":\"%s\",\"info\":\"%s\"}}", \
           id_of(key), info)
#define expect_peer_before(node, session, key, info)                       \
    expect(node, session,                                                  \
           "{\"action\":\"peer-joined\",\"room\":\"" ROOM                  \
           "\",\"peer\":{\"id\":\"%s\",\"info\":\"%s\"},\"before\":true}", \
           id_of(key), info)
#define expect_peer_left(node, session, key) \
    expect(node, session, "{\"action\":\"peer-left\",\"room\":\"" ROOM "\",\"id\":\"%s\"}", id_of(key))
#define expect_signal(node, session, key, data)                                                            \
    expect(node, session, "{\"action\":\"signal\",\"room\":\"" ROOM "\",\"from\":\"%s\",\"data\":\"%s\"}", \
           id_of(key), data)

static int tear_down(void **state)
{
    (void)state;
    mesh_relays_destroy(&m);
    return 0;
}

/* a at node 0 and b at node 1, both in ROOM; all has been read. */
static void furnish(lm_session_id *a, lm_session_id *b)
{
    *a = mesh_relays_greet(&m, 0, 1);
    *b = mesh_relays_greet(&m, 1, 2);
    join(0, *a, "ia");
    mesh_relays_advance(&m, 5000);
    join(1, *b, "ib");
    mesh_relays_advance(&m, 5000);
    read_all(0, *a);
    read_all(1, *b);
}

static void joins_are_told_at_other_nodes(void **state)
{
    (void)state;
    mesh_relays_create(&m, 2, NULL, false);
    lm_session_id a = mesh_relays_greet(&m, 0, 1), b = mesh_relays_greet(&m, 1, 2);
    lm_session_id c = mesh_relays_greet(&m, 1, 3);
    join(0, a, "ia");
    expect_joined_alone(0, a);
    mesh_relays_advance(&m, 5000);
    join(1, b, "ib"); /* the first at its node: who is elsewhere is not known at once */
    expect_joined_alone(1, b);
    mesh_relays_advance(&m, SOON);
    expect_peer_joined(0, a, 2, "ib");
    expect_peer_before(1, b, 1, "ia");
    join(1, c, "ic");
    expect(1, c,
           "{\"action\":\"joined\",\"room\":\"" ROOM
           "\",\"peers\":[{\"id\":\"%s\",\"info\":\"ib\"},{\"id\":\"%s\",\"info\":\"ia\"}]}",
           id_of(2), id_of(1));
    expect_peer_joined(1, b, 3, "ic");
    mesh_relays_advance(&m, SOON);
    expect_peer_joined(0, a, 3, "ic");
    expect_nothing(0, a);
    expect_nothing(1, b);
    expect_nothing(1, c);
    expect_sound_all();
}

static void leaves_are_told_at_other_nodes(void **state)
{
    (void)state;
    lm_session_id a, b;
    mesh_relays_create(&m, 2, NULL, false);
    furnish(&a, &b);
    leave(1, b);
    read_all(1, b);
    mesh_relays_advance(&m, SOON);
    expect_peer_left(0, a, 2);
    join(1, b, "ib");
    mesh_relays_advance(&m, SOON);
    read_all(0, a);
    mesh_relays_end_session(&m, 1, b, LM_CLOSE_REMOTE);
    mesh_relays_advance(&m, SOON);
    expect_peer_left(0, a, 2);
    expect_nothing(0, a);
    signal_to(0, a, 2, "d");
    assert_non_null(strstr(memory_stack_take(m.world[0].stack, a), "\"code\":\"no-such-peer\""));
    expect_sound_all();
}

static void signals_come_in_order_after_their_peer(void **state)
{
    (void)state;
    char data[8];
    mesh_relays_create(&m, 2, NULL, false);
    lm_session_id a = mesh_relays_greet(&m, 0, 1), b = mesh_relays_greet(&m, 1, 2);
    join(0, a, "ia");
    mesh_relays_advance(&m, 5000);
    join(1, b, "ib");
    mesh_relays_advance(&m, 100); /* b knows a, perhaps before a knows b */
    read_all(1, b);
    for (int i = 0; i < 50; i++) {
        snprintf(data, sizeof data, "%d", i);
        signal_to(1, b, 1, data);
    }
    mesh_relays_advance(&m, SOON);
    read_all(1, b);
    expect_joined_alone(0, a);
    expect_peer_joined(0, a, 2, "ib");
    for (int i = 0; i < 50; i++) {
        snprintf(data, sizeof data, "%d", i);
        expect_signal(0, a, 2, data);
    }
    expect_nothing(0, a);
    signal_to(0, a, 2, "back");
    mesh_relays_advance(&m, SOON);
    expect_signal(1, b, 1, "back");
}

static void new_info_is_listed_and_not_told(void **state)
{
    (void)state;
    lm_session_id a, b;
    mesh_relays_create(&m, 2, NULL, false);
    furnish(&a, &b);
    join(1, b, "other");
    mesh_relays_advance(&m, SOON);
    expect_nothing(0, a);
    join(0, a, "ia");
    expect(0, a,
           "{\"action\":\"joined\",\"room\":\"" ROOM "\",\"peers\":[{\"id\":\"%s\",\"info\":\"other\"}]}",
           id_of(2));
}

static void rooms_are_full_over_all_nodes(void **state)
{
    (void)state;
    lm_session_id a, b;
    lm_relay_limits limits;
    lm_relay_limits_default(&limits);
    limits.room_size = 2;
    mesh_relays_create(&m, 2, &limits, false);
    furnish(&a, &b);
    lm_session_id c = mesh_relays_greet(&m, 1, 3);
    join(1, c, "ic");
    assert_non_null(strstr(memory_stack_take(m.world[1].stack, c), "\"code\":\"room-full\""));
    mesh_relays_advance(&m, SOON);
    expect_nothing(0, a);
    expect_nothing(1, b);
    join(1, b, "ib"); /* a member is no newcomer */
    assert_non_null(strstr(memory_stack_take(m.world[1].stack, b), "\"joined\""));
    leave(0, a);
    mesh_relays_advance(&m, SOON);
    join(1, c, "ic");
    assert_non_null(strstr(memory_stack_take(m.world[1].stack, c), "\"joined\""));
    expect_sound_all();
}

/* The first at its node learns only then that the room is full elsewhere. */
static void who_fills_a_room_too_far_is_sent_away(void **state)
{
    (void)state;
    lm_relay_limits limits;
    lm_relay_limits_default(&limits);
    limits.room_size = 2;
    mesh_relays_create(&m, 2, &limits, false);
    lm_session_id a = mesh_relays_greet(&m, 0, 1), b = mesh_relays_greet(&m, 0, 2);
    lm_session_id c = mesh_relays_greet(&m, 1, 3);
    join(0, a, "ia");
    join(0, b, "ib");
    mesh_relays_advance(&m, 5000);
    join(1, c, "ic");
    expect_joined_alone(1, c);
    mesh_relays_advance(&m, SOON);
    const char *said;
    bool refused = false;
    while ((said = memory_stack_take(m.world[1].stack, c)) != NULL)
        refused = strstr(said, "\"code\":\"room-full\"") != NULL && strstr(said, ROOM) != NULL;
    assert_true(refused); /* and that is the last word */
    assert_int_equal(lm_relay_get_stats(m.world[1].relay)->members, 0);
    assert_int_equal(lm_relay_get_stats(m.world[0].relay)->members, 2);
    expect_sound_all();
}

/* The browser goes to another node while its old session still waits for consent to expire. */
static void a_peer_that_moves_takes_its_place_along(void **state)
{
    (void)state;
    lm_session_id a, b;
    mesh_relays_create(&m, 3, NULL, false);
    furnish(&a, &b);
    memory_stack_set_heard(m.world[1].stack, b, m.now);
    lm_session_id again = mesh_relays_greet(&m, 2, 2);
    lm_session_id c = mesh_relays_greet(&m, 1, 3);
    join(1, c, "ic");
    mesh_relays_advance(&m, SOON);
    read_all(0, a);
    read_all(1, c);
    join(2, again, "ib");
    mesh_relays_advance(&m, 10000);
    expect_nothing(0, a);
    expect_nothing(1, c);
    assert_int_equal(lm_relay_get_stats(m.world[1].relay)->places_moved, 1);
    signal_to(0, a, 2, "one");
    signal_to(1, c, 2, "two");
    mesh_relays_advance(&m, SOON);
    read_all(1, b);
    bool one = false, two = false;
    const char *said;
    while ((said = memory_stack_take(m.world[2].stack, again)) != NULL) {
        one = one || strstr(said, "\"one\"") != NULL;
        two = two || strstr(said, "\"two\"") != NULL;
    }
    assert_true(one && two);
    mesh_relays_end_session(&m, 1, b, LM_CLOSE_CONSENT);
    mesh_relays_advance(&m, 30000);
    expect_nothing(0, a);
    expect_nothing(1, c);
    leave(2, again);
    mesh_relays_advance(&m, SOON);
    expect_peer_left(0, a, 2);
    expect_peer_left(1, c, 2);
    expect_sound_all();
}

/* It goes back to a node where it is known as a member elsewhere. */
static void nobody_hears_of_a_peer_that_comes_to_their_node(void **state)
{
    (void)state;
    lm_session_id a, b;
    mesh_relays_create(&m, 2, NULL, false);
    furnish(&a, &b);
    memory_stack_set_heard(m.world[1].stack, b, m.now);
    lm_session_id again = mesh_relays_greet(&m, 0, 2);
    join(0, again, "ib");
    expect(0, again,
           "{\"action\":\"joined\",\"room\":\"" ROOM "\",\"peers\":[{\"id\":\"%s\",\"info\":\"ia\"}]}",
           id_of(1));
    expect_nothing(0, a);
    mesh_relays_end_session(&m, 1, b, LM_CLOSE_REMOTE); /* its page closes the old session properly */
    mesh_relays_advance(&m, SOON);
    expect_nothing(0, a);
    signal_to(0, a, 2, "d");
    expect_signal(0, again, 1, "d");
    expect_sound_all();
}

static void a_session_that_is_heard_keeps_its_place(void **state)
{
    (void)state;
    lm_session_id a, b;
    mesh_relays_create(&m, 2, NULL, false);
    furnish(&a, &b);
    lm_session_id thief = mesh_relays_greet(&m, 0, 2);
    join(0, thief, "x");
    mesh_relays_advance(&m, 60000);
    assert_int_equal(lm_relay_get_stats(m.world[1].relay)->places_moved, 0);
    assert_int_equal(lm_relay_get_stats(m.world[1].relay)->members, 1);
    expect_sound_all();
}

/* Silent for good: after the resume time the others hear of it, wherever they are. */
static void a_silent_peer_resumes_or_leaves(void **state)
{
    (void)state;
    lm_session_id a, b;
    mesh_relays_create(&m, 2, NULL, false);
    furnish(&a, &b);
    mesh_relays_end_session(&m, 1, b, LM_CLOSE_CONSENT);
    mesh_relays_advance(&m, 10000);
    expect_nothing(0, a);
    b = mesh_relays_greet(&m, 1, 2);
    join(1, b, "ib");
    mesh_relays_advance(&m, 20000);
    expect_nothing(0, a);
    mesh_relays_end_session(&m, 1, b, LM_CLOSE_CONSENT);
    mesh_relays_advance(&m, 14000);
    expect_nothing(0, a);
    mesh_relays_advance(&m, 2000);
    expect_peer_left(0, a, 2);
    expect_sound_all();
}

static void a_node_that_ends_takes_its_members(void **state)
{
    (void)state;
    lm_session_id a, b;
    mesh_relays_create(&m, 2, NULL, false);
    furnish(&a, &b);
    mesh_relays_stop(&m, 1);
    mesh_relays_advance(&m, 1000);
    expect_peer_left(0, a, 2);
}

static void members_return_with_their_node(void **state)
{
    (void)state;
    lm_session_id a, b;
    mesh_relays_create(&m, 2, NULL, false);
    furnish(&a, &b);
    m.alone[1] = true;
    mesh_relays_advance(&m, 20000);
    expect_peer_left(0, a, 2);
    expect_peer_left(1, b, 1);
    m.alone[1] = false;
    mesh_relays_advance(&m, 10000);
    expect_peer_joined(0, a, 2, "ib");
    expect_peer_joined(1, b, 1, "ia");
    expect_sound_all();
}

/* Who drains sends its clients elsewhere: only what they say themselves makes others hang up. */
static void nobody_leaves_while_their_node_drains(void **state)
{
    (void)state;
    lm_session_id a, b;
    mesh_relays_create(&m, 2, NULL, false);
    furnish(&a, &b);
    lm_relay_drain(m.world[1].relay, m.now);
    lm_session_id again = mesh_relays_greet(&m, 0, 2);
    mesh_relays_end_session(&m, 1, b, LM_CLOSE_REMOTE);
    mesh_relays_advance(&m, SOON);
    join(0, again, "ib");
    mesh_relays_advance(&m, SOON);
    mesh_relays_stop(&m, 1);
    mesh_relays_advance(&m, 1000);
    expect_nothing(0, a);
    signal_to(0, a, 2, "d");
    expect_nothing(0, a);
    expect_sound_all();
}

static void all_live_nodes_are_listed(void **state)
{
    (void)state;
    mesh_relays_create(&m, 3, NULL, false);
    lm_session_id a = mesh_relays_greet(&m, 0, 1);
    for (int minutes = 0; minutes < 15; minutes++) {
        if (minutes == 3)
            mesh_relays_stop(&m, 2);
        mesh_relays_say(&m, 0, a, "{\"action\":\"nodes\"}");
        const char *said = memory_stack_take(m.world[0].stack, a);
        int count = 0;
        for (const char *at = said; (at = strstr(at, "\"record\"")) != NULL; at++)
            count++;
        /* A record that is not renewed is told for ten more minutes. */
        if (minutes <= 12)
            assert_int_equal(count, 3);
        else if (minutes >= 14)
            assert_int_equal(count, 2);
        mesh_relays_advance(&m, 60000);
    }
    const lm_node_record *own = lm_own_node_record(&m.world[1].relay->node, m.now);
    mesh_relays_advance(&m, 100);
    mesh_relays_say(&m, 0, a, "{\"action\":\"nodes\"}");
    const char *said = memory_stack_take(m.world[0].stack, a);
    assert_non_null(strstr(said, own->sig)); /* the newest one, as it was signed */
    assert_non_null(strstr(said, "node1:1"));
}

/* The URLs that a session at the node is offered for a room. */
static void turn_urls(int node, lm_session_id session, unsigned room, char urls[512])
{
    char text[256], id[LM_ROOM_ID_TEXT];
    snprintf(id, sizeof id, "%064x", room);
    snprintf(text, sizeof text, "{\"action\":\"turn\",\"room\":\"%s\"}", id);
    mesh_relays_say(&m, node, session, text);
    const char *said = memory_stack_take(m.world[node].stack, session);
    assert_non_null(said);
    const char *first = strstr(said, "\"urls\""), *last = strstr(said, ",\"username\"");
    assert_true(first != NULL && last != NULL);
    snprintf(urls, 512, "%.*s", (int)(last - first), first);
}

static void a_room_has_the_same_turn_servers_everywhere(void **state)
{
    (void)state;
    char urls[3][512];
    lm_session_id session[3];
    unsigned uses[3] = {0};
    mesh_relays_create(&m, 3, NULL, true);
    for (int n = 0; n < 3; n++)
        session[n] = mesh_relays_greet(&m, n, (uint8_t)(n + 1));
    for (unsigned room = 0; room < 60; room++) {
        for (int n = 0; n < 3; n++) {
            turn_urls(n, session[n], room, urls[n]);
            assert_string_equal(urls[n], urls[0]);
            char host[32];
            snprintf(host, sizeof host, "203.0.113.%d:", 10 + n);
            uses[n] += strstr(urls[0], host) != NULL;
        }
    }
    assert_int_equal(uses[0] + uses[1] + uses[2], 120); /* two for each room */
    for (int n = 0; n < 3; n++)
        assert_in_range(uses[n], 20, 55);
}

/* Its members allocate where the others do. */
static void a_node_without_turn_names_those_that_have_it(void **state)
{
    (void)state;
    char urls[2][512];
    mesh_relays_create_without_turn(&m, 2, NULL, true, 1);
    lm_session_id a = mesh_relays_greet(&m, 0, 1), b = mesh_relays_greet(&m, 1, 2);
    turn_urls(0, a, 7, urls[0]);
    turn_urls(1, b, 7, urls[1]);
    assert_string_equal(urls[0], urls[1]);
    assert_non_null(strstr(urls[0], "203.0.113.10:"));
    assert_null(strstr(urls[0], "203.0.113.11:"));
    mesh_relays_say(&m, 1, b, "{\"action\":\"turn\"}");
    assert_non_null(strstr(memory_stack_take(m.world[1].stack, b), "turn-disabled"));
}

#define test(f) cmocka_unit_test_teardown(f, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(joins_are_told_at_other_nodes),
        test(leaves_are_told_at_other_nodes),
        test(signals_come_in_order_after_their_peer),
        test(new_info_is_listed_and_not_told),
        test(rooms_are_full_over_all_nodes),
        test(who_fills_a_room_too_far_is_sent_away),
        test(a_peer_that_moves_takes_its_place_along),
        test(nobody_hears_of_a_peer_that_comes_to_their_node),
        test(a_session_that_is_heard_keeps_its_place),
        test(a_silent_peer_resumes_or_leaves),
        test(a_node_that_ends_takes_its_members),
        test(members_return_with_their_node),
        test(nobody_leaves_while_their_node_drains),
        test(all_live_nodes_are_listed),
        test(a_room_has_the_same_turn_servers_everywhere),
        test(a_node_without_turn_names_those_that_have_it),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
