/* Every action and every error, as exact JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "relay/signalling.h"
#include "test/support/relay_expect.h"

#define ROOM "1111111111111111111111111111111111111111111111111111111111111111"
#define ROOM2 "2222222222222222222222222222222222222222222222222222222222222222"
#define NONCE "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
/* The ids that belong to the keys 1 and 2 of relay_world_greet(). */
#define ID1 "vKRHdHM6RIoCnPsHgpyusA"
#define ID2 "2Y3ym4oEk9YHwjziwdFXLg"

#define JOIN(room, info) "{\"action\":\"join\",\"room\":\"" room "\",\"info\":\"" info "\"}"
#define ERROR(code, message) "{\"action\":\"error\",\"code\":\"" code "\",\"message\":\"" message "\"}"

typedef struct exchange {
    const char *say;
    const char *hear;
} exchange;

static lm_session_id greet(relay_world *world, uint8_t key)
{
    lm_session_id session = relay_world_greet(world, key);
    assert_int_equal(memory_stack_discard(world->stack, session), 1);
    return session;
}

/* One new session that says each of these in turn, and hears just the answer. */
static void expect_exchanges(relay_world *world, lm_session_id session, const exchange *exchanges,
                             size_t count)
{
    for (size_t i = 0; i < count; i++) {
        relay_world_say(world, session, exchanges[i].say);
        expect_json(world, session, "%s", exchanges[i].hear);
        expect_silence(world, session);
        assert_false(memory_stack_ended(world->stack, session));
        expect_sound(world);
    }
}

static int set_up(void **state)
{
    static relay_world world;
    *state = &world;
    return relay_world_create(&world, NULL, 1);
}

static int tear_down(void **state)
{
    relay_world_destroy(*state);
    return 0;
}

static void hello_is_welcomed(void **state)
{
    relay_world *world = *state;
    lm_session_id session = memory_stack_open(world->stack);
    relay_world_say(world, session,
                    "{\"action\":\"hello\",\"v\":1,\"nonce\":\"" NONCE
                    "\",\"client\":\"test/1 \xe2\x9c\x93\",\"re\":7,"
                    "\"key\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\",\"later\":{\"x\":[1]}}");

    const char *welcome = memory_stack_take(world->stack, session);
    assert_non_null(welcome);
    cJSON *json = cJSON_Parse(welcome);
    const char *sig_text = cJSON_GetStringValue(cJSON_GetObjectItem(json, "sig"));
    assert_non_null(sig_text);

    /* The signature, over what the protocol page says and nothing else. */
    uint8_t message[17 + 1 + 32 + 32] = "lumamesh-hello-v1", sig[64];
    size_t sig_len;
    memset(message + 18, 0, 32);
    for (size_t i = 0; i < 32; i++)
        message[50 + i] = (uint8_t)i;
    assert_int_equal(lm_base64url_decode(sig, sizeof sig, &sig_len, sig_text, strlen(sig_text)), LM_OK);
    assert_int_equal(sig_len, 64);
    assert_int_equal(crypto_sign_verify_detached(sig, message, sizeof message, world->relay->node.config.nk),
                     0);

    char expected[1024];
    snprintf(
        expected, sizeof expected,
        "{\"action\":\"welcome\",\"v\":1,\"id\":\"" ID1
        "\",\"node\":\"6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw\","
        "\"sig\":\"%s\",\"limits\":{\"rooms\":64,\"room\":250,\"message\":65536},\"turn\":false,\"re\":7}",
        sig_text);
    assert_string_equal(welcome, expected);
    cJSON_Delete(json);
    expect_silence(world, session);
    expect_sound(world);
}

