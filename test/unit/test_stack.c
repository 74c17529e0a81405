/* The whole stack against clients of our own, on virtual time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/certificate.h"
#include "common/error.h"
#include "common/random.h"
#include "test/support/data.h"
#include "test/support/world.h"
#include "webrtc/dcep.h"
#include "webrtc/hello_cookie.h"
#include "webrtc/ice_lite.h"
#include "webrtc/path.h"
#include "webrtc/stun.h"

/* What the stack's events and the client's messages came to. */
typedef struct record {
    unsigned opened, messages, closed;
    lm_session_id session;
    lm_close_reason reason;
    char last[LM_WEBRTC_MESSAGE_MAX + 1];
    size_t last_len;
    bool last_binary;
    unsigned in_order; /* messages "0", "1", … counted while they came in that order */
    bool echo;
    unsigned client_messages;
    size_t client_last_len;
    unsigned client_in_order;
    bool refused;
} record;

static void on_event(void *user, test_world *w, const lm_webrtc_output *event)
{
    record *r = user;
    switch (event->kind) {
    case LM_WEBRTC_OPEN:
        r->opened++;
        r->session = event->session;
        break;
    case LM_WEBRTC_MESSAGE:
        r->messages++;
        r->last_len = event->message.len;
        r->last_binary = event->message.binary;
        memcpy(r->last, event->message.data, event->message.len);
        r->last[event->message.len] = 0;
        if (strtoul(r->last, NULL, 10) == r->in_order)
            r->in_order++;
        if (r->echo && lm_webrtc_send(test_world_stack(w), test_world_now(w), event->session,
                                      event->message.data, event->message.len) != LM_OK)
            r->refused = true;
        break;
    case LM_WEBRTC_CLOSED:
        r->closed++;
        r->reason = event->closed;
        break;
    case LM_WEBRTC_SEND:
        fail();
    }
}

static void on_client_message(void *user, test_client *client, const char *data, size_t len)
{
    record *r = user;
    (void)client;
    r->client_messages++;
    r->client_last_len = len;
    if (len > 0 && strtoul(data, NULL, 10) == r->client_in_order)
        r->client_in_order++;
}

static test_world *make_world(record *r, test_world_config config)
{
    memset(r, 0, sizeof *r);
    config.event = on_event;
    config.user = r;
    return test_world_create(&config);
}

static test_client *add_client(test_world *w, record *r)
{
    return test_world_add_client(w, &(test_client_config){.message = on_client_message,
                                                          .user = r,
                                                          .fingerprint = test_world_fingerprint(w)});
}

static const lm_webrtc_stats *stats(test_world *w)
{
    return lm_webrtc_get_stats(test_world_stack(w));
}

static bool got_message(void *user)
{
    return ((record *)user)->messages > 0;
}

static void a_client_connects_and_talks(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 1, .delay = 10});
    test_client *c = add_client(w, &r);
    (void)state;

    lm_ms start = test_world_now(w);
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    /* STUN 1, DTLS 2, SCTP 2, DCEP 1 round trips of 20 ms each */
    assert_in_range(test_world_now(w) - start, 100, 160);
    assert_int_equal(r.opened, 1);
    assert_int_equal(stats(w)->sessions_open, 1);
    /* Counted from when the first check has come, to when the channel's opening has. */
    assert_int_equal(lm_histogram_count(&stats(w)->connect_time), 1);
    assert_in_range(stats(w)->connect_time.sum, 80, test_world_now(w) - start);

    r.echo = true;
    assert_true(test_client_send(c, test_world_now(w), "0 hello", 7));
    assert_true(test_world_run(w, got_message, &r, 1000));
    assert_string_equal(r.last, "0 hello");
    assert_false(r.last_binary);
    test_world_run(w, NULL, NULL, 100);
    assert_int_equal(r.client_in_order, 1);

    lm_addr mapped = test_client_mapped(c), remote;
    assert_int_equal(lm_webrtc_remote(test_world_stack(w), r.session, &remote), LM_OK);
    assert_true(lm_addr_equal(&mapped, &remote));

    test_client_close(c, test_world_now(w));
    test_world_run(w, NULL, NULL, 100);
    assert_int_equal(r.closed, 1);
    assert_int_equal(r.reason, LM_CLOSE_REMOTE);
    assert_int_equal(stats(w)->sessions, 0);
    test_world_destroy(w);
}

static void a_fragmented_client_hello_connects(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 2, .delay = 5});
    test_client *c = test_world_add_client(w, &(test_client_config){.large_hello = true});
    (void)state;
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    assert_int_equal(stats(w)->drops.dtls_hello, 0);
    test_world_destroy(w);
}

static bool has_all_back(void *user)
{
    return ((record *)user)->client_in_order == 200;
}

