/* The four verbs, limits that close sessions, lists that are split, and the end of the relay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "relay/signalling.h"
#include "test/support/node.h"
#include "test/support/relay_expect.h"
#include "test/support/seeded.h"

#define ROOM "1111111111111111111111111111111111111111111111111111111111111111"
#define RATE_LIMITED "{\"action\":\"error\",\"code\":\"rate-limited\",\"message\":\"too many messages\"}"
#define SHUTTING_DOWN \
    "{\"action\":\"error\",\"code\":\"shutting-down\",\"message\":\"the relay is shutting down\"}"

static const char ping[] = "{\"action\":\"ping\"}";
static const char pong[] = "{\"action\":\"pong\"}";

static lm_session_id greet(relay_world *world, uint8_t key)
{
    lm_session_id session = relay_world_greet(world, key);
    assert_int_equal(memory_stack_discard(world->stack, session), 1);
    return session;
}

static void start(relay_world *world)
{
    assert_int_equal(relay_world_create(world, NULL, 1), LM_OK);
}

static void stop(relay_world *world)
{
    expect_sound(world);
    relay_world_destroy(world);
}

static void refuses_bad_configuration(void **state)
{
    relay_world world;
    lm_relay_limits limits;
    lm_relay_config config = {.log = NULL};
    uint64_t random = 1;
    lm_relay *relay = NULL;
    (void)state;
    for (int i = 0; i < 3; i++) {
        lm_relay_limits_default(&limits);
        *(i == 0 ? &limits.room_size : i == 1 ? &limits.rooms_per_session : &limits.message_burst) = 0;
        assert_int_equal(relay_world_create(&world, &limits, 1), LM_EINVAL);
    }
    /* A key that is not the node's: the stack goes with it, as the leak checker sees. */
    test_node(&config.node, config.node_seed);
    lm_relay_limits_default(&config.limits);
    config.random = seeded_random(&random);
    config.node_seed[0] ^= 1;
    assert_int_equal(lm_relay_create(&relay, &config, memory_stack_create()), LM_EINVAL);
    assert_null(relay);
    lm_relay_destroy(NULL);
}

static void passes_datagrams_and_deadlines_through(void **state)
{
    relay_world world;
    lm_dgram out;
    const lm_dgram in = {
        .remote = {.port = 9}, .local = {.port = 3478}, .data = (const uint8_t *)"abc", .len = 3};
    (void)state;
    start(&world);
    lm_session_id session = memory_stack_open(world.stack);
    memory_stack_say(world.stack, session, ping); /* an event on either side of the datagram */
    assert_int_equal(lm_relay_input(world.relay, world.now, &in), LM_OK);
    memory_stack_say(world.stack, session, ping);
    assert_int_equal(lm_relay_poll(world.relay, world.now, &out), 1);
    assert_int_equal(memory_stack_discard(world.stack, session), 1);
    assert_int_equal(out.remote.port, 9);
    assert_int_equal(out.local.port, 3478);
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.data, "abc", 3);
    assert_int_equal(lm_relay_poll(world.relay, world.now, &out), 0);
    assert_int_equal(memory_stack_discard(world.stack, session), 1);
    assert_int_equal(lm_relay_get_webrtc_stats(world.relay)->datagrams_in, 1);

    assert_true(lm_relay_next_timeout(world.relay) == LM_MS_NEVER);
    memory_stack_set_timeout(world.stack, 5000);
    assert_int_equal(lm_relay_next_timeout(world.relay), 5000);
    lm_relay_timeout(world.relay, 5000);
    assert_true(lm_relay_next_timeout(world.relay) == LM_MS_NEVER);
    stop(&world);
}