static void hello_without_a_key_draws_an_id(void **state)
{
    relay_world *world = *state;
    char ids[2][LM_PEER_ID_TEXT];
    for (size_t i = 0; i < 2; i++) {
        lm_session_id session = memory_stack_open(world->stack);
        relay_world_say(world, session, "{\"action\":\"hello\",\"v\":1,\"nonce\":\"" NONCE "\"}");
        cJSON *json = cJSON_Parse(memory_stack_take(world->stack, session));
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(json, "id"));
        assert_non_null(id);
        assert_int_equal(strlen(id), LM_PEER_ID_TEXT - 1);
        strcpy(ids[i], id);
        assert_non_null(lm_peers_find_text(&world->relay->peers, id));
        cJSON_Delete(json);
    }
    assert_string_not_equal(ids[0], ids[1]);
}

static void hello_is_checked(void **state)
{
    static const char version[] = ERROR("version", "v: this relay speaks version 1");
    static const char nonce[] = ERROR("bad-request", "nonce: base64url of 32 bytes is needed");
    static const char key[] = ERROR("bad-request", "key: base64url of 32 bytes is needed");
    static const exchange exchanges[] = {
        {"{\"action\":\"hello\",\"nonce\":\"" NONCE "\"}", version},
        {"{\"action\":\"hello\",\"v\":2,\"nonce\":\"" NONCE "\"}", version},
        {"{\"action\":\"hello\",\"v\":\"1\",\"nonce\":\"" NONCE "\"}", version},
        {"{\"action\":\"hello\",\"v\":1}", nonce},
        {"{\"action\":\"hello\",\"v\":1,\"nonce\":1}", nonce},
        {"{\"action\":\"hello\",\"v\":1,\"nonce\":\"\"}", nonce},
        {"{\"action\":\"hello\",\"v\":1,\"nonce\":\"" NONCE "=\"}", nonce},
        {"{\"action\":\"hello\",\"v\":1,\"nonce\":\"" NONCE "AA\"}", nonce},
        {"{\"action\":\"hello\",\"v\":1,\"nonce\":\"AAAA\"}", nonce},
        {"{\"action\":\"hello\",\"v\":1,\"nonce\":\"" NONCE "\",\"key\":\"AAAA\"}", key},
        {"{\"action\":\"hello\",\"v\":1,\"nonce\":\"" NONCE "\",\"key\":null}", key},
        {"{\"action\":\"hello\",\"v\":1,\"nonce\":\"" NONCE "\",\"client\":5}",
         ERROR("bad-request", "client: a string is needed")},
    };
    relay_world *world = *state;
    lm_session_id session = memory_stack_open(world->stack);
    expect_exchanges(world, session, exchanges, sizeof exchanges / sizeof exchanges[0]);
    assert_int_equal(lm_relay_get_stats(world->relay)->errors.version, 3);
    assert_int_equal(lm_relay_get_stats(world->relay)->errors.bad_request, 9);
    assert_int_equal(lm_relay_get_stats(world->relay)->peers, 0);

    /* None of it has ended the session. */
    relay_world_say(world, session, "{\"action\":\"hello\",\"v\":1,\"nonce\":\"" NONCE "\"}");
    assert_non_null(strstr(memory_stack_take(world->stack, session), "\"action\":\"welcome\""));
    relay_world_say(world, session, "{\"action\":\"hello\",\"v\":1,\"nonce\":\"" NONCE "\"}");
    expect_json(world, session, ERROR("bad-request", "action: hello was said before"));
}

static void hello_comes_first(void **state)
{
    static const char first[] = ERROR("hello-first", "hello comes first");
    static const exchange exchanges[] = {
        {JOIN(ROOM, ""), first},
        {"{\"action\":\"leave\",\"room\":\"" ROOM "\"}", first},
        {"{\"action\":\"signal\"}", first},
        {"{\"action\":\"nodes\"}", first},
        {"{\"action\":\"turn\"}", first},
        {"{\"action\":\"ping\"}", first},
        {"{\"action\":\"dance\"}", first},
    };
    relay_world *world = *state;
    expect_exchanges(world, memory_stack_open(world->stack), exchanges,
                     sizeof exchanges / sizeof exchanges[0]);
}

