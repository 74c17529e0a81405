/* DTLS handshakes wait their turn, so that a crowd that arrives does not hold up who is there. Virtual time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "test/support/data.h"
#include "test/support/world.h"
#include "webrtc/handshake_backlog.h"
#include "webrtc/stack.h"
#include "webrtc/stun.h"

static lm_dgram numbered(uint32_t *number)
{
    return (lm_dgram){
        .remote = {.port = (uint16_t)*number}, .data = (uint8_t *)number, .len = sizeof *number};
}

static void expect(lm_handshake_backlog *b, uint32_t number)
{
    lm_dgram out;
    assert_int_equal(lm_handshake_backlog_take(b, &out), 1);
    assert_int_equal(out.len, sizeof number);
    assert_memory_equal(out.data, &number, sizeof number);
    assert_int_equal(out.remote.port, number);
}

static void the_backlog_keeps_order_and_a_bound(void **state)
{
    lm_handshake_backlog b = {0};
    lm_dgram out;
    (void)state;
    assert_int_equal(lm_handshake_backlog_take(&b, &out), 0);
    for (uint32_t i = 0; i < LM_HANDSHAKE_BACKLOG_MAX + 3; i++) {
        lm_dgram in = numbered(&i);
        assert_int_equal(lm_handshake_backlog_put(&b, &in), i < LM_HANDSHAKE_BACKLOG_MAX ? LM_OK : LM_ELIMIT);
    }
    assert_int_equal(b.count, LM_HANDSHAKE_BACKLOG_MAX);
    for (uint32_t i = 3; i < LM_HANDSHAKE_BACKLOG_MAX + 3; i++)
        expect(&b, i);
    assert_int_equal(lm_handshake_backlog_take(&b, &out), 0);
    uint32_t one = 1;
    lm_dgram in = numbered(&one);
    assert_int_equal(lm_handshake_backlog_put(&b, &in), LM_OK);
    expect(&b, 1);
    assert_int_equal(lm_handshake_backlog_put(&b, &in), LM_OK);
    lm_handshake_backlog_clear(&b);
    assert_int_equal(b.count, 0);
}

#define CROWD 50

/* Watches each turn of the world. */
typedef struct watch {
    test_world *w;
    test_client *clients[CROWD];
    uint64_t steps; /* up to the last turn */
    uint64_t most;  /* in one turn */
    unsigned turns_with_all;
    lm_session_id session; /* of the one that was there before */
    lm_ms answered;
    unsigned answers;
} watch;

static const lm_webrtc_stats *stats(test_world *w)
{
    return lm_webrtc_get_stats(test_world_stack(w));
}

static void on_event(void *user, test_world *w, const lm_webrtc_output *event)
{
    (void)user;
    if (event->kind == LM_WEBRTC_MESSAGE)
        assert_int_equal(lm_webrtc_send(test_world_stack(w), test_world_now(w), event->session,
                                        event->message.data, event->message.len),
                         LM_OK);
}

static void on_message(void *user, test_client *c, const char *data, size_t len)
{
    watch *watched = user;
    (void)c, (void)data, (void)len;
    watched->answered = test_world_now(watched->w);
    watched->answers++;
}

static bool all_open(void *user)
{
    watch *watched = user;
    uint64_t steps = stats(watched->w)->handshake_steps;
    if (steps - watched->steps > watched->most)
        watched->most = steps - watched->steps;
    watched->steps = steps;
    for (int i = 0; i < CROWD; i++)
        if (test_client_get_state(watched->clients[i]) != TEST_CLIENT_OPEN)
            return false;
    return true;
}

static void a_crowd_takes_turns(void **state)
{
    watch watched = {0};
    test_world *w = watched.w =
        test_world_create(&(test_world_config){.seed = 1, .delay = 5, .event = on_event, .user = &watched});
    test_client *first =
        test_world_add_client(w, &(test_client_config){.message = on_message, .user = &watched});
    (void)state;
    assert_true(test_world_await(w, first, TEST_CLIENT_OPEN, 5000));
    for (int i = 0; i < CROWD; i++)
        watched.clients[i] = test_world_add_client(w, &(test_client_config){.large_hello = i % 2 == 0});
    watched.steps = stats(w)->handshake_steps;
    uint64_t before = watched.steps;

    /* While they come, who is there is answered as ever: a round trip, and SCTP's own turn. */
    bool done = false;
    unsigned asked = 0;
    for (; !done && asked < 100; asked++) {
        lm_ms sent = test_world_now(w);
        assert_true(test_client_send(first, sent, "x", 1));
        done = test_world_run(w, all_open, &watched, 20);
        if (!done) {
            assert_int_equal(watched.answers, asked + 1);
            assert_in_range(watched.answered - sent, 10, 12);
        }
    }
    assert_true(done);
    assert_true(asked > 2);
    /* A turn of this world takes datagrams in and calls the timeout once. */
    assert_in_range(watched.most, 1, LM_STACK_HANDSHAKE_STEPS);
    assert_in_range(watched.steps - before, 2 * CROWD,
                    4 * CROWD); /* a few were sent twice while they waited */
    assert_int_equal(stats(w)->drops.dtls_backlog, 0);
    assert_int_equal(stats(w)->handshakes_failed, 0);
    test_world_destroy(w);
}