static void loss_duplication_and_reordering_lose_nothing(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 12; seed++) {
        record r;
        test_world *w = make_world(
            &r, (test_world_config){.seed = seed, .delay = 20, .loss = 100, .duplicate = 50, .reorder = 100});
        test_client *c = test_world_add_client(
            w, &(test_client_config){.message = on_client_message, .user = &r, .large_hello = seed % 2 == 0});
        r.echo = true;
        if (!test_world_await(w, c, TEST_CLIENT_OPEN, 60000))
            fail_msg("seed %u: not open", (unsigned)seed);
        for (unsigned i = 0; i < 200; i++) {
            char text[600];
            memset(text, ' ', sizeof text);
            snprintf(text, sizeof text, "%u", i);
            assert_true(test_client_send(c, test_world_now(w), text, sizeof text));
            if (i % 10 == 0)
                test_world_run(w, NULL, NULL, 30);
        }
        if (!test_world_run(w, has_all_back, &r, 120000))
            fail_msg("seed %u: %u there, %u back", (unsigned)seed, r.in_order, r.client_in_order);
        assert_int_equal(r.messages, 200);
        assert_int_equal(r.client_messages, 200);
        test_world_destroy(w);
    }
}

static void the_largest_message_passes_and_a_larger_one_ends_the_session(void **state)
{
    static char big[LM_WEBRTC_MESSAGE_MAX + 1];
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 3, .delay = 1});
    test_client *c = add_client(w, &r);
    (void)state;
    memset(big, 'x', sizeof big);
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    r.echo = true;
    assert_true(test_client_send(c, test_world_now(w), big, LM_WEBRTC_MESSAGE_MAX));
    assert_true(test_world_run(w, got_message, &r, 10000));
    assert_int_equal(r.last_len, LM_WEBRTC_MESSAGE_MAX);
    test_world_run(w, NULL, NULL, 2000);
    assert_int_equal(r.client_last_len, LM_WEBRTC_MESSAGE_MAX);
    assert_int_equal(lm_webrtc_send(test_world_stack(w), test_world_now(w), r.session, big, sizeof big),
                     LM_ETOOBIG);

    assert_true(test_client_send(c, test_world_now(w), big, sizeof big));
    assert_true(test_world_await(w, c, TEST_CLIENT_CLOSED, 10000));
    assert_int_equal(r.messages, 1);
    assert_int_equal(r.closed, 1);
    assert_int_equal(r.reason, LM_CLOSE_PROTOCOL);
    assert_int_equal(stats(w)->drops.message_too_big, 1);
    test_world_destroy(w);
}

static void silence_ends_a_session_after_30_s(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 4, .delay = 1});
    test_client *c = add_client(w, &r);
    (void)state;
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    test_world_run(w, NULL, NULL, 120000); /* checks alone keep it */
    assert_int_equal(r.closed, 0);
    test_client_fall_silent(c);
    test_world_run(w, NULL, NULL, LM_ICE_CONSENT_TIMEOUT - 3000);
    assert_int_equal(r.closed, 0);
    test_world_run(w, NULL, NULL, 3100);
    assert_int_equal(r.closed, 1);
    assert_int_equal(r.reason, LM_CLOSE_CONSENT);
    test_world_destroy(w);
}

static void the_relay_closes_a_session(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 5, .delay = 1});
    test_client *c = add_client(w, &r);
    (void)state;
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    assert_int_equal(lm_webrtc_send(test_world_stack(w), test_world_now(w), r.session, "0", 1), LM_OK);
    assert_int_equal(lm_webrtc_close(test_world_stack(w), test_world_now(w), r.session), LM_OK);
    assert_int_equal(lm_webrtc_close(test_world_stack(w), test_world_now(w), r.session), LM_ENOTFOUND);
    assert_true(test_world_await(w, c, TEST_CLIENT_CLOSED, 100));
    assert_int_equal(r.client_messages, 1); /* what was sent before still came */
    assert_int_equal(r.closed, 1);
    assert_int_equal(r.reason, LM_CLOSE_LOCAL);
    assert_int_equal(lm_webrtc_send(test_world_stack(w), test_world_now(w), r.session, "x", 1), LM_ENOTFOUND);
    test_world_destroy(w);
}

static bool was_reset(void *user)
{
    return test_client_resets(user) > 0;
}

static void other_channels_are_reset(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 6, .delay = 1});
    test_client *c = test_world_add_client(w, &(test_client_config){.label = "chat"});
    (void)state;
    assert_true(test_world_run(w, was_reset, c, 5000));
    assert_int_equal(stats(w)->drops.channel, 1);
    assert_int_equal(r.opened, 0);

    /* The same session may still open the right one, once. */
    assert_true(test_client_open_channel(c, test_world_now(w), 2, "signal"));
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 1000));
    assert_true(test_client_open_channel(c, test_world_now(w), 4, "signal"));
    test_world_run(w, NULL, NULL, 500);
    assert_int_equal(test_client_resets(c), 2);
    assert_int_equal(stats(w)->drops.channel, 2);
    assert_int_equal(r.opened, 1);
    test_world_destroy(w);
}

static bool is_opened(void *user)
{
    return ((record *)user)->opened > 0;
}

