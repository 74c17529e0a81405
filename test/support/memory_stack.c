#include "test/support/memory_stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "common/error.h"

#define SESSIONS_MAX 4096

/* A message either way, or an event on its way to the relay. */
typedef struct item {
    lm_webrtc_output event;
    char *data; /* owned, NUL-terminated; NULL if there is none */
    size_t len;
    struct item *prev, *next;
} item;

typedef struct session {
    bool ended;
    bool reading;
    lm_ms heard;   /* LM_MS_NEVER: all the time */
    size_t queued; /* bytes sent since it stopped reading */
    item *sent;    /* by the relay, in order */
    item *taken;   /* lent to the test */
    item *closed;  /* the event of its end, made in advance: closing needs no memory */
} session;

typedef struct memory_stack {
    lm_webrtc base; /* first: the handle points here */
    session *sessions[SESSIONS_MAX];
    size_t session_count; /* ids are 1 … session_count */
    item *events;
    item *lent; /* the event that the relay looks at */
    lm_ms timeout;
    lm_webrtc_stats stats;
    char pwd[257];           /* of the last identity that was set */
    lm_webrtc_limits limits; /* the last that were set; sessions open by the test's word alone */
} memory_stack;

static memory_stack *from(lm_webrtc *stack)
{
    return (memory_stack *)stack;
}

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static void free_item(item *it)
{
    if (it != NULL)
        free(it->data);
    free(it);
}

/* NULL if memory ran out. */
static item *new_item(lm_webrtc_output_kind kind, lm_session_id id, const void *data, size_t len)
{
    item *it = calloc(1, sizeof *it);
    char *copy = malloc(len + 1);
    if (it == NULL || copy == NULL) {
        free(it);
        free(copy);
        return NULL;
    }
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    it->event.kind = kind;
    it->event.session = id;
    it->data = copy;
    it->len = len;
    return it;
}

/* The session of this id, which must have been opened once. */
static session *find(const memory_stack *stack, lm_session_id id)
{
    if (id == LM_SESSION_NONE || id > stack->session_count)
        abort();
    return stack->sessions[id - 1];
}

static void end(memory_stack *stack, session *s, lm_close_reason reason)
{
    s->ended = true;
    s->closed->event.closed = reason;
    DL_APPEND(stack->events, s->closed);
    s->closed = NULL;
    stack->stats.sessions_open--;
    stack->stats.closed[reason]++;
}

static void stack_destroy(lm_webrtc *base)
{
    memory_stack *stack = from(base);
    item *it, *next;
    for (size_t i = 0; i < stack->session_count; i++) {
        session *s = stack->sessions[i];
        DL_FOREACH_SAFE(s->sent, it, next) {
            free_item(it);
        }
        free_item(s->taken);
        free_item(s->closed);
        free(s);
    }
    DL_FOREACH_SAFE(stack->events, it, next) {
        free_item(it);
    }
    free_item(stack->lent);
    free(stack);
}

static int stack_input(lm_webrtc *base, lm_ms now, const lm_dgram *in)
{
    (void)now;
    item *it = new_item(LM_WEBRTC_SEND, LM_SESSION_NONE, in->data, in->len);
    if (it == NULL)
        return LM_ENOMEM;
    it->event.send = *in;
    it->event.send.data = (const uint8_t *)it->data;
    DL_APPEND(from(base)->events, it);
    from(base)->stats.datagrams_in++;
    return LM_OK;
}

static int stack_poll(lm_webrtc *base, lm_webrtc_output *out)
{
    memory_stack *stack = from(base);
    free_item(stack->lent);
    stack->lent = stack->events;
    if (stack->lent == NULL)
        return 0;
    DL_DELETE(stack->events, stack->lent);
    *out = stack->lent->event;
    return 1;
}

static lm_ms stack_next_timeout(const lm_webrtc *base)
{
    return ((const memory_stack *)base)->timeout;
}

static void stack_timeout(lm_webrtc *base, lm_ms now)
{
    if (from(base)->timeout <= now)
        from(base)->timeout = LM_MS_NEVER;
}

static int stack_send(lm_webrtc *base, lm_ms now, lm_session_id id, const char *text, size_t len)
{
    memory_stack *stack = from(base);
    session *s = find(stack, id);
    (void)now;
    if (s->ended)
        return LM_ENOTFOUND;
    if (len > LM_WEBRTC_MESSAGE_MAX)
        return LM_ETOOBIG;
    if (!s->reading && s->queued + len > LM_WEBRTC_SEND_QUEUE_MAX) {
        end(stack, s, LM_CLOSE_SLOW_READER);
        return LM_ELIMIT;
    }
    item *it = new_item(LM_WEBRTC_MESSAGE, id, text, len);
    if (it == NULL)
        return LM_ENOMEM;
    s->queued += s->reading ? 0 : len;
    DL_APPEND(s->sent, it);
    stack->stats.messages_out++;
    return LM_OK;
}

static int stack_close(lm_webrtc *base, lm_ms now, lm_session_id id)
{
    session *s = find(from(base), id);
    (void)now;
    if (s->ended)
        return LM_ENOTFOUND;
    end(from(base), s, LM_CLOSE_LOCAL);
    return LM_OK;
}