static void inject_check(test_world *w, uint16_t number, lm_addr *from)
{
    char username[16];
    uint8_t check[256];
    lm_stun_builder b;
    lm_addr_set(from, (const uint8_t[]){198, 51, (uint8_t)(100 + number / 200), (uint8_t)(number % 200)}, 4,
                7);
    snprintf(username, sizeof username, "luma:%u", (unsigned)number);
    lm_stun_begin(&b, check, sizeof check, LM_STUN_BINDING, LM_STUN_REQUEST, (const uint8_t *)"transaction");
    lm_stun_add(&b, LM_STUN_USERNAME, username, strlen(username));
    lm_stun_add_integrity(&b, TEST_WORLD_PWD);
    test_world_inject(w, from, check, (size_t)lm_stun_finish(&b));
}

static void a_flood_of_hellos_is_dropped_beyond_the_bound(void **state)
{
    enum { FLOOD = 300 };
    test_world *w = test_world_create(&(test_world_config){.seed = 2, .delay = 1});
    size_t len1, len2;
    uint8_t *first = test_read_hex(LM_TEST_DATA "/captures/firefox153-clienthello-1.hex", &len1);
    uint8_t *second = test_read_hex(LM_TEST_DATA "/captures/firefox153-clienthello-2.hex", &len2);
    (void)state;
    for (uint16_t i = 0; i < FLOOD; i++) { /* all at one time */
        lm_addr from;
        inject_check(w, i, &from);
        test_world_inject(w, &from, first, len1);
        test_world_inject(w, &from, second, len2);
    }
    assert_int_equal(stats(w)->handshake_steps, 0); /* not even the first, who comes alone */
    assert_int_equal(stats(w)->drops.dtls_backlog, 2 * FLOOD - LM_HANDSHAKE_BACKLOG_MAX);
    test_client *c = test_world_add_client(w, NULL); /* comes last and waits for those that are left */
    lm_ms start = test_world_now(w);
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    assert_in_range(test_world_now(w) - start, 0, LM_HANDSHAKE_BACKLOG_MAX + 20);
    assert_int_equal(stats(w)->handshake_steps, LM_HANDSHAKE_BACKLOG_MAX / 2 + 2);
    free(first);
    free(second);
    test_world_destroy(w);
}

/* Whatever waits for a session that has ended meanwhile finds nobody, and the stack may end with some left.
 */
static void what_waits_for_a_session_that_ends_is_dropped(void **state)
{
    test_world *w = test_world_create(&(test_world_config){.seed = 3, .delay = 1});
    size_t len1, len2;
    uint8_t *first = test_read_hex(LM_TEST_DATA "/captures/firefox153-clienthello-1.hex", &len1);
    uint8_t *second = test_read_hex(LM_TEST_DATA "/captures/firefox153-clienthello-2.hex", &len2);
    lm_addr from;
    (void)state;
    for (uint16_t i = 0; i < 20; i++) {
        inject_check(w, i, &from);
        test_world_inject(w, &from, first, len1);
        test_world_inject(w, &from, second, len2);
    }
    test_world_restart(w); /* with some in the backlog */
    for (uint16_t i = 0; i < 20; i++) {
        inject_check(w, i, &from);
        test_world_inject(w, &from, first, len1);
        test_world_inject(w, &from, second, len2);
    }
    lm_webrtc_timeout(test_world_stack(w), test_world_now(w) + 31000); /* all of them are given up before it
                                                                          is their turn */
    test_world_run(w, NULL, NULL, 40000);
    assert_int_equal(stats(w)->sessions, 0);
    assert_true(stats(w)->drops.dtls_no_path > 0);
    free(first);
    free(second);
    test_world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_backlog_keeps_order_and_a_bound),
        cmocka_unit_test(a_crowd_takes_turns),
        cmocka_unit_test(a_flood_of_hellos_is_dropped_beyond_the_bound),
        cmocka_unit_test(what_waits_for_a_session_that_ends_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
