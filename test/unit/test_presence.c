/*
 * Who hears of what when peers fall silent, return, are replaced and go. Keys 1, 2, 3 are peers a, b, c; the
 * resume time is 15 s.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#include "common/error.h"
#include "test/support/relay_expect.h"

#define ROOM "1111111111111111111111111111111111111111111111111111111111111111"
#define ROOM2 "2222222222222222222222222222222222222222222222222222222222222222"
#define RESUME 15000

static const char *id_of(uint8_t key)
{
    static char ids[4][LM_PEER_ID_TEXT];
    return relay_world_id(ids[key % 4], key);
}

static lm_session_id greet(relay_world *world, uint8_t key)
{
    lm_session_id session = relay_world_greet(world, key);
    assert_int_equal(memory_stack_discard(world->stack, session), 1);
    return session;
}

static void join(relay_world *world, lm_session_id session, const char *room, const char *info)
{
    char text[256];
    snprintf(text, sizeof text, "{\"action\":\"join\",\"room\":\"%s\",\"info\":\"%s\"}", room, info);
    relay_world_say(world, session, text);
}

static void signal_to(relay_world *world, lm_session_id session, const char *room, const char *to)
{
    char text[256];
    snprintf(text, sizeof text, "{\"action\":\"signal\",\"room\":\"%s\",\"to\":\"%s\",\"data\":\"d\"}", room,
             to);
    relay_world_say(world, session, text);
}

#define expect_peer_left(world, session, room, id) \
    expect_json(world, session, "{\"action\":\"peer-left\",\"room\":\"%s\",\"id\":\"%s\"}", room, id)
#define expect_one_peer(world, session, room, id, info)                                                      \
    expect_json(world, session,                                                                              \
                "{\"action\":\"joined\",\"room\":\"%s\",\"peers\":[{\"id\":\"%s\",\"info\":\"%s\"}]}", room, \
                id, info)
#define expect_error(world, session, code)                                 \
    do {                                                                   \
        const char *error_ = memory_stack_take((world)->stack, (session)); \
        assert_non_null(error_);                                           \
        assert_non_null(strstr(error_, "\"code\":\"" code "\""));          \
    } while (0)

/* Peers a and b in ROOM, a in ROOM2 as well, with c; all has been read. */
static void furnish(relay_world *world, lm_session_id *a, lm_session_id *b, lm_session_id *c)
{
    *a = greet(world, 1);
    *b = greet(world, 2);
    *c = greet(world, 3);
    join(world, *a, ROOM, "ia");
    join(world, *b, ROOM, "ib");
    join(world, *a, ROOM2, "ia2");
    join(world, *c, ROOM2, "ic");
    memory_stack_discard(world->stack, *a);
    memory_stack_discard(world->stack, *b);
    memory_stack_discard(world->stack, *c);
}

static int set_up(void **state)
{
    static relay_world world;
    *state = &world;
    return relay_world_create(&world, NULL, 1);
}

static int tear_down(void **state)
{
    relay_world *world = *state;
    const char *fault = relay_world_fault(world);
    relay_world_destroy(world);
    return fault != NULL;
}

static void an_end_is_a_leave(void **state)
{
    static const lm_close_reason reasons[] = {LM_CLOSE_REMOTE, LM_CLOSE_SLOW_READER, LM_CLOSE_PROTOCOL,
                                              LM_CLOSE_LOCAL};
    relay_world *world = *state;
    lm_session_id a, b, c;
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        furnish(world, &a, &b, &c);
        relay_world_end(world, a, reasons[i]);
        expect_peer_left(world, b, ROOM, id_of(1));
        expect_silence(world, b);
        expect_peer_left(world, c, ROOM2, id_of(1));
        expect_silence(world, c);
        relay_world_end(world, b, LM_CLOSE_REMOTE);
        relay_world_end(world, c, LM_CLOSE_REMOTE);
        assert_int_equal(lm_relay_get_stats(world->relay)->rooms, 0);
        assert_int_equal(lm_relay_get_stats(world->relay)->peers, 0);
        assert_int_equal(lm_relay_get_stats(world->relay)->sessions, 0);
    }
}