/* A browser answers a reset by its own and may give the stream to its next channel at once. */
static void a_refused_stream_serves_the_next_channel(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 19, .delay = 10});
    test_client *c = test_world_add_client(w, &(test_client_config){.label = "chat"});
    (void)state;
    assert_true(test_world_run(w, was_reset, c, 5000));
    test_client_close_channel(c, test_world_now(w));
    for (int i = 0; i < 100 && !test_client_open_channel(c, test_world_now(w), 0, "signal"); i++)
        test_world_run(w, NULL, NULL, 1);
    assert_true(test_world_run(w, is_opened, &r, 1000));
    test_world_run(w, NULL, NULL, 1000);
    assert_int_equal(test_client_get_state(c), TEST_CLIENT_OPEN);
    assert_int_equal(test_client_resets(c), 1);
    assert_int_equal(r.closed, 0);

    /* The channel that is open is not refused a second opening of itself, but it is closed like any other. */
    uint64_t dcep = stats(w)->drops.dcep;
    assert_true(test_client_open_channel(c, test_world_now(w), 0, "signal"));
    test_world_run(w, NULL, NULL, 100);
    assert_int_equal(stats(w)->drops.dcep, dcep + 1);
    assert_int_equal(r.closed, 0);
    test_client_close_channel(c, test_world_now(w));
    assert_true(test_world_await(w, c, TEST_CLIENT_CLOSED, 1000));
    assert_int_equal(r.reason, LM_CLOSE_REMOTE);
    test_world_destroy(w);
}

static void a_reset_of_a_stream_without_a_channel_is_answered_by_one(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 20, .delay = 10});
    test_client *c = test_world_add_client(w, &(test_client_config){.label = "chat"});
    (void)state;
    assert_true(test_world_run(w, was_reset, c, 5000));
    test_client_close_channel(c, test_world_now(w)); /* answers the relay's reset */
    test_world_run(w, NULL, NULL, 1000);
    assert_int_equal(test_client_resets(c), 1);
    test_client_close_channel(c, test_world_now(w)); /* a new one */
    test_world_run(w, NULL, NULL, 1000);
    assert_int_equal(test_client_resets(c), 2);
    test_world_destroy(w);
}

static void a_closed_channel_ends_the_session(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 7, .delay = 1});
    test_client *c = add_client(w, &r);
    (void)state;
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    test_client_close_channel(c, test_world_now(w));
    assert_true(test_world_await(w, c, TEST_CLIENT_CLOSED, 1000));
    assert_int_equal(r.reason, LM_CLOSE_REMOTE);
    assert_int_equal(r.closed, 1);
    test_world_destroy(w);
}

static void odd_messages_are_counted_and_dropped(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 8, .delay = 1});
    test_client *c = add_client(w, &r);
    (void)state;
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    lm_ms now = test_world_now(w);
    test_client_send_raw(c, now, 0, 52, "x", 1);             /* deprecated partial PPID */
    test_client_send_raw(c, now, 6, LM_PPID_STRING, "x", 1); /* a stream without a channel */
    test_client_send_raw(c, now, 0, LM_PPID_DCEP, "\x07", 1);
    test_client_send_raw(c, now, 0, LM_PPID_DCEP, "\x03\x00", 2);
    test_client_send_raw(c, now, 6, LM_PPID_DCEP, "\x02", 1); /* ACK of nothing */
    test_world_run(w, NULL, NULL, 500);
    assert_int_equal(r.messages, 0);
    assert_int_equal(stats(w)->drops.message, 2);
    assert_int_equal(stats(w)->drops.dcep, 3);

    test_client_send_raw(c, now, 0, LM_PPID_STRING_EMPTY, "\0", 1);
    test_world_run(w, NULL, NULL, 100);
    assert_int_equal(r.messages, 1);
    assert_int_equal(r.last_len, 0);
    test_client_send_raw(c, now, 0, LM_PPID_BINARY, "xyz", 3);
    test_world_run(w, NULL, NULL, 100);
    assert_int_equal(r.messages, 2);
    assert_true(r.last_binary);
    test_world_destroy(w);
}

static void bad_sctp_is_counted_and_dropped(void **state)
{
    size_t len;
    uint8_t *sack = test_read_hex(LM_TEST_DATA "/captures/chromium156-sctp-sack.hex", &len);
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 9, .delay = 1});
    test_client *c = add_client(w, &r);
    (void)state;
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    uint64_t before = stats(w)->drops.sctp_malformed;
    test_client_send_record(c, test_world_now(w), sack, len); /* right checksum, another association's tag */
    sack[len - 1] ^= 1;
    test_client_send_record(c, test_world_now(w), sack, len); /* wrong checksum */
    test_client_send_record(c, test_world_now(w), "x", 1);
    test_world_run(w, NULL, NULL, 100);
    assert_int_equal(stats(w)->drops.sctp_malformed - before, 3);
    assert_int_equal(r.closed, 0);
    r.echo = true;
    assert_true(test_client_send(c, test_world_now(w), "0", 1));
    assert_true(test_world_run(w, got_message, &r, 1000));
    free(sack);
    test_world_destroy(w);
}

static bool is_closed(void *user)
{
    return ((record *)user)->closed > 0;
}

static void a_slow_reader_is_closed(void **state)
{
    static char big[60000];
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 10, .delay = 1});
    test_client *c = add_client(w, &r);
    int error = LM_OK, sent = 0;
    (void)state;
    memset(big, 'x', sizeof big);
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    while (error == LM_OK && sent < 100) {
        error = lm_webrtc_send(test_world_stack(w), test_world_now(w), r.session, big, sizeof big);
        sent++;
    }
    assert_int_equal(error, LM_ELIMIT);
    assert_in_range(sent, LM_WEBRTC_SEND_QUEUE_MAX / sizeof big,
                    2 + (LM_WEBRTC_SEND_QUEUE_MAX + 150000) / sizeof big);
    assert_true(test_world_run(w, is_closed, &r, 100));
    assert_int_equal(r.reason, LM_CLOSE_SLOW_READER);
    test_world_destroy(w);
}

