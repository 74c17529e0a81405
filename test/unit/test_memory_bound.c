/* The memory bound grows with every setting that lets a peer fill more, and covers what is known of the
 * parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "relay/memory_bound.h"
#include "webrtc/stream_uv.h"
#include "webrtc/turn.h"
#include "webrtc/webrtc.h"

static const char *no_variable(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return NULL;
}

static lm_settings defaults(void)
{
    static char program[] = "lumamesh-relay";
    char *argv[] = {program, NULL};
    lm_settings_source source = {.argc = 1, .argv = argv, .get = no_variable};
    lm_settings settings;
    assert_int_equal(lm_settings_read(&settings, &source, NULL), LM_OK);
    return settings;
}

static void the_parts_add_up(void **state)
{
    lm_settings s = defaults();
    lm_memory_bound b;
    (void)state;
    lm_memory_bound_of(&b, &s);
    assert_true(b.session_most > 256 * 1024);
    assert_int_equal(b.queues_most, LM_WEBRTC_SEND_QUEUES_MAX);
    assert_int_equal(b.peers_most, 1000);
    assert_true(b.at_rest == b.fixed + 1000 * b.session_at_rest);
    assert_true(b.most == b.fixed + b.queues_most + 1000 * b.session_most + 1000 * b.peer_most + b.turn_most +
                              b.streams_most);
    assert_in_range(b.turn_most, 1000 * LM_TURN_MEMORY_ALLOCATION, 12000000);
    assert_in_range(b.streams_most, 2000 * LM_STREAMS_CONNECTION_BYTES, 60000000);
    assert_int_equal(b.mesh_most, 0);
    assert_in_range(b.at_rest, 50000000, 100000000);
    assert_in_range(b.most, 500000000, 1000000000);
}

static void a_mesh_counts(void **state)
{
    lm_settings s = defaults();
    lm_memory_bound alone, b;
    (void)state;
    lm_memory_bound_of(&alone, &s);
    strcpy(s.mesh_salt, "sixteen letters!");
    strcpy(s.mesh_peers, "192.0.2.1:7402");
    lm_memory_bound_of(&b, &s);
    assert_in_range(b.mesh_most, 420000000, 560000000);
    assert_true(b.most == alone.most + b.mesh_most);
    assert_int_equal(b.at_rest, alone.at_rest);
    s.max_sessions = 150; /* a server of 512 MB */
    lm_memory_bound_of(&b, &s);
    assert_in_range(b.mesh_most, 100000000, 200000000);
    assert_in_range(b.most, b.mesh_most, 420000000);
}

static void every_limit_counts(void **state)
{
    lm_memory_bound before, after;
    lm_settings s = defaults();
    (void)state;
    lm_memory_bound_of(&before, &s);
#define GROWS(change)                          \
    do {                                       \
        change;                                \
        lm_memory_bound_of(&after, &s);        \
        assert_true(after.most > before.most); \
        before = after;                        \
    } while (0)
    GROWS(s.max_sessions = 1001);
    GROWS(s.max_rooms_per_session = 65);
    GROWS(s.resume_seconds = 30);
    GROWS(s.health_listen.family = LM_AF_INET);
    GROWS(s.max_allocations = 1001);
    GROWS(s.tls_port = 443);
    GROWS(s.max_sessions = 1000000); /* no overflow */
    assert_int_equal(after.peers_most, 65536);
    s.resume_seconds = 0;
    lm_memory_bound_of(&after, &s);
    assert_int_equal(after.peers_most, 0);
    s.turn = LM_TURN_CHOICE_OFF;
    s.tcp_port = s.tls_port = 0;
    lm_memory_bound_of(&after, &s);
    assert_int_equal(after.turn_most + after.streams_most, 0);
}

static void it_is_printed(void **state)
{
    lm_settings s = defaults();
    lm_memory_bound b;
    char *text = NULL;
    size_t len = 0;
    (void)state;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    lm_memory_bound_of(&b, &s);
    lm_memory_bound_print(out, &b, &s);
    fclose(out);
    assert_non_null(strstr(text, "all 1000 sessions"));
    assert_non_null(strstr(text, "1000 peers"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_add_up),
        cmocka_unit_test(every_limit_counts),
        cmocka_unit_test(a_mesh_counts),
        cmocka_unit_test(it_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