static void silence_is_borne_for_a_while(void **state)
{
    relay_world *world = *state;
    lm_session_id a, b, c;
    furnish(world, &a, &b, &c);
    relay_world_end(world, a, LM_CLOSE_CONSENT);
    expect_silence(world, b);
    expect_sound(world);
    assert_int_equal(lm_relay_get_stats(world->relay)->peers_detached, 1);
    assert_int_equal(lm_relay_next_timeout(world->relay), world->now + RESUME);

    /* It still has its place for newcomers, but nothing reaches it. */
    join(world, c, ROOM, "ic");
    expect_json(world, c,
                "{\"action\":\"joined\",\"room\":\"" ROOM "\",\"peers\":[{\"id\":\"%s\",\"info\":\"ia\"},"
                "{\"id\":\"%s\",\"info\":\"ib\"}]}",
                id_of(1), id_of(2));
    memory_stack_discard(world->stack, b);
    signal_to(world, b, ROOM, id_of(1));
    expect_error(world, b, "no-such-peer");

    relay_world_advance(world, RESUME - 1);
    expect_silence(world, b);
    relay_world_advance(world, 1);
    expect_peer_left(world, b, ROOM, id_of(1));
    expect_peer_left(world, c, ROOM, id_of(1));
    expect_peer_left(world, c, ROOM2, id_of(1));
    expect_silence(world, c);
    assert_int_equal(lm_relay_get_stats(world->relay)->peers_expired, 1);
    assert_int_equal(lm_relay_get_stats(world->relay)->peers, 2);
    assert_true(lm_relay_next_timeout(world->relay) == LM_MS_NEVER);
}

/* A silent peer without a place has nothing to keep. */
static void silence_without_a_room_is_an_end(void **state)
{
    relay_world *world = *state;
    lm_session_id a = greet(world, 1);
    relay_world_end(world, a, LM_CLOSE_CONSENT);
    assert_int_equal(lm_relay_get_stats(world->relay)->peers, 0);
}

static void a_silent_peer_resumes(void **state)
{
    relay_world *world = *state;
    lm_session_id a, b, c;
    furnish(world, &a, &b, &c);
    relay_world_end(world, a, LM_CLOSE_CONSENT);
    relay_world_advance(world, RESUME - 1);

    a = greet(world, 1);
    assert_int_equal(lm_relay_get_stats(world->relay)->peers_resumed, 1);
    assert_int_equal(lm_relay_get_stats(world->relay)->peers_detached, 0);
    /* Until it joins it is in no room of its own accord: it neither speaks nor is spoken to. */
    signal_to(world, a, ROOM, id_of(2));
    expect_error(world, a, "not-in-room");
    signal_to(world, b, ROOM, id_of(1));
    expect_error(world, b, "no-such-peer");

    join(world, a, ROOM, "new");
    expect_one_peer(world, a, ROOM, id_of(2), "ib");
    expect_silence(world, b);
    signal_to(world, b, ROOM, id_of(1));
    expect_json(world, a, "{\"action\":\"signal\",\"room\":\"" ROOM "\",\"from\":\"%s\",\"data\":\"d\"}",
                id_of(2));
    signal_to(world, a, ROOM, id_of(2));
    expect_json(world, b, "{\"action\":\"signal\",\"room\":\"" ROOM "\",\"from\":\"%s\",\"data\":\"d\"}",
                id_of(1));
    join(world, b, ROOM, "ib");
    expect_one_peer(world, b, ROOM, id_of(1), "new");

    /* ROOM2 was not joined again: it is given up a resume time after the hello, not after the silence. */
    relay_world_advance(world, RESUME - 1);
    expect_silence(world, c);
    relay_world_advance(world, 1);
    expect_peer_left(world, c, ROOM2, id_of(1));
    expect_silence(world, a);
    expect_silence(world, b);
    assert_int_equal(lm_relay_get_stats(world->relay)->places_lapsed, 1);
    expect_sound(world);

    /* Joined after that, it is a newcomer there. */
    join(world, a, ROOM2, "late");
    expect_one_peer(world, a, ROOM2, id_of(3), "ic");
    expect_json(world, c,
                "{\"action\":\"peer-joined\",\"room\":\"" ROOM2
                "\",\"peer\":{\"id\":\"%s\",\"info\":\"late\"}}",
                id_of(1));
}