/* Three that do not read, and little room for all: the one for which most waits goes, the others stay. */
static void slow_readers_have_a_bound_together(void **state)
{
    static char big[60000];
    static const unsigned messages[] = {6, 14, 9};
    lm_session_id sessions[3];
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 22, .delay = 1, .send_queues = 1200000});
    (void)state;
    memset(big, 'x', sizeof big);
    for (int i = 0; i < 3; i++) {
        test_client *c = add_client(w, &r);
        assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
        sessions[i] = r.session;
        for (unsigned n = 0; n < messages[i]; n++)
            assert_int_equal(
                lm_webrtc_send(test_world_stack(w), test_world_now(w), sessions[i], big, sizeof big), LM_OK);
    }
    assert_int_equal(stats(w)->closed[LM_CLOSE_SLOW_READER], 0);
    lm_webrtc *stack = test_world_stack(w);
    int sent = 0;
    while (stats(w)->closed[LM_CLOSE_SLOW_READER] == 0 && sent++ < 20)
        assert_int_equal(lm_webrtc_send(stack, test_world_now(w), sessions[0], big, sizeof big), LM_OK);
    assert_true(test_world_run(w, is_closed, &r, 100));
    assert_int_equal(r.reason, LM_CLOSE_SLOW_READER);
    assert_int_equal(lm_webrtc_send(stack, test_world_now(w), sessions[0], big, sizeof big), LM_OK);
    assert_int_equal(lm_webrtc_send(stack, test_world_now(w), sessions[1], big, sizeof big), LM_ENOTFOUND);
    assert_int_equal(lm_webrtc_send(stack, test_world_now(w), sessions[2], big, sizeof big), LM_OK);
    test_world_destroy(w);
}

static void empty_messages_fill_the_send_queue_too(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 21, .delay = 1});
    test_client *c = add_client(w, &r);
    int error = LM_OK, sent = 0;
    (void)state;
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    while (error == LM_OK && sent < 500000) {
        error = lm_webrtc_send(test_world_stack(w), test_world_now(w), r.session, "", 0);
        sent++;
    }
    assert_int_equal(error, LM_ELIMIT);
    assert_int_equal(r.closed, 0);
    assert_true(test_world_run(w, is_closed, &r, 100));
    assert_int_equal(r.reason, LM_CLOSE_SLOW_READER);
    test_world_destroy(w);
}

static void a_client_that_moves_keeps_its_session(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 11, .delay = 1});
    test_client *c = add_client(w, &r);
    lm_addr moved, remote;
    (void)state;
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    assert_int_equal(lm_addr_parse(&moved, "172.16.0.9:4242"), LM_OK);
    test_client_move(c, &moved);
    test_world_run(w, NULL, NULL, 100);
    assert_int_equal(lm_webrtc_remote(test_world_stack(w), r.session, &remote), LM_OK);
    assert_true(lm_addr_equal(&remote, &moved));
    r.echo = true;
    assert_true(test_client_send(c, test_world_now(w), "0", 1));
    test_world_run(w, NULL, NULL, 100);
    assert_int_equal(r.client_in_order, 1);
    assert_int_equal(r.opened, 1);
    test_world_destroy(w);
}

static void newcomers_are_refused_when_all_sessions_are_taken(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 12, .delay = 1, .max_sessions = 2});
    test_client *a = add_client(w, &r), *b = add_client(w, &r), *c;
    (void)state;
    assert_true(test_world_await(w, a, TEST_CLIENT_OPEN, 5000));
    assert_true(test_world_await(w, b, TEST_CLIENT_OPEN, 5000));
    c = add_client(w, &r);
    assert_false(test_world_await(w, c, TEST_CLIENT_HANDSHAKING, 2000));
    assert_true(stats(w)->drops.session_limit > 0);
    assert_int_equal(stats(w)->sessions, 2);
    test_client_close(a, test_world_now(w));
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000)); /* a place has become free */
    test_world_destroy(w);
}

static void limits_can_be_changed(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 12, .delay = 1});
    test_client *a = add_client(w, &r), *b = add_client(w, &r), *c;
    (void)state;
    assert_true(test_world_await(w, a, TEST_CLIENT_OPEN, 5000));
    assert_true(test_world_await(w, b, TEST_CLIENT_OPEN, 5000));
    lm_webrtc_set_limits(test_world_stack(w), &(lm_webrtc_limits){.max_sessions = 0});
    c = add_client(w, &r);
    assert_false(test_world_await(w, c, TEST_CLIENT_HANDSHAKING, 2000));
    assert_true(stats(w)->drops.session_limit > 0);
    lm_webrtc_set_limits(test_world_stack(w), &(lm_webrtc_limits){.max_sessions = 1});
    assert_false(test_world_await(w, c, TEST_CLIENT_HANDSHAKING, 40000));
    assert_int_equal(stats(w)->sessions, 2); /* those above the limit stay */
    lm_webrtc_set_limits(test_world_stack(w),
                         &(lm_webrtc_limits){.max_sessions = 5, .session_rate = 1, .session_burst = 0});
    assert_false(test_world_await(w, c, TEST_CLIENT_HANDSHAKING, 2000));
    assert_true(stats(w)->drops.session_rate > 0);
    lm_webrtc_set_limits(test_world_stack(w), &(lm_webrtc_limits){.max_sessions = 5});
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    assert_int_equal(stats(w)->sessions, 3);
    test_world_destroy(w);
}