static void bad_json_is_answered(void **state)
{
    static const char bad[] = ERROR("bad-json", "not a JSON object in UTF-8");
    static const exchange exchanges[] = {
        {"", bad},
        {"hello", bad},
        {"[]", bad},
        {"\"ping\"", bad},
        {"{\"action\":\"ping\"", bad},
        {"{\"action\":\"ping\",\"t\":\"\xff\"}", bad},
        {"{\"action\":\"ping\",\"t\":\"\\u0000\"}", bad},
        {"{\"action\":\"ping\"}{}", bad},
    };
    relay_world *world = *state;
    lm_session_id session = memory_stack_open(world->stack);
    expect_exchanges(world, session, exchanges, sizeof exchanges / sizeof exchanges[0]);

    static char deep[LM_WEBRTC_MESSAGE_MAX];
    memset(deep, '[', sizeof deep);
    memory_stack_say_bytes(world->stack, session, deep, sizeof deep, false);
    relay_world_drain(world);
    expect_json(world, session, "%s", bad);

    memory_stack_say_bytes(world->stack, session, "{\"action\":\"ping\"}", 17, true);
    relay_world_drain(world);
    expect_json(world, session, ERROR("bad-json", "a text message is needed, not a binary one"));
    assert_int_equal(lm_relay_get_stats(world->relay)->errors.bad_json, 10);
}

static void actions_are_checked(void **state)
{
    static const char action[] = ERROR("bad-request", "action: a string is needed");
    static const char unknown[] = ERROR("unknown-action", "action: not one that this relay knows");
    static const exchange exchanges[] = {
        {"{}", action},
        {"{\"action\":null}", action},
        {"{\"action\":[\"ping\"]}", action},
        {"{\"Action\":\"ping\"}", action},
        {"{\"action\":\"\"}", unknown},
        {"{\"action\":\"Ping\"}", unknown},
        {"{\"action\":\"welcome\"}", unknown},
        {"{\"action\":\"turn\"}", ERROR("turn-disabled", "this relay serves no TURN")},
        {"{\"action\":\"turn\",\"room\":\"" ROOM "\"}", ERROR("turn-disabled", "this relay serves no TURN")},
    };
    relay_world *world = *state;
    expect_exchanges(world, greet(world, 1), exchanges, sizeof exchanges / sizeof exchanges[0]);
}

static void re_is_echoed(void **state)
{
    static const char bad[] =
        ERROR("bad-request", "re: a number, or a string of at most 64 characters, is needed");
#define PONG(re) "{\"action\":\"pong\",\"re\":" re "}"
#define PING(re) "{\"action\":\"ping\",\"re\":" re "}"
#define S8 "12345678"
#define S63 S8 S8 S8 S8 S8 S8 S8 "1234567"
    static const exchange exchanges[] = {
        {"{\"action\":\"ping\"}", "{\"action\":\"pong\"}"},
        {PING("0"), PONG("0")},
        {PING("-12.5"), PONG("-12.5")},
        {PING("1e3"), PONG("1000")},
        {PING("9007199254740991"), PONG("9007199254740991")},
        {PING("0.1"), PONG("0.1")},
        {PING("1234.5000000000002"), PONG("1234.5000000000002")},
        {PING("-1e-300"), PONG("-1e-300")},
        {PING("\"\""), PONG("\"\"")},
        {PING("\"" S63 "8\""), PONG("\"" S63 "8\"")},
        {PING("\"" S63 "\xe2\x9c\x93\""), PONG("\"" S63 "\xe2\x9c\x93\"")}, /* characters, not bytes */
        {PING("\"\\\"\\u0001\\n\""), PONG("\"\\\"\\u0001\\n\"")},
        {PING("\"" S63 "89\""), bad},
        {PING("null"), bad},
        {PING("true"), bad},
        {PING("{}"), bad},
        {PING("[1]"), bad},
        {PING("1e999"), bad},
        {"{\"action\":\"dance\",\"re\":\"r\"}", "{\"action\":\"error\",\"code\":\"unknown-action\","
                                                "\"message\":\"action: not one that this relay knows\","
                                                "\"re\":\"r\"}"},
        {"{\"re\":1}", "{\"action\":\"error\",\"code\":\"bad-request\",\"message\":\"action: a string is "
                       "needed\",\"re\":1}"},
    };
    relay_world *world = *state;
    expect_exchanges(world, greet(world, 1), exchanges, sizeof exchanges / sizeof exchanges[0]);

    /* 64 characters that each take an escape of six. */
    char say[1024] = "{\"action\":\"ping\",\"re\":\"", hear[1024] = "{\"action\":\"pong\",\"re\":\"";
    for (int i = 0; i < 64; i++) {
        strcat(say, "\\u0001");
        strcat(hear, "\\u0001");
    }
    strcat(say, "\"}");
    strcat(hear, "\"}");
    exchange longest = {say, hear};
    expect_exchanges(world, greet(world, 2), &longest, 1);
}

