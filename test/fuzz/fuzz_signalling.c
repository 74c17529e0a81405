/*
 * A script of clients that talk to a relay. Each line is one step: its first byte says what happens, its
 * second to which of eight clients (the low three bits; a client that is away comes first), the rest is the
 * argument:
 *
 *     m0{"action":"ping"}    says a text message      e0    ends its session      t4    10^4 ms go by
 *     b0{"action":"ping"}    says a binary one        s0    falls silent          q0    the relay shuts down
 *     h0k                    says hello with key k    d0    stops reading        r0    the relay drains
 *
 * Whatever they do, the relay's tables must agree, and every message that it sends must be a JSON object in
 * UTF-8.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/json_text.h"
#include "test/support/relay_world.h"

#define CLIENTS 8
#define STEPS_MAX 1000 /* keeps one input short */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

typedef struct script {
    relay_world world;
    lm_session_id clients[CLIENTS]; /* LM_SESSION_NONE: away */
} script;

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    abort();
}

/* Small limits, so that a short script can reach them. */
static void begin(script *s)
{
    const lm_relay_limits limits = {
        .room_size = 3,
        .rooms_per_session = 4,
        .message_rate = 10,
        .message_burst = 64,
        .resume = 15000,
    };
    *s = (script){0};
    if (sodium_init() < 0 || relay_world_create(&s->world, &limits, 1) != LM_OK)
        fail("no relay");
}

/* Everything that was said to a client is well-formed. */
static void read_all(const script *s, lm_session_id session)
{
    for (const char *text; (text = memory_stack_take(s->world.stack, session)) != NULL;) {
        cJSON *json = NULL;
        if (strlen(text) > LM_WEBRTC_MESSAGE_MAX ||
            lm_json_parse_object(&json, text, strlen(text), 8) != LM_OK)
            fail(text);
        cJSON_Delete(json);
    }
}

static lm_session_id client(script *s, unsigned index)
{
    lm_session_id *session = &s->clients[index];
    if (*session == LM_SESSION_NONE || memory_stack_ended(s->world.stack, *session)) {
        if (*session != LM_SESSION_NONE)
            read_all(s, *session);
        *session = memory_stack_open(s->world.stack);
    }
    return *session;
}

static void advance(script *s, unsigned power)
{
    lm_ms ms = 1;
    while (power-- > 0)
        ms *= 10;
    relay_world_advance(&s->world, ms);
}

static void step(script *s, char op, unsigned index, const uint8_t *argument, size_t len)
{
    char hello[RELAY_WORLD_HELLO_MAX];
    lm_webrtc *stack = s->world.stack;
    switch (op) {
    case 'm':
    case 'b':
        memory_stack_say_bytes(stack, client(s, index), argument, len, op == 'b');
        break;
    case 'h':
        memory_stack_say(stack, client(s, index), relay_world_hello_text(hello, len > 0 ? argument[0] : 0));
        break;
    case 'e':
        memory_stack_end(stack, client(s, index), LM_CLOSE_REMOTE);
        break;
    case 's':
        memory_stack_end(stack, client(s, index), LM_CLOSE_CONSENT);
        break;
    case 'd':
        memory_stack_set_reading(stack, client(s, index), false);
        break;
    case 't':
        advance(s, index);
        break;
    case 'r':
        lm_relay_drain(s->world.relay, s->world.now);
        break;
    case 'q':
        lm_relay_shut_down(s->world.relay, s->world.now);
        break;
    default:
        break;
    }
    relay_world_drain(&s->world);
    const char *fault = relay_world_fault(&s->world);
    if (fault != NULL)
        fail(fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    script s;
    begin(&s);
    for (int steps = 0; steps < STEPS_MAX && len > 0; steps++) {
        const uint8_t *newline = memchr(data, '\n', len);
        size_t line = newline != NULL ? (size_t)(newline - data) : len;
        if (line >= 2)
            step(&s, (char)data[0], data[1] & (CLIENTS - 1), data + 2, line - 2);
        line += newline != NULL;
        data += line;
        len -= line;
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        if (s.clients[i] != LM_SESSION_NONE)
            read_all(&s, s.clients[i]);
    }
    relay_world_destroy(&s.world);
    return 0;
}