/* A certificate other than the world's, and its fingerprint. */
static void make_identity(lm_certificate *cert, lm_private_key *key)
{
    char cert_pem[LM_CERTIFICATE_PEM_SIZE], key_pem[LM_CERTIFICATE_PEM_SIZE];
    const char *why;
    lm_random random = lm_random_system();
    assert_int_equal(lm_certificate_make(cert_pem, key_pem, &random), LM_OK);
    assert_int_equal(lm_certificate_parse(cert, cert_pem, strlen(cert_pem), &why), LM_OK);
    assert_int_equal(lm_private_key_parse(key, key_pem, strlen(key_pem), cert, &random, &why), LM_OK);
}

static void the_identity_can_be_changed(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 12, .delay = 1});
    lm_certificate cert, other;
    lm_private_key key, other_key;
    (void)state;
    make_identity(&cert, &key);
    make_identity(&other, &other_key);
    test_client *a = add_client(w, &r);
    assert_true(test_world_await(w, a, TEST_CLIENT_OPEN, 5000));

    lm_webrtc_identity identity = {.ufrag = "newluma",
                                   .pwd = "another-password-of-22+",
                                   .cert_der = cert.der,
                                   .cert_len = cert.der_len,
                                   .key_der = other_key.der,
                                   .key_len = other_key.der_len};
    assert_int_equal(lm_webrtc_set_identity(test_world_stack(w), &identity), LM_EINVAL);
    identity.key_der = key.der;
    identity.key_len = key.der_len;
    identity.pwd = "short";
    assert_int_equal(lm_webrtc_set_identity(test_world_stack(w), &identity), LM_EINVAL);
    test_client *b = add_client(w, &r); /* the old one is whole still */
    assert_true(test_world_await(w, b, TEST_CLIENT_OPEN, 5000));

    identity.pwd = "another-password-of-22+";
    assert_int_equal(lm_webrtc_set_identity(test_world_stack(w), &identity), LM_OK);
    assert_int_equal(lm_webrtc_set_identity(test_world_stack(w), &identity), LM_OK); /* is no change */
    test_client *late = add_client(w, &r);
    test_client_config config = {
        .relay_ufrag = identity.ufrag, .relay_pwd = identity.pwd, .fingerprint = cert.fingerprint};
    test_client *c = test_world_add_client(w, &config);
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    assert_false(test_world_await(w, late, TEST_CLIENT_HANDSHAKING, 2000)); /* knows the old one alone */

    /* Longer than consent lasts: the checks of those who came with the old one are still good. */
    test_world_run(w, NULL, NULL, 60000);
    assert_int_equal(test_client_get_state(a), TEST_CLIENT_OPEN);
    assert_int_equal(test_client_get_state(b), TEST_CLIENT_OPEN);
    assert_int_equal(test_client_get_state(c), TEST_CLIENT_OPEN);
    assert_true(test_client_send(a, test_world_now(w), "0", 1));
    test_world_run(w, NULL, NULL, 100);
    assert_int_equal(stats(w)->sessions_open, 3);

    /* With a second change the first one's sessions lose theirs. */
    identity.pwd = "a-third-password-of-22+";
    assert_int_equal(lm_webrtc_set_identity(test_world_stack(w), &identity), LM_OK);
    test_world_run(w, NULL, NULL, 60000);
    assert_int_equal(stats(w)->sessions_open, 1);
    assert_int_equal(test_client_get_state(c), TEST_CLIENT_OPEN);
    test_world_destroy(w);
    lm_certificate_clear(&cert);
    lm_certificate_clear(&other);
    lm_private_key_clear(&key);
    lm_private_key_clear(&other_key);
}

static void newcomers_from_one_address_are_rate_limited(void **state)
{
    record r;
    test_world *w =
        make_world(&r, (test_world_config){.seed = 13, .delay = 1, .session_rate = 1, .session_burst = 3});
    test_client *clients[5];
    unsigned open = 0;
    (void)state;
    for (uint16_t i = 0; i < 5; i++) {
        test_client_config config = {0};
        lm_addr_set(&config.local, (const uint8_t[]){10, 9, 9, 9}, 4, (uint16_t)(2000 + i));
        clients[i] = test_world_add_client(w, &config);
    }
    test_world_run(w, NULL, NULL, 500);
    for (int i = 0; i < 5; i++)
        open += test_client_get_state(clients[i]) == TEST_CLIENT_OPEN;
    assert_int_equal(open, 3);
    assert_true(stats(w)->drops.session_rate > 0);
    test_client *other = add_client(w, &r); /* another address is not held up */
    assert_true(test_world_await(w, other, TEST_CLIENT_OPEN, 500));
    test_world_run(w, NULL, NULL, 4000);
    for (int i = 0; i < 5; i++)
        assert_int_equal(test_client_get_state(clients[i]), TEST_CLIENT_OPEN);
    test_world_destroy(w);
}