static void ping_echoes_t(void **state)
{
    static const exchange exchanges[] = {
        {"{\"action\":\"ping\",\"t\":1700000000123}", "{\"action\":\"pong\",\"t\":1700000000123}"},
        {"{\"action\":\"ping\",\"t\":0.25,\"re\":\"a\"}", "{\"action\":\"pong\",\"t\":0.25,\"re\":\"a\"}"},
        {"{\"action\":\"ping\",\"t\":\"x\"}", "{\"action\":\"pong\",\"t\":\"x\"}"},
        {"{\"action\":\"ping\",\"t\":{}}",
         ERROR("bad-request", "t: a number, or a string of at most 64 characters, is needed")},
    };
    relay_world *world = *state;
    expect_exchanges(world, greet(world, 1), exchanges, sizeof exchanges / sizeof exchanges[0]);
}

static void joining_meets_the_others(void **state)
{
    relay_world *world = *state;
    lm_session_id a = greet(world, 1), b = greet(world, 2);
    relay_world_say(world, a, "{\"action\":\"join\",\"room\":\"" ROOM "\",\"info\":\"i\\\"1\",\"re\":1}");
    expect_json(world, a, "{\"action\":\"joined\",\"room\":\"" ROOM "\",\"peers\":[],\"re\":1}");

    /* No info is "". */
    relay_world_say(world, b, "{\"action\":\"join\",\"room\":\"" ROOM "\"}");
    expect_json(world, b,
                "{\"action\":\"joined\",\"room\":\"" ROOM "\",\"peers\":[{\"id\":\"" ID1
                "\",\"info\":\"i\\\"1\"}]}");
    expect_json(world, a,
                "{\"action\":\"peer-joined\",\"room\":\"" ROOM "\",\"peer\":{\"id\":\"" ID2
                "\",\"info\":\"\"}}");

    /* Once more: info is replaced, nobody else hears of it. */
    relay_world_say(world, a, JOIN(ROOM, "new"));
    expect_json(world, a,
                "{\"action\":\"joined\",\"room\":\"" ROOM "\",\"peers\":[{\"id\":\"" ID2
                "\",\"info\":\"\"}]}");
    expect_silence(world, b);
    relay_world_say(world, b, JOIN(ROOM, "x"));
    expect_json(world, b,
                "{\"action\":\"joined\",\"room\":\"" ROOM "\",\"peers\":[{\"id\":\"" ID1
                "\",\"info\":\"new\"}]}");
    expect_silence(world, a);

    /* Upper case names the same room; the relay writes lower case. */
    relay_world_say(world, a, JOIN("ABCDEF1111111111111111111111111111111111111111111111111111111111", ""));
    expect_json(world, a,
                "{\"action\":\"joined\",\"room\":"
                "\"abcdef1111111111111111111111111111111111111111111111111111111111\","
                "\"peers\":[]}");
    assert_int_equal(lm_relay_get_stats(world->relay)->members, 3);
    assert_int_equal(lm_relay_get_stats(world->relay)->rooms, 2);
    expect_sound(world);
}