static void refuses_over_the_rate_and_closes(void **state)
{
    relay_world world;
    (void)state;
    start(&world);
    lm_session_id session = greet(&world, 1); /* one token is gone */
    for (int i = 0; i < 4095; i++)
        relay_world_say(&world, session, ping);
    assert_int_equal(memory_stack_discard(world.stack, session), 4095);
    assert_int_equal(lm_relay_get_stats(world.relay)->errors.rate_limited, 0);

    relay_world_say(&world, session, ping);
    expect_json(&world, session, RATE_LIMITED);
    relay_world_say(&world, session, "{\"action\":\"ping\",\"re\":\"me\"}");
    expect_json(
        &world, session,
        "{\"action\":\"error\",\"code\":\"rate-limited\",\"message\":\"too many messages\",\"re\":\"me\"}");
    relay_world_say(&world, session,
                    "{\"action\":\"ping\",\"re\":{}}"); /* over the rate, nothing else matters */
    expect_json(&world, session, RATE_LIMITED);
    memory_stack_say_bytes(world.stack, session, "no JSON", 7, true);
    relay_world_drain(&world);
    expect_json(&world, session, RATE_LIMITED);

    /* 5 ms make one token at 200/s; being served once does not end the period. */
    relay_world_advance(&world, 5);
    relay_world_say(&world, session, ping);
    expect_json(&world, session, "%s", pong);
    for (int i = 4; i < LM_OVER_RATE_MAX; i++) {
        relay_world_say(&world, session, ping);
        expect_json(&world, session, RATE_LIMITED);
    }
    assert_false(memory_stack_ended(world.stack, session));
    relay_world_say(&world, session, ping);
    expect_json(&world, session,
                "{\"action\":\"error\",\"code\":\"rate-limited\",\"message\":\"too many messages: this "
                "session is closed\"}");
    assert_true(memory_stack_ended(world.stack, session));
    assert_int_equal(lm_relay_get_stats(world.relay)->closes.rate_limited, 1);
    assert_int_equal(lm_relay_get_stats(world.relay)->sessions, 0);
    assert_int_equal(lm_relay_get_stats(world.relay)->peers, 0);
    stop(&world);
}

static void forgives_once_the_bucket_is_full(void **state)
{
    relay_world world;
    (void)state;
    start(&world);
    lm_session_id session = greet(&world, 1);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4096 + LM_OVER_RATE_MAX - 1; i++)
            relay_world_say(&world, session, ping);
        assert_false(memory_stack_ended(world.stack, session));
        memory_stack_discard(world.stack, session);
        relay_world_advance(&world, 4096 * 5); /* 4,096 tokens at 200/s */
    }
    relay_world_say(&world, session, ping);
    expect_json(&world, session, "%s", pong);
    stop(&world);
}

static void no_rate_is_no_limit(void **state)
{
    relay_world world;
    lm_relay_limits limits;
    (void)state;
    lm_relay_limits_default(&limits);
    limits.message_rate = 0;
    limits.message_burst = 0;
    assert_int_equal(relay_world_create(&world, &limits, 1), LM_OK);
    lm_session_id session = greet(&world, 1);
    for (int i = 0; i < 10000; i++)
        memory_stack_say(world.stack, session, ping);
    relay_world_drain(&world);
    assert_int_equal(memory_stack_discard(world.stack, session), 10000);
    assert_int_equal(lm_relay_get_stats(world.relay)->errors.rate_limited, 0);
    stop(&world);
}