static void clients_with_the_same_ufrag_are_told_apart(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 14, .delay = 1});
    test_client *a = test_world_add_client(w, &(test_client_config){.ufrag = "same"});
    test_client *b = test_world_add_client(w, &(test_client_config){.ufrag = "same"});
    (void)state;
    assert_true(test_world_await(w, a, TEST_CLIENT_OPEN, 5000));
    assert_true(test_world_await(w, b, TEST_CLIENT_OPEN, 5000));
    test_world_run(w, NULL, NULL, 10000);
    assert_int_equal(test_client_get_state(a), TEST_CLIENT_OPEN);
    assert_int_equal(stats(w)->sessions_open, 2);
    test_world_destroy(w);
}

static void a_wrong_password_gets_401(void **state)
{
    record r;
    size_t len;
    lm_stun_msg answer;
    test_world *w = make_world(&r, (test_world_config){.seed = 15});
    lm_addr from;
    (void)state;
    size_t check_len;
    uint8_t *check = test_read_hex(LM_TEST_DATA "/captures/firefox153-stun-binding-1.hex", &check_len);
    assert_int_equal(lm_addr_parse(&from, "198.51.100.1:7"), LM_OK);

    test_world_inject(w, &from, check, check_len); /* the captures were made with this world's credentials */
    test_world_run(w, NULL, NULL, 1);
    const uint8_t *bytes = test_world_answer(w, &len);
    assert_int_equal(lm_stun_parse(&answer, bytes, len), LM_OK);
    assert_int_equal(answer.class, LM_STUN_SUCCESS);
    assert_int_equal(lm_stun_check_integrity(&answer, TEST_WORLD_PWD), LM_OK);
    lm_addr mapped;
    assert_int_equal(lm_stun_mapped_address(&answer, &mapped), LM_OK);
    assert_true(lm_addr_equal(&mapped, &from));
    assert_int_equal(stats(w)->sessions, 1);

    lm_stun_builder b;
    uint8_t forged[256];
    lm_stun_begin(&b, forged, sizeof forged, LM_STUN_BINDING, LM_STUN_REQUEST, check + 8);
    lm_stun_add(&b, LM_STUN_USERNAME, "luma:evil", 9);
    lm_stun_add_integrity(&b, "not the password that it should be");
    int forged_len = lm_stun_finish(&b);
    test_world_inject(w, &from, forged, (size_t)forged_len);
    test_world_run(w, NULL, NULL, 1);
    bytes = test_world_answer(w, &len);
    assert_int_equal(lm_stun_parse(&answer, bytes, len), LM_OK);
    assert_int_equal(answer.class, LM_STUN_ERROR);
    assert_int_equal(lm_stun_error_number(&answer), 401);
    assert_null(answer.integrity);
    assert_int_equal(stats(w)->drops.stun_integrity, 1);
    assert_int_equal(stats(w)->sessions, 1);
    free(check);
    test_world_destroy(w);
}

static void what_is_not_ours_is_counted_alone(void **state)
{
    static const char *const names[] = {"clienthello-1", "clientkeyexchange", "appdata-init", "alert-close"};
    record r;
    size_t len, ignored;
    test_world *w = make_world(&r, (test_world_config){.seed = 16});
    lm_addr from;
    (void)state;
    assert_int_equal(lm_addr_parse(&from, "198.51.100.1:7"), LM_OK);

    test_world_inject(w, &from, (const uint8_t *)"", 0);
    test_world_inject(w, &from, (const uint8_t *)"\x10zrtp", 5);
    test_world_inject(w, &from, (const uint8_t *)"GET / HTTP/1.1", 14); /* 'G' is a ChannelData byte */
    test_world_inject(w, &from, (const uint8_t *)"\x80\0\0\0", 4);
    test_world_inject(w, &from, (const uint8_t *)"\xC0\0\0\0", 4);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[512];
        snprintf(path, sizeof path, LM_TEST_DATA "/captures/chromium156-%s.hex", names[i]);
        uint8_t *data = test_read_hex(path, &len);
        test_world_inject(w, &from, data, len);
        free(data);
    }
    uint8_t *check = test_read_hex(LM_TEST_DATA "/captures/chromium156-stun-binding-1.hex", &len);
    for (size_t cut = 1; cut < len; cut++)
        test_world_inject(w, &from, check, cut);
    test_world_run(w, NULL, NULL, 10);
    assert_null(test_world_answer(w, &ignored));
    const lm_webrtc_stats *s = stats(w);
    assert_int_equal(s->drops.empty, 1);
    assert_int_equal(s->drops.not_ours, 2);
    assert_int_equal(s->drops.turn, 1);
    assert_int_equal(s->drops.srtp, 1);
    assert_int_equal(s->drops.dtls_no_path, 4);
    assert_int_equal(s->drops.stun_malformed, len - 1);
    assert_int_equal(s->sessions_created, 0);
    assert_int_equal(s->datagrams_out, 0);
    free(check);
    test_world_destroy(w);
}