static void join_is_checked(void **state)
{
    static const char room[] = ERROR("bad-request", "room: 64 hex digits are needed");
    static const exchange exchanges[] = {
        {"{\"action\":\"join\"}", room},
        {"{\"action\":\"join\",\"room\":1}", room},
        {"{\"action\":\"join\",\"room\":\"lobby\"}", room},
        {"{\"action\":\"join\",\"room\":\"" ROOM "1\"}", room},
        {"{\"action\":\"join\",\"room\":\"" ROOM "\",\"info\":null}",
         ERROR("bad-request", "info: a string is needed")},
        {"{\"action\":\"join\",\"room\":\"" ROOM "\",\"info\":{}}",
         ERROR("bad-request", "info: a string is needed")},
    };
    relay_world *world = *state;
    lm_session_id session = greet(world, 1);
    expect_exchanges(world, session, exchanges, sizeof exchanges / sizeof exchanges[0]);

    char text[2048];
    for (int len = LM_MEMBER_INFO_MAX; len <= LM_MEMBER_INFO_MAX + 1; len++) {
        snprintf(text, sizeof text, "{\"action\":\"join\",\"room\":\"" ROOM "\",\"info\":\"%0*d\"}", len, 0);
        relay_world_say(world, session, text);
        if (len == LM_MEMBER_INFO_MAX)
            expect_json(world, session, "{\"action\":\"joined\",\"room\":\"" ROOM "\",\"peers\":[]}");
        else
            expect_json(world, session, ERROR("too-large", "info: at most 1024 bytes"));
    }
}

static void leaving_is_told(void **state)
{
    relay_world *world = *state;
    lm_session_id a = greet(world, 1), b = greet(world, 2);
    static const exchange refused[] = {
        {"{\"action\":\"leave\"}", ERROR("bad-request", "room: 64 hex digits are needed")},
        {"{\"action\":\"leave\",\"room\":\"" ROOM "\"}", ERROR("not-in-room", "not in that room")},
    };
    expect_exchanges(world, a, refused, 2);
    relay_world_say(world, a, JOIN(ROOM, ""));
    relay_world_say(world, b, JOIN(ROOM, ""));
    memory_stack_discard(world->stack, a);
    memory_stack_discard(world->stack, b);

    relay_world_say(world, a, "{\"action\":\"leave\",\"room\":\"" ROOM "\",\"re\":\"x\"}");
    expect_json(world, a, "{\"action\":\"left\",\"room\":\"" ROOM "\",\"re\":\"x\"}");
    expect_silence(world, a);
    expect_json(world, b, "{\"action\":\"peer-left\",\"room\":\"" ROOM "\",\"id\":\"" ID1 "\"}");
    expect_silence(world, b);
    relay_world_say(world, b, "{\"action\":\"leave\",\"room\":\"" ROOM "\"}");
    expect_json(world, b, "{\"action\":\"left\",\"room\":\"" ROOM "\"}");
    assert_int_equal(lm_relay_get_stats(world->relay)->rooms, 0);
    expect_sound(world);
}

static void signals_are_routed(void **state)
{
    relay_world *world = *state;
    lm_session_id a = greet(world, 1), b = greet(world, 2), c = greet(world, 3);
    relay_world_say(world, a, JOIN(ROOM, ""));
    relay_world_say(world, b, JOIN(ROOM, ""));
    relay_world_say(world, c, JOIN(ROOM, ""));
    memory_stack_discard(world->stack, a);
    memory_stack_discard(world->stack, b);
    memory_stack_discard(world->stack, c);

    for (int i = 0; i < 3; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "{\"action\":\"signal\",\"room\":\"" ROOM "\",\"to\":\"" ID2
                 "\",\"data\":\"d%d\",\"re\":%d}",
                 i, i);
        memory_stack_say(world->stack, a, text);
    }
    relay_world_drain(world);
    for (int i = 0; i < 3; i++)
        expect_json(world, b,
                    "{\"action\":\"signal\",\"room\":\"" ROOM "\",\"from\":\"" ID1 "\",\"data\":\"d%d\"}", i);
    expect_silence(world, a);
    expect_silence(world, b);
    expect_silence(world, c);
    assert_int_equal(lm_relay_get_stats(world->relay)->signals_routed, 3);
}