static int stack_remote(const lm_webrtc *base, lm_session_id id, lm_addr *addr)
{
    if (find((const memory_stack *)base, id)->ended)
        return LM_ENOTFOUND;
    return lm_addr_parse(addr, "192.0.2.1:9");
}

static lm_ms stack_heard(const lm_webrtc *base, lm_session_id id)
{
    return find((const memory_stack *)base, id)->heard;
}

static void stack_path_closed(lm_webrtc *base, const lm_addr *remote, const lm_addr *local)
{
    (void)base, (void)remote, (void)local;
}

static bool stack_has_path(const lm_webrtc *base, const lm_addr *remote, const lm_addr *local)
{
    (void)base, (void)remote, (void)local;
    return false;
}

static const lm_webrtc_stats *stack_stats(const lm_webrtc *base)
{
    return &((const memory_stack *)base)->stats;
}

static void stack_set_limits(lm_webrtc *base, const lm_webrtc_limits *limits)
{
    from(base)->limits = *limits;
}

static int stack_set_identity(lm_webrtc *base, const lm_webrtc_identity *identity)
{
    if (strlen(identity->pwd) < 22)
        return LM_EINVAL;
    snprintf(from(base)->pwd, sizeof from(base)->pwd, "%s", identity->pwd);
    return LM_OK;
}

lm_webrtc *memory_stack_create(void)
{
    static const lm_webrtc_ops ops = {
        .destroy = stack_destroy,
        .input = stack_input,
        .poll = stack_poll,
        .next_timeout = stack_next_timeout,
        .timeout = stack_timeout,
        .send = stack_send,
        .close = stack_close,
        .remote = stack_remote,
        .heard = stack_heard,
        .path_closed = stack_path_closed,
        .has_path = stack_has_path,
        .stats = stack_stats,
        .set_limits = stack_set_limits,
        .set_identity = stack_set_identity,
    };
    memory_stack *stack = must(calloc(1, sizeof *stack));
    stack->base.ops = &ops;
    stack->timeout = LM_MS_NEVER;
    stack->limits.max_sessions = SESSIONS_MAX;
    return &stack->base;
}

lm_session_id memory_stack_open(lm_webrtc *base)
{
    memory_stack *stack = from(base);
    if (stack->session_count == SESSIONS_MAX)
        abort();
    session *s = must(calloc(1, sizeof *s));
    stack->sessions[stack->session_count++] = s;
    lm_session_id id = stack->session_count;
    item *opened = must(new_item(LM_WEBRTC_OPEN, id, NULL, 0));
    s->closed = must(new_item(LM_WEBRTC_CLOSED, id, NULL, 0));
    s->reading = true;
    s->heard = LM_MS_NEVER;
    DL_APPEND(stack->events, opened);
    stack->stats.sessions_open++;
    return id;
}

void memory_stack_say(lm_webrtc *stack, lm_session_id id, const char *text)
{
    memory_stack_say_bytes(stack, id, text, strlen(text), false);
}

void memory_stack_say_bytes(lm_webrtc *stack, lm_session_id id, const void *data, size_t len, bool binary)
{
    if (find(from(stack), id)->ended)
        return;
    item *it = must(new_item(LM_WEBRTC_MESSAGE, id, data, len));
    /* Without the NUL, so that a sanitizer sees a read past the end. */
    it->data = must(realloc(it->data, len > 0 ? len : 1));
    it->event.message.data = it->data;
    it->event.message.len = len;
    it->event.message.binary = binary;
    DL_APPEND(from(stack)->events, it);
    from(stack)->stats.messages_in++;
}

void memory_stack_end(lm_webrtc *stack, lm_session_id id, lm_close_reason reason)
{
    session *s = find(from(stack), id);
    if (!s->ended)
        end(from(stack), s, reason);
}

void memory_stack_set_reading(lm_webrtc *stack, lm_session_id id, bool reading)
{
    session *s = find(from(stack), id);
    s->reading = reading;
    s->queued = 0;
}

void memory_stack_set_heard(lm_webrtc *stack, lm_session_id id, lm_ms at)
{
    find(from(stack), id)->heard = at;
}

const char *memory_stack_take(lm_webrtc *stack, lm_session_id id)
{
    session *s = find(from(stack), id);
    free_item(s->taken);
    s->taken = s->sent;
    if (s->taken == NULL)
        return NULL;
    DL_DELETE(s->sent, s->taken);
    return s->taken->data;
}

size_t memory_stack_discard(lm_webrtc *stack, lm_session_id id)
{
    size_t count = 0;
    while (memory_stack_take(stack, id) != NULL)
        count++;
    return count;
}

bool memory_stack_ended(const lm_webrtc *stack, lm_session_id id)
{
    return find((const memory_stack *)stack, id)->ended;
}

void memory_stack_set_timeout(lm_webrtc *stack, lm_ms at)
{
    from(stack)->timeout = at;
}

const lm_webrtc_limits *memory_stack_limits(const lm_webrtc *stack)
{
    return &((const memory_stack *)stack)->limits;
}

const char *memory_stack_pwd(const lm_webrtc *stack)
{
    return ((const memory_stack *)stack)->pwd;
}