/* The captured session's first datagrams open a handshake that our stack answers. */
static void captured_hellos_are_answered(void **state)
{
    static const char *const browsers[] = {"chromium156", "firefox153"};
    (void)state;
    for (size_t b = 0; b < 2; b++) {
        record r;
        test_world *w = make_world(&r, (test_world_config){.seed = 17});
        static const char *const steps[] = {"stun-binding-1", "clienthello-1", "clienthello-2"};
        lm_addr from;
        size_t len;
        assert_int_equal(lm_addr_parse(&from, "198.51.100.1:7"), LM_OK);
        for (size_t i = 0; i < 3; i++) {
            char path[512];
            snprintf(path, sizeof path, LM_TEST_DATA "/captures/%s-%s.hex", browsers[b], steps[i]);
            uint8_t *data = test_read_hex(path, &len);
            uint64_t before = stats(w)->datagrams_out;
            test_world_inject(w, &from, data, len);
            if (i == 1) /* half a ClientHello is answered by nothing */
                assert_int_equal(stats(w)->datagrams_out, before);
            free(data);
        }
        test_world_run(w, NULL, NULL, 1);
        const uint8_t *answer = test_world_answer(w, &len);
        assert_non_null(answer);
        assert_int_equal(answer[0], 22); /* handshake: the flight from ServerHello to ServerHelloDone */
        assert_int_equal(stats(w)->handshakes_failed, 0);

        /*
         * The browser's key exchange of that other session fits no key of ours: it must neither crash nor
         * connect.
         */
        char path[512];
        snprintf(path, sizeof path, LM_TEST_DATA "/captures/%s-clientkeyexchange.hex", browsers[b]);
        uint8_t *data = test_read_hex(path, &len);
        test_world_inject(w, &from, data, len);
        free(data);
        test_world_run(w, NULL, NULL, 120000);
        assert_int_equal(stats(w)->handshakes_done, 0);
        assert_int_equal(stats(w)->sessions, 0); /* given up in time */
        assert_int_equal(r.closed, 0);
        test_world_destroy(w);
    }
}

static void clients_connect_with_cookies(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 6; seed++) {
        record r;
        test_world *w =
            make_world(&r, (test_world_config){.seed = seed, .delay = 10, .loss = 50, .cookies = true});
        test_client *c = test_world_add_client(w, &(test_client_config){.large_hello = seed % 2 == 0});
        assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 30000));
        assert_true(stats(w)->drops.dtls_cookie > 0);
        test_world_destroy(w);
    }
}

/*
 * What somebody gets who forges a source address: the captured session's datagrams, again and again, never a
 * cookie back.
 */
static void a_forged_address_gets_less_than_was_sent(void **state)
{
    static const char *const names[] = {"stun-binding-1", "clienthello-1", "clienthello-2"};
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 20, .cookies = true});
    lm_addr from;
    size_t len;
    (void)state;
    assert_int_equal(lm_addr_parse(&from, "198.51.100.1:7"), LM_OK);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 3; i++) {
            char path[512];
            snprintf(path, sizeof path, LM_TEST_DATA "/captures/chromium156-%s.hex", names[i]);
            uint8_t *data = test_read_hex(path, &len);
            test_world_inject(w, &from, data, len);
            free(data);
        }
    }
    test_world_run(w, NULL, NULL, 120000);
    assert_int_equal(stats(w)->drops.dtls_cookie,
                     40); /* one HelloVerifyRequest a round, the second fragment dropped */
    assert_int_equal(stats(w)->bytes_out, 20 * (64 + LM_HELLO_VERIFY_LEN));
    assert_true(stats(w)->bytes_out < stats(w)->bytes_in);
    assert_int_equal(stats(w)->handshakes_failed, 0); /* none was begun */
    test_world_destroy(w);
}

/* Under the threshold there is no cookie, over it there is, and under it again. */
static void cookies_are_asked_for_while_many_handshakes_are_half_open(void **state)
{
    (void)state;
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 21, .delay = 1, .cookie_threshold = 3});
    size_t len1, len2, check_len;
    uint8_t *first = test_read_hex(LM_TEST_DATA "/captures/firefox153-clienthello-1.hex", &len1);
    uint8_t *second = test_read_hex(LM_TEST_DATA "/captures/firefox153-clienthello-2.hex", &len2);
    for (uint16_t i = 0; i < 3; i++) { /* three that never go on */
        char ufrag[8];
        lm_addr from;
        lm_stun_builder b;
        uint8_t check[256];
        lm_addr_set(&from, (const uint8_t[]){198, 51, 100, (uint8_t)i}, 4, 7);
        snprintf(ufrag, sizeof ufrag, "luma:%u", i);
        lm_stun_begin(&b, check, sizeof check, LM_STUN_BINDING, LM_STUN_REQUEST, first);
        lm_stun_add(&b, LM_STUN_USERNAME, ufrag, strlen(ufrag));
        lm_stun_add_integrity(&b, TEST_WORLD_PWD);
        check_len = (size_t)lm_stun_finish(&b);
        test_world_inject(w, &from, check, check_len);
        test_world_inject(w, &from, first, len1);
        test_world_inject(w, &from, second, len2);
    }
    assert_int_equal(stats(w)->drops.dtls_cookie, 0);
    test_client *a = add_client(w, &r);
    assert_true(test_world_await(w, a, TEST_CLIENT_OPEN, 5000));
    assert_int_equal(stats(w)->drops.dtls_cookie, 1);
    test_world_run(w, NULL, NULL, 40000); /* the three are given up */
    test_client *b = add_client(w, &r);
    assert_true(test_world_await(w, b, TEST_CLIENT_OPEN, 5000));
    assert_int_equal(stats(w)->drops.dtls_cookie, 1);
    free(first);
    free(second);
    test_world_destroy(w);
}