static void a_stale_place_hears_nothing_and_can_be_left(void **state)
{
    relay_world *world = *state;
    lm_session_id a, b, c;
    furnish(world, &a, &b, &c);
    relay_world_end(world, a, LM_CLOSE_CONSENT);
    a = greet(world, 1);
    join(world, c, ROOM, "ic");
    relay_world_end(world, b, LM_CLOSE_REMOTE);
    expect_silence(world, a);
    join(world, a, ROOM, "ia");
    expect_one_peer(world, a, ROOM, id_of(3), "ic");

    memory_stack_discard(world->stack, c);
    relay_world_say(world, a, "{\"action\":\"leave\",\"room\":\"" ROOM2 "\"}");
    expect_json(world, a, "{\"action\":\"left\",\"room\":\"" ROOM2 "\"}");
    expect_peer_left(world, c, ROOM2, id_of(1));
}

static void too_late_is_a_new_peer(void **state)
{
    relay_world *world = *state;
    lm_session_id a, b, c;
    furnish(world, &a, &b, &c);
    relay_world_end(world, a, LM_CLOSE_CONSENT);
    /* The hello arrives in the very turn in which the deadline is due, before any timeout was handled. */
    world->now += RESUME;
    a = greet(world, 1);
    assert_int_equal(lm_relay_get_stats(world->relay)->peers_resumed, 0);
    expect_peer_left(world, b, ROOM, id_of(1));
    join(world, a, ROOM, "ia");
    expect_json(world, b,
                "{\"action\":\"peer-joined\",\"room\":\"" ROOM "\",\"peer\":{\"id\":\"%s\",\"info\":\"ia\"}}",
                id_of(1));
}

static void a_second_session_replaces_the_first(void **state)
{
    relay_world *world = *state;
    lm_session_id a, b, c;
    furnish(world, &a, &b, &c);
    /* The first session has said something more, that arrives with the second one's hello. */
    char hello[RELAY_WORLD_HELLO_MAX];
    lm_session_id second = memory_stack_open(world->stack);
    memory_stack_say(world->stack, second, relay_world_hello_text(hello, 1));
    memory_stack_say(world->stack, a, "{\"action\":\"leave\",\"room\":\"" ROOM "\"}");
    relay_world_drain(world);

    assert_true(memory_stack_ended(world->stack, a));
    expect_silence(world, a);
    assert_int_equal(lm_relay_get_stats(world->relay)->closes.replaced, 1);
    assert_int_equal(lm_relay_get_stats(world->relay)->drops.closing, 1);
    assert_int_equal(lm_relay_get_stats(world->relay)->sessions, 3);
    assert_int_equal(lm_relay_get_stats(world->relay)->peers, 3);
    expect_sound(world);
    memory_stack_discard(world->stack, second);

    join(world, second, ROOM, "ia");
    expect_one_peer(world, second, ROOM, id_of(2), "ib");
    expect_silence(world, b);
    relay_world_advance(world, RESUME);
    expect_silence(world, b);
    expect_peer_left(world, c, ROOM2, id_of(1));
}