static void a_slow_reader_is_closed_and_leaves(void **state)
{
    relay_world world;
    static char text[LM_WEBRTC_MESSAGE_MAX];
    char id[LM_PEER_ID_TEXT];
    (void)state;
    start(&world);
    lm_session_id a = greet(&world, 1), b = greet(&world, 2);
    relay_world_say(&world, a, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    relay_world_say(&world, b, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    memory_stack_discard(world.stack, a);
    memory_stack_set_reading(world.stack, b, false);
    snprintf(text, sizeof text,
             "{\"action\":\"signal\",\"room\":\"" ROOM "\",\"to\":\"%s\",\"data\":\"%040000d\"}",
             relay_world_id(id, 2), 0);
    for (int i = 0; i < 100 && !memory_stack_ended(world.stack, b); i++)
        memory_stack_say(world.stack, a, text), relay_world_drain(&world);
    assert_true(memory_stack_ended(world.stack, b));
    assert_int_equal(lm_relay_get_stats(world.relay)->drops.queue_full, 1);
    expect_json(&world, a, "{\"action\":\"peer-left\",\"room\":\"" ROOM "\",\"id\":\"%s\"}", id);
    expect_silence(&world, a);
    relay_world_say(&world, a, text);
    expect_json(
        &world, a,
        "{\"action\":\"error\",\"code\":\"no-such-peer\",\"message\":\"no such peer in that room now\"}");
    stop(&world);
}

/*
 * Fills ROOM with count peers that all have an info of info_len quotation marks, each two bytes when escaped.
 */
static void fill_room(relay_world *world, uint8_t count, int info_len)
{
    char text[4096];
    for (uint8_t key = 1; key <= count; key++) {
        lm_session_id session = greet(world, key);
        size_t len =
            (size_t)snprintf(text, sizeof text, "{\"action\":\"join\",\"room\":\"" ROOM "\",\"info\":\"");
        for (int i = 0; i < info_len; i++)
            len += (size_t)snprintf(text + len, sizeof text - len, "\\\"");
        snprintf(text + len, sizeof text - len, "\"}");
        relay_world_say(world, session, text);
        memory_stack_discard(world->stack, session);
    }
}

static void long_lists_come_in_parts(void **state)
{
    relay_world world;
    char id[LM_PEER_ID_TEXT];
    (void)state;
    start(&world);
    fill_room(&world, 249, LM_MEMBER_INFO_MAX);
    lm_session_id session = greet(&world, 250);
    relay_world_say(&world, session, "{\"action\":\"join\",\"room\":\"" ROOM "\",\"re\":\"list\"}");

    /* 249 peers of 2,092 bytes (with their comma) at 31 a message. */
    uint8_t key = 1;
    size_t parts = 0;
    for (const char *text; (text = memory_stack_take(world.stack, session)) != NULL; parts++) {
        assert_true(strlen(text) <= LM_WEBRTC_MESSAGE_MAX);
        cJSON *json = cJSON_Parse(text);
        const cJSON *peer;
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "action")), "joined");
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "room")), ROOM);
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "re")), "list");
        cJSON_ArrayForEach(peer, cJSON_GetObjectItem(json, "peers")) {
            assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(peer, "id")),
                                relay_world_id(id, key++));
            assert_int_equal(strlen(cJSON_GetStringValue(cJSON_GetObjectItem(peer, "info"))),
                             LM_MEMBER_INFO_MAX);
        }
        /* All but the last are full, and say that there is more. */
        assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "more")) == (key <= 249));
        assert_true(key > 249 || strlen(text) > LM_WEBRTC_MESSAGE_MAX - 3000);
        cJSON_Delete(json);
    }
    assert_int_equal(key, 250);
    assert_int_equal(parts, 9);

    /* The room is full now; and one who is in it already gets the list all the same. */
    lm_session_id late = greet(&world, 251);
    relay_world_say(&world, late, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    expect_json(&world, late,
                "{\"action\":\"error\",\"code\":\"room-full\",\"message\":\"the room is full\"}");
    relay_world_say(&world, session, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    assert_int_equal(memory_stack_discard(world.stack, session), 9);
    stop(&world);
}

/* Peers in the lists that session is told when it joins ROOM with this `re`, all of them well-formed. */
static int count_listed(relay_world *world, lm_session_id session, const char *re, int *parts)
{
    char text[1024];
    int peers = 0;
    snprintf(text, sizeof text, "{\"action\":\"join\",\"room\":\"" ROOM "\"%s}", re);
    relay_world_say(world, session, text);
    *parts = 0;
    for (const char *got; (got = memory_stack_take(world->stack, session)) != NULL; ++*parts) {
        cJSON *json = cJSON_Parse(got);
        assert_true(strlen(got) <= LM_WEBRTC_MESSAGE_MAX);
        assert_non_null(json);
        peers += cJSON_GetArraySize(cJSON_GetObjectItem(json, "peers"));
        cJSON_Delete(json);
    }
    return peers;
}

/* A list that grows by little past the end of its message: it is split in time, and loses nobody. */
static void lists_split_at_any_length(void **state)
{
    relay_world world;
    char text[2048], filler[LM_MEMBER_INFO_MAX], re[512] = ",\"re\":\"";
    int parts, re_parts, splits = 0, re_splits = 0;
    (void)state;
    for (int i = 0; i < 64; i++)
        strcat(re, "\\u0001");
    strcat(re, "\"");
    memset(filler, 'x', sizeof filler);
    start(&world);
    world.relay->limits.message_rate = 0;
    fill_room(&world, 60, 512); /* 60 times 1,066 bytes, with the commas */
    lm_session_id last = greet(&world, 61), session = greet(&world, 62);
    for (int len = 0; len <= LM_MEMBER_INFO_MAX; len += 5) { /* less than the end of a message */
        snprintf(text, sizeof text, "{\"action\":\"join\",\"room\":\"" ROOM "\",\"info\":\"%.*s\"}", len,
                 filler);
        relay_world_say(&world, last, text);
        memory_stack_discard(world.stack, last);
        assert_int_equal(count_listed(&world, session, "", &parts), 61);
        assert_int_equal(count_listed(&world, session, re, &re_parts), 61);
        splits += parts == 2;
        re_splits += re_parts == 2;
    }
    /* The range holds both ends. */
    assert_true(splits > 0 && splits < LM_MEMBER_INFO_MAX / 5);
    assert_true(re_splits >= splits && re_splits < LM_MEMBER_INFO_MAX / 5);
    stop(&world);
}

static void rooms_of_a_session_are_bounded(void **state)
{
    relay_world world;
    char text[256];
    (void)state;
    start(&world);
    lm_session_id session = greet(&world, 1);
    for (int i = 0; i < 64; i++) {
        snprintf(text, sizeof text, "{\"action\":\"join\",\"room\":\"%064x\"}", i);
        relay_world_say(&world, session, text);
        expect_json(&world, session, "{\"action\":\"joined\",\"room\":\"%064x\",\"peers\":[]}", i);
    }
    relay_world_say(&world, session, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    expect_json(
        &world, session,
        "{\"action\":\"error\",\"code\":\"too-many-rooms\",\"message\":\"no more rooms for one session\"}");
    relay_world_say(&world, session, text); /* one that it is in */
    expect_json(&world, session, "{\"action\":\"joined\",\"room\":\"%064x\",\"peers\":[]}", 63);
    snprintf(text, sizeof text, "{\"action\":\"leave\",\"room\":\"%064x\"}", 5);
    relay_world_say(&world, session, text);
    memory_stack_discard(world.stack, session);
    relay_world_say(&world, session, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    expect_json(&world, session, "{\"action\":\"joined\",\"room\":\"" ROOM "\",\"peers\":[]}");
    stop(&world);
}

static void shuts_down_with_a_word(void **state)
{
    relay_world world;
    char hello[RELAY_WORLD_HELLO_MAX];
    (void)state;
    start(&world);
    lm_session_id a = greet(&world, 1), b = greet(&world, 2), silent = greet(&world, 3);
    lm_session_id mute = memory_stack_open(world.stack); /* has not said hello */
    relay_world_say(&world, a, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    relay_world_say(&world, b, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    relay_world_say(&world, silent, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    relay_world_end(&world, silent, LM_CLOSE_CONSENT);
    memory_stack_discard(world.stack, a);
    memory_stack_discard(world.stack, b);

    memory_stack_say(world.stack, a, ping); /* too late */
    lm_relay_shut_down(world.relay, world.now);
    lm_relay_shut_down(world.relay, world.now); /* changes nothing */
    const lm_session_id sessions[] = {a, b, mute};
    for (size_t i = 0; i < 3; i++) {
        expect_json(&world, sessions[i], SHUTTING_DOWN);
        assert_true(memory_stack_ended(world.stack, sessions[i]));
    }
    relay_world_drain(&world);
    for (size_t i = 0; i < 3; i++)
        expect_silence(&world, sessions[i]); /* no peer-left: browsers stay connected with each other */
    assert_int_equal(lm_relay_get_stats(world.relay)->sessions, 0);
    assert_int_equal(lm_relay_get_stats(world.relay)->peers, 0);
    assert_int_equal(lm_relay_get_stats(world.relay)->rooms, 0);
    assert_int_equal(lm_relay_get_stats(world.relay)->drops.closing, 1);

    lm_session_id late = memory_stack_open(world.stack);
    relay_world_say(&world, late, relay_world_hello_text(hello, 9));
    expect_json(&world, late, SHUTTING_DOWN);
    assert_true(memory_stack_ended(world.stack, late));
    assert_int_equal(lm_relay_get_stats(world.relay)->closes.shutting_down, 4);
    stop(&world);
}

static void keep_line(void *ctx, lm_log_level level, const char *text)
{
    (void)level;
    if (strstr(text, "opened") != NULL)
        snprintf(ctx, 256, "%s", text);
}

static void logs_addresses_as_it_may(void **state)
{
    relay_world world;
    char line[256];
    lm_log log = {.level = LM_LOG_DEBUG, .handler = keep_line, .ctx = line};
    (void)state;
    start(&world);
    world.relay->log = &log;
    memory_stack_open(world.stack);
    relay_world_drain(&world);
    assert_string_equal(line, "relay: session 1 opened from 192.0.2.1:9");
    log.addresses = LM_LOG_ADDRESSES_PREFIX;
    memory_stack_open(world.stack);
    relay_world_drain(&world);
    assert_string_equal(line, "relay: session 2 opened from 192.0.2.0/24");
    stop(&world);
}

static void drains_with_a_word(void **state)
{
    relay_world world;
    char hello[RELAY_WORLD_HELLO_MAX];
    (void)state;
    start(&world);
    lm_session_id a = greet(&world, 1), b = greet(&world, 2), c = greet(&world, 3), silent = greet(&world, 4);
    const lm_session_id all[] = {a, b, c, silent};
    for (size_t i = 0; i < 4; i++)
        relay_world_say(&world, all[i], "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    for (size_t i = 0; i < 4; i++)
        memory_stack_discard(world.stack, all[i]);
    assert_false(lm_relay_is_draining(world.relay));
    assert_true(memory_stack_limits(world.stack)->max_sessions > 0);

    lm_relay_drain(world.relay, world.now);
    lm_relay_drain(world.relay, world.now); /* changes nothing */
    relay_world_drain(&world);
    assert_true(lm_relay_is_draining(world.relay));
    assert_int_equal(memory_stack_limits(world.stack)->max_sessions, 0);
    for (size_t i = 0; i < 4; i++) {
        expect_json(&world, all[i], SHUTTING_DOWN);
        assert_false(memory_stack_ended(world.stack, all[i]));
    }

    /* Who has opened just before still hears it, and is closed at the latest when it says hello. */
    lm_session_id mute = memory_stack_open(world.stack), late = memory_stack_open(world.stack);
    relay_world_say(&world, late, relay_world_hello_text(hello, 9));
    expect_json(&world, late, SHUTTING_DOWN);
    assert_true(memory_stack_ended(world.stack, late));

    /* The others are served; who goes is not missed, unless it says so itself. */
    relay_world_end(&world, a, LM_CLOSE_REMOTE);
    relay_world_end(&world, silent, LM_CLOSE_CONSENT);
    relay_world_advance(&world, 60000);
    expect_silence(&world, b);
    relay_world_say(&world, b, "{\"action\":\"leave\",\"room\":\"" ROOM "\"}");
    expect_json(&world, b, "{\"action\":\"left\",\"room\":\"" ROOM "\"}");
    assert_non_null(strstr(memory_stack_take(world.stack, c), "peer-left"));
    expect_sound(&world);

    lm_relay_shut_down(world.relay, world.now);
    relay_world_drain(&world);
    expect_json(&world, mute, SHUTTING_DOWN);
    expect_silence(&world, b); /* told once is enough */
    expect_silence(&world, c);
    assert_true(memory_stack_ended(world.stack, b) && memory_stack_ended(world.stack, mute));
    assert_int_equal(lm_relay_get_stats(world.relay)->sessions, 0);
    assert_int_equal(lm_relay_get_stats(world.relay)->closes.shutting_down, 4); /* late, mute, b and c */
    stop(&world);
}

static void changes_all_or_nothing(void **state)
{
    relay_world world;
    uint8_t seed[32];
    lm_relay_change change = {.stack = {.max_sessions = 7, .session_rate = 8, .session_burst = 9},
                              .identity = {.ufrag = "luma", .pwd = "a-password-of-22-chars"}};
    (void)state;
    start(&world);
    lm_session_id a = greet(&world, 1), b = greet(&world, 2), c = greet(&world, 3);
    memory_stack_discard(world.stack, a);
    memory_stack_discard(world.stack, b);
    memory_stack_discard(world.stack, c);
    relay_world_say(&world, a, "{\"action\":\"nodes\"}");
    assert_non_null(strstr(memory_stack_take(world.stack, a), "203.0.113.10"));
    relay_world_say(&world, a, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    relay_world_say(&world, b, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    memory_stack_discard(world.stack, a);

    test_node(&change.node, seed);
    assert_int_equal(lm_addr_parse_ip(&change.node.ip, "203.0.113.99", 0), LM_OK);
    lm_relay_limits_default(&change.limits);
    change.limits.room_size = 0;
    assert_int_equal(lm_relay_reconfigure(world.relay, &change), LM_EINVAL);
    change.limits.room_size = 2;
    change.node.nk[0] ^= 1;
    assert_int_equal(lm_relay_reconfigure(world.relay, &change), LM_EINVAL);
    change.node.nk[0] ^= 1;
    change.identity.pwd = "short";
    assert_int_equal(lm_relay_reconfigure(world.relay, &change), LM_EINVAL);
    assert_string_equal(memory_stack_pwd(world.stack), "");
    assert_int_not_equal(memory_stack_limits(world.stack)->max_sessions, 7);
    relay_world_say(&world, a, "{\"action\":\"nodes\"}");
    assert_non_null(strstr(memory_stack_take(world.stack, a), "203.0.113.10"));

    change.identity.pwd = "a-password-of-22-chars";
    change.limits.message_rate = 1;
    change.limits.message_burst = 1;
    assert_int_equal(lm_relay_reconfigure(world.relay, &change), LM_OK);
    assert_string_equal(memory_stack_pwd(world.stack), "a-password-of-22-chars");
    assert_int_equal(memory_stack_limits(world.stack)->max_sessions, 7);
    assert_int_equal(memory_stack_limits(world.stack)->session_rate, 8);
    relay_world_say(&world, a, "{\"action\":\"nodes\"}");
    assert_non_null(strstr(memory_stack_take(world.stack, a), "203.0.113.99"));
    relay_world_say(&world, a, "{\"action\":\"nodes\"}");
    assert_non_null(strstr(memory_stack_take(world.stack, a), "rate-limited"));
    relay_world_say(&world, c, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    assert_non_null(strstr(memory_stack_take(world.stack, c), "room-full"));
    expect_sound(&world);

    /* A relay that drains goes on refusing newcomers. */
    lm_relay_drain(world.relay, world.now);
    assert_int_equal(lm_relay_reconfigure(world.relay, &change), LM_OK);
    assert_int_equal(memory_stack_limits(world.stack)->max_sessions, 0);
    stop(&world);
}

typedef struct visited {
    size_t count;
    uint64_t hellos, bad_json, rooms, drops, closes;
} visited;

static void visit(void *ctx, const char *name, uint64_t value)
{
    visited *v = ctx;
    v->count++;
    if (strcmp(name, "message_hello") == 0)
        v->hellos = value;
    else if (strcmp(name, "error_bad_json") == 0)
        v->bad_json = value;
    else if (strcmp(name, "rooms") == 0)
        v->rooms = value;
    else if (strcmp(name, "drop_gone") == 0)
        v->drops = value;
    else if (strcmp(name, "close_replaced") == 0)
        v->closes = value;
}

/*
 * The latency of a signal is counted from the oldest datagram that had not been drained yet, since all that
 * came with it was in its way.
 */
static void signals_are_timed(void **state)
{
    const lm_dgram in = {.remote = {.port = 9}, .data = (const uint8_t *)"abc", .len = 3};
    relay_world world;
    char text[512], id[LM_PEER_ID_TEXT];
    lm_dgram out;
    (void)state;
    start(&world);
    const lm_histogram *times = &lm_relay_get_stats(world.relay)->signal_time;
    lm_session_id a = greet(&world, 1), b = greet(&world, 2);
    relay_world_say(&world, a, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    relay_world_say(&world, b, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    assert_int_equal(lm_histogram_count(times), 0);
    snprintf(text, sizeof text, "{\"action\":\"signal\",\"room\":\"" ROOM "\",\"to\":\"%s\",\"data\":\"x\"}",
             relay_world_id(id, 2));
    assert_int_equal(lm_relay_input(world.relay, world.now, &in), LM_OK);
    assert_int_equal(lm_relay_input(world.relay, world.now + 20, &in), LM_OK);
    memory_stack_say(world.stack, a, text);
    memory_stack_say(world.stack, a, text);
    while (lm_relay_poll(world.relay, world.now + 30, &out) == 1)
        continue;
    assert_int_equal(lm_histogram_count(times), 2);
    assert_int_equal(times->sum, 60);
    /* What has been drained is nobody's delay any more, and a signal that waits for none has none. */
    memory_stack_say(world.stack, a, text);
    while (lm_relay_poll(world.relay, world.now + 5000, &out) == 1)
        continue;
    assert_int_equal(lm_histogram_count(times), 3);
    assert_int_equal(times->sum, 60);
    stop(&world);
}

static void reports_every_counter(void **state)
{
    lm_relay_stats stats = {
        .rooms = 3, .messages.hello = 1, .errors.bad_json = 2, .drops.gone = 4, .closes.replaced = 5};
    visited v = {0};
    (void)state;
    lm_relay_stats_visit(&stats, visit, &v);
    assert_int_equal(v.count, offsetof(lm_relay_stats, signal_time) / sizeof(uint64_t));
    assert_int_equal(v.hellos, 1);
    assert_int_equal(v.bad_json, 2);
    assert_int_equal(v.rooms, 3);
    assert_int_equal(v.drops, 4);
    assert_int_equal(v.closes, 5);
}

/* A generator that always says the same cannot give two peers one id. */
static void fill_with_zeros(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    memset(buf, 0, len);
}

static void a_broken_generator_gives_nobody_away(void **state)
{
    static const char hello[] =
        "{\"action\":\"hello\",\"v\":1,\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}";
    relay_world world;
    (void)state;
    start(&world);
    world.relay->random.fill = fill_with_zeros;
    lm_session_id a = memory_stack_open(world.stack), b = memory_stack_open(world.stack);
    relay_world_say(&world, a, hello);
    assert_int_equal(memory_stack_discard(world.stack, a), 1);
    relay_world_say(&world, b, hello);
    assert_false(memory_stack_ended(world.stack, a));
    assert_true(memory_stack_ended(world.stack, b));
    assert_int_equal(lm_relay_get_stats(world.relay)->closes.failed, 1);
    stop(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_bad_configuration),
        cmocka_unit_test(passes_datagrams_and_deadlines_through),
        cmocka_unit_test(refuses_over_the_rate_and_closes),
        cmocka_unit_test(forgives_once_the_bucket_is_full),
        cmocka_unit_test(no_rate_is_no_limit),
        cmocka_unit_test(a_slow_reader_is_closed_and_leaves),
        cmocka_unit_test(long_lists_come_in_parts),
        cmocka_unit_test(lists_split_at_any_length),
        cmocka_unit_test(rooms_of_a_session_are_bounded),
        cmocka_unit_test(shuts_down_with_a_word),
        cmocka_unit_test(signals_are_timed),
        cmocka_unit_test(logs_addresses_as_it_may),
        cmocka_unit_test(drains_with_a_word),
        cmocka_unit_test(changes_all_or_nothing),
        cmocka_unit_test(reports_every_counter),
        cmocka_unit_test(a_broken_generator_gives_nobody_away),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