static void signal_is_checked(void **state)
{
    static const char no_peer[] = ERROR("no-such-peer", "no such peer in that room now");
    static const char not_in[] = ERROR("not-in-room", "not in that room");
#define SIGNAL(room, to) "{\"action\":\"signal\",\"room\":\"" room "\",\"to\":\"" to "\",\"data\":\"\"}"
    static const exchange exchanges[] = {
        {"{\"action\":\"signal\",\"to\":\"" ID2 "\",\"data\":\"\"}",
         ERROR("bad-request", "room: 64 hex digits are needed")},
        {"{\"action\":\"signal\",\"room\":\"" ROOM "\",\"data\":\"\"}",
         ERROR("bad-request", "to: a peer id is needed")},
        {"{\"action\":\"signal\",\"room\":\"" ROOM "\",\"to\":5,\"data\":\"\"}",
         ERROR("bad-request", "to: a peer id is needed")},
        {"{\"action\":\"signal\",\"room\":\"" ROOM "\",\"to\":\"" ID2 "\"}",
         ERROR("bad-request", "data: a string is needed")},
        {"{\"action\":\"signal\",\"room\":\"" ROOM "\",\"to\":\"" ID2 "\",\"data\":{}}",
         ERROR("bad-request", "data: a string is needed")},
        {SIGNAL("3333333333333333333333333333333333333333333333333333333333333333", ID2),
         not_in},                     /* no room */
        {SIGNAL(ROOM2, ID2), not_in}, /* a room, but not the sender's */
        {SIGNAL(ROOM, ID2), no_peer}, /* a peer, but not in this room */
        {SIGNAL(ROOM, "AAAAAAAAAAAAAAAAAAAAAA"), no_peer},
        {SIGNAL(ROOM, ID1), no_peer}, /* itself */
        {SIGNAL(ROOM, "nobody"), no_peer},
        {SIGNAL(ROOM, ""), no_peer},
    };
    relay_world *world = *state;
    lm_session_id a = greet(world, 1), b = greet(world, 2);
    relay_world_say(world, a, JOIN(ROOM, ""));
    relay_world_say(world, b, JOIN(ROOM2, ""));
    memory_stack_discard(world->stack, a);
    memory_stack_discard(world->stack, b);
    expect_exchanges(world, a, exchanges, sizeof exchanges / sizeof exchanges[0]);
    expect_silence(world, b);
}

/* A signal with len copies of unit as its data. */
static const char *long_signal(char *text, size_t cap, const char *unit, size_t count)
{
    size_t len = (size_t)snprintf(
        text, cap, "{\"action\":\"signal\",\"room\":\"" ROOM "\",\"to\":\"" ID2 "\",\"data\":\"");
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, cap - len, "%s", unit);
    snprintf(text + len, cap - len, "\"}");
    assert_true(strlen(text) <= LM_WEBRTC_MESSAGE_MAX);
    return text;
}