/* The first of two sessions is replaced in the same turn in which the stack reports that it fell silent. */
static void replaced_and_silent_at_once(void **state)
{
    relay_world *world = *state;
    lm_session_id a, b, c;
    char hello[RELAY_WORLD_HELLO_MAX];
    furnish(world, &a, &b, &c);
    lm_session_id second = memory_stack_open(world->stack);
    memory_stack_say(world->stack, second, relay_world_hello_text(hello, 1));
    memory_stack_end(world->stack, a, LM_CLOSE_CONSENT);
    relay_world_drain(world);
    expect_sound(world);
    assert_int_equal(lm_relay_get_stats(world->relay)->peers_detached, 0);
    join(world, second, ROOM, "ia");
    join(world, second, ROOM2, "ia");
    relay_world_advance(world, 2 * RESUME);
    expect_silence(world, b);
    expect_silence(world, c);
}

static void silent_again_while_resuming(void **state)
{
    relay_world *world = *state;
    lm_session_id a, b, c;
    furnish(world, &a, &b, &c);
    relay_world_end(world, a, LM_CLOSE_CONSENT);
    relay_world_advance(world, 10000);
    a = greet(world, 1);
    join(world, a, ROOM, "ia");
    relay_world_advance(world, 10000);
    relay_world_end(world, a, LM_CLOSE_CONSENT);
    expect_sound(world);
    relay_world_advance(world, RESUME - 1);
    expect_silence(world, b);
    expect_silence(world, c);
    relay_world_advance(world, 1);
    expect_peer_left(world, b, ROOM, id_of(1));
    expect_peer_left(world, c, ROOM2, id_of(1));
}

static void nothing_is_kept_without_a_resume_time(void **state)
{
    relay_world *world = *state;
    lm_session_id a, b, c;
    world->relay->limits.resume = 0;
    furnish(world, &a, &b, &c);
    relay_world_end(world, a, LM_CLOSE_CONSENT);
    expect_peer_left(world, b, ROOM, id_of(1));
    assert_int_equal(lm_relay_get_stats(world->relay)->peers, 2);
}

/* A place that is kept counts for the room's size, and is its peer's in a full room. */
static void a_kept_place_is_taken(void **state)
{
    relay_world *world = *state;
    lm_session_id a, b, c;
    world->relay->rooms.room_size = world->relay->limits.room_size = 2;
    furnish(world, &a, &b, &c);
    relay_world_end(world, a, LM_CLOSE_CONSENT);
    join(world, c, ROOM, "");
    expect_error(world, c, "room-full");
    a = greet(world, 1);
    join(world, a, ROOM, "");
    expect_one_peer(world, a, ROOM, id_of(2), "ib");
    expect_silence(world, c);
}

/* With all its rooms taken by stale places, a join gives up the oldest of them. */
static void stale_places_give_way(void **state)
{
    static const char other[] = "3333333333333333333333333333333333333333333333333333333333333333";
    relay_world *world = *state;
    lm_session_id a, b, c;
    world->relay->limits.rooms_per_session = 2;
    furnish(world, &a, &b, &c);
    join(world, a, other, "");
    expect_error(world, a, "too-many-rooms");
    expect_silence(world, b);

    relay_world_end(world, a, LM_CLOSE_CONSENT);
    a = greet(world, 1);
    join(world, a, other, "");
    expect_json(world, a, "{\"action\":\"joined\",\"room\":\"%s\",\"peers\":[]}", other);
    expect_peer_left(world, b, ROOM, id_of(1));
    expect_silence(world, c);
    expect_sound(world);
    join(world, a, ROOM2, "");
    expect_one_peer(world, a, ROOM2, id_of(3), "ic");
    join(world, a, ROOM, "");
    expect_error(world, a, "too-many-rooms");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_end_is_a_leave),
        TEST(silence_is_borne_for_a_while),
        TEST(silence_without_a_room_is_an_end),
        TEST(a_silent_peer_resumes),
        TEST(a_stale_place_hears_nothing_and_can_be_left),
        TEST(too_late_is_a_new_peer),
        TEST(a_second_session_replaces_the_first),
        TEST(replaced_and_silent_at_once),
        TEST(silent_again_while_resuming),
        TEST(nothing_is_kept_without_a_resume_time),
        TEST(a_kept_place_is_taken),
        TEST(stale_places_give_way),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