static void a_forged_check_does_not_take_an_address_away(void **state)
{
    record r;
    test_world *w = make_world(&r, (test_world_config){.seed = 22, .delay = 1});
    test_client *c = add_client(w, &r);
    lm_addr victim;
    size_t len;
    (void)state;
    assert_true(test_world_await(w, c, TEST_CLIENT_OPEN, 5000));
    assert_int_equal(lm_webrtc_remote(test_world_stack(w), r.session, &victim), LM_OK);
    uint8_t *check = test_read_hex(LM_TEST_DATA "/captures/chromium156-stun-binding-2.hex", &len);
    for (int i = 0; i < 100; i++) {
        test_world_inject(w, &victim, check, len);
        test_world_run(w, NULL, NULL, 500);
    }
    assert_int_equal(stats(w)->drops.path_taken, 100);
    assert_int_equal(stats(w)->sessions, 1);
    r.echo = true;
    assert_true(test_client_send(c, test_world_now(w), "0", 1));
    test_world_run(w, NULL, NULL, 100);
    assert_int_equal(r.client_in_order, 1);

    /* Once its owner has not been heard of for a while, the address may have changed hands. */
    test_client_fall_silent(c);
    test_world_run(w, NULL, NULL, LM_PATH_KEPT + 3000);
    test_world_inject(w, &victim, check, len);
    assert_int_equal(stats(w)->sessions, 2);
    free(check);
    test_world_destroy(w);
}

static void many_sessions_come_and_go(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        record r;
        test_world *w = make_world(&r, (test_world_config){.seed = 18, .delay = 3, .loss = 20});
        test_client *clients[TEST_WORLD_CLIENTS];
        for (int i = 0; i < TEST_WORLD_CLIENTS; i++)
            clients[i] = add_client(w, &r);
        for (int i = 0; i < TEST_WORLD_CLIENTS; i++)
            assert_true(test_world_await(w, clients[i], TEST_CLIENT_OPEN, 30000));
        assert_int_equal(stats(w)->sessions_open, TEST_WORLD_CLIENTS);
        for (int i = 0; i < TEST_WORLD_CLIENTS; i += 2)
            test_client_close(clients[i], test_world_now(w));
        test_world_run(w, NULL, NULL, 60000);
        assert_in_range(stats(w)->sessions_open, TEST_WORLD_CLIENTS / 2, TEST_WORLD_CLIENTS / 2);
        test_world_destroy(w); /* with half of them still there */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_connects_and_talks),
        cmocka_unit_test(a_fragmented_client_hello_connects),
        cmocka_unit_test(loss_duplication_and_reordering_lose_nothing),
        cmocka_unit_test(the_largest_message_passes_and_a_larger_one_ends_the_session),
        cmocka_unit_test(silence_ends_a_session_after_30_s),
        cmocka_unit_test(the_relay_closes_a_session),
        cmocka_unit_test(other_channels_are_reset),
        cmocka_unit_test(a_refused_stream_serves_the_next_channel),
        cmocka_unit_test(a_reset_of_a_stream_without_a_channel_is_answered_by_one),
        cmocka_unit_test(a_closed_channel_ends_the_session),
        cmocka_unit_test(odd_messages_are_counted_and_dropped),
        cmocka_unit_test(bad_sctp_is_counted_and_dropped),
        cmocka_unit_test(a_slow_reader_is_closed),
        cmocka_unit_test(slow_readers_have_a_bound_together),
        cmocka_unit_test(empty_messages_fill_the_send_queue_too),
        cmocka_unit_test(a_client_that_moves_keeps_its_session),
        cmocka_unit_test(newcomers_are_refused_when_all_sessions_are_taken),
        cmocka_unit_test(limits_can_be_changed),
        cmocka_unit_test(the_identity_can_be_changed),
        cmocka_unit_test(newcomers_from_one_address_are_rate_limited),
        cmocka_unit_test(clients_with_the_same_ufrag_are_told_apart),
        cmocka_unit_test(a_wrong_password_gets_401),
        cmocka_unit_test(what_is_not_ours_is_counted_alone),
        cmocka_unit_test(captured_hellos_are_answered),
        cmocka_unit_test(clients_connect_with_cookies),
        cmocka_unit_test(a_forged_address_gets_less_than_was_sent),
        cmocka_unit_test(cookies_are_asked_for_while_many_handshakes_are_half_open),
        cmocka_unit_test(a_forged_check_does_not_take_an_address_away),
        cmocka_unit_test(many_sessions_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