static void signals_have_a_size(void **state)
{
    static char text[2 * LM_WEBRTC_MESSAGE_MAX];
    relay_world *world = *state;
    lm_session_id a = greet(world, 1), b = greet(world, 2);
    relay_world_say(world, a, JOIN(ROOM, ""));
    relay_world_say(world, b, JOIN(ROOM, ""));
    memory_stack_discard(world->stack, a);
    memory_stack_discard(world->stack, b);

    relay_world_say(world, a, long_signal(text, sizeof text, "x", LM_SIGNAL_DATA_MAX));
    const char *got = memory_stack_take(world->stack, b);
    assert_non_null(got);
    assert_int_equal(strlen(got), strlen(text) + strlen("from") - strlen("to"));
    relay_world_say(world, a, long_signal(text, sizeof text, "x", LM_SIGNAL_DATA_MAX + 1));
    expect_json(world, a, ERROR("too-large", "data: at most 49152 bytes"));

    /* Bytes count after the escapes are undone: 10,902 characters of six are as much as a message takes. */
    size_t rest = LM_WEBRTC_MESSAGE_MAX - strlen(long_signal(text, sizeof text, "x", 0));
    relay_world_say(world, a, long_signal(text, sizeof text, "\\u0001", rest / 6 - 1));
    got = memory_stack_take(world->stack, b);
    assert_non_null(got);
    assert_true(strlen(got) <= LM_WEBRTC_MESSAGE_MAX);

    /*
     * One that just fits on its way in, and is two bytes too long on its way out: `from` is longer than `to`.
     */
    long_signal(text, sizeof text, "\\u0001", rest / 6);
    size_t len = strlen(text);
    memset(text + len - 2, 'x', LM_WEBRTC_MESSAGE_MAX - len);
    strcpy(text + LM_WEBRTC_MESSAGE_MAX - 2, "\"}");
    relay_world_say(world, a, text);
    expect_json(world, a, ERROR("too-large", "data: with its escapes it fits no message"));
    expect_silence(world, b);
}

static void nodes_tells_of_this_one(void **state)
{
    relay_world *world = *state;
    lm_session_id session = greet(world, 1);
    lm_node_record_facts facts;
    uint64_t last_seq = 0;
    for (int minute = 0; minute < 3; minute++) {
        for (int again = 0; again < 2; again++) { /* the same for a minute, then a new one */
            relay_world_say(world, session, "{\"action\":\"nodes\",\"re\":5}");
            cJSON *json = cJSON_Parse(memory_stack_take(world->stack, session));
            const cJSON *nodes = cJSON_GetObjectItem(json, "nodes");
            assert_int_equal(cJSON_GetArraySize(nodes), 1);
            assert_int_equal(cJSON_GetObjectItem(json, "re")->valueint, 5);
            const char *record = cJSON_GetStringValue(cJSON_GetObjectItem(nodes->child, "record"));
            const char *sig = cJSON_GetStringValue(cJSON_GetObjectItem(nodes->child, "sig"));
            assert_int_equal(lm_node_record_verify(&facts, record, strlen(record), sig, strlen(sig),
                                                   RELAY_WORLD_UNIX_START + world->now),
                             LM_OK);
            assert_non_null(strstr(record, "\"features\":[\"signal\"]"));
            assert_true(facts.seq == RELAY_WORLD_UNIX_START + 1000 + (uint64_t)minute * 60000);
            assert_true(again == 0 || facts.seq == last_seq);
            last_seq = facts.seq;
            cJSON_Delete(json);
            relay_world_advance(world, again == 0 ? 59999 : 1);
        }
    }
    /* A clock that is set back a little does not bring an older record. */
    lm_relay_set_unix_time(world->relay, world->now, last_seq - 1000);
    assert_non_null(lm_own_node_record(&world->relay->node, world->now));
    assert_true(world->relay->node.record_seq == last_seq + 1);
    /* One that stood hours ahead is forgotten: nobody took its records. */
    relay_world_advance(world, 60000);
    lm_relay_set_unix_time(world->relay, world->now, 1000);
    assert_non_null(lm_own_node_record(&world->relay->node, world->now));
    assert_true(world->relay->node.record_seq == 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(hello_is_welcomed),
        TEST(hello_without_a_key_draws_an_id),
        TEST(hello_is_checked),
        TEST(hello_comes_first),
        TEST(bad_json_is_answered),
        TEST(actions_are_checked),
        TEST(re_is_echoed),
        TEST(ping_echoes_t),
        TEST(joining_meets_the_others),
        TEST(join_is_checked),
        TEST(leaving_is_told),
        TEST(signals_are_routed),
        TEST(signal_is_checked),
        TEST(signals_have_a_size),
        TEST(nodes_tells_of_this_one),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
