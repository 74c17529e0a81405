#include "webrtc/stack.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/table.h"
#include "webrtc/admission.h"
#include "webrtc/credentials.h"
#include "webrtc/demux.h"
#include "webrtc/handshake_backlog.h"
#include "webrtc/session.h"
#include "webrtc/tombstones.h"

typedef struct lm_stack {
    lm_webrtc base;
    lm_session_env env;
    lm_credentials credentials;
    lm_random random;
    lm_admission admission;
    lm_tombstones tombstones; /* clients whose session is over */
    lm_handshake_backlog backlog;
    uint32_t max_sessions;
    lm_session_id last_id;
    lm_session *by_id;
    lm_session *by_key;
    lm_log_limit full_limit; /* of the warning that all sessions are taken */
} lm_stack;

static lm_session *find_session(const lm_stack *stack, lm_session_id id)
{
    lm_session *session;
    HASH_FIND(hh_id, stack->by_id, &id, sizeof id, session);
    return session;
}

static void remove_session(lm_stack *stack, lm_session *session)
{
    HASH_DELETE(hh_id, stack->by_id, session);
    HASH_DELETE(hh_key, stack->by_key, session);
    lm_session_destroy(session);
}

/* Settles every session that this call has touched. */
static void settle(lm_stack *stack, lm_ms now)
{
    while (stack->env.unsettled != NULL) {
        lm_session *session = stack->env.unsettled;
        stack->env.unsettled = session->next_unsettled;
        session->unsettled = false;
        if (!lm_session_settle(session, now))
            continue;
        if (lm_session_is_spent(session))
            lm_tombstones_add(&stack->tombstones, now, session->key, session->key_len);
        remove_session(stack, session);
    }
}

static lm_session *add_session(lm_stack *stack, lm_ms now, const uint8_t *key, size_t key_len)
{
    lm_session *s = lm_session_create(&stack->env, ++stack->last_id, now, key, key_len);
    if (s == NULL)
        return NULL;
    HASH_ADD(hh_id, stack->by_id, id, sizeof s->id, s);
    if (s->hh_id.tbl == NULL) {
        lm_session_destroy(s);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh_key, stack->by_key, s->key, s->key_len, s);
    if (s->hh_key.tbl == NULL) {
        HASH_DELETE(hh_id, stack->by_id, s);
        lm_session_destroy(s);
        return NULL;
    }
    return s;
}

/*
 * True when a session other than this client's has been checking on the address pair of late. Whoever knows
 * the relay's config can forge a check's source; it must not take the address away from a session that lives
 * there.
 */
static bool path_is_taken(const lm_stack *stack, lm_ms now, const lm_dgram *in, const uint8_t *key,
                          size_t key_len)
{
    const lm_path *path = lm_path_find(&stack->env.paths, &in->remote, &in->local);
    return path != NULL && now < path->checked + LM_PATH_KEPT &&
           (path->session->key_len != key_len || memcmp(path->session->key, key, key_len) != 0);
}

/*
 * The session of the client that sent a valid check; a new one for a newcomer. NULL when there is no place
 * for one or the client's session is over, with *verdict set to the answer that says so, or memory has run
 * out.
 */
static lm_session *session_of(lm_stack *stack, lm_ms now, const uint8_t *key, size_t key_len,
                              const lm_addr *remote, lm_ice_verdict *verdict)
{
    lm_session *session;

    HASH_FIND(hh_key, stack->by_key, key, key_len, session);
    if (session != NULL)
        return session;
    if (lm_tombstones_has(&stack->tombstones, now, key, key_len)) {
        stack->env.stats.drops.zombie++;
        *verdict = LM_ICE_GONE;
        return NULL;
    }
    *verdict = LM_ICE_FULL;
    if (stack->env.stats.sessions >= stack->max_sessions) {
        uint64_t more;
        stack->env.stats.drops.session_limit++;
        /* A stack that takes no newcomers has been told so: there is nothing to warn of. */
        if (stack->max_sessions > 0 && lm_log_allow(&stack->full_limit, now, 60000, &more))
            LM_LOGW(stack->env.log,
                    "all %u sessions are taken: newcomers are refused (%llu since the last such line)",
                    (unsigned)stack->max_sessions, (unsigned long long)more);
        return NULL;
    }
    if (!lm_admission_take(&stack->admission, now, remote)) {
        stack->env.stats.drops.session_rate++;
        return NULL;
    }
    return add_session(stack, now, key, key_len);
}

static void count_verdict(lm_stack *stack, lm_ice_verdict verdict)
{
    switch (verdict) {
    case LM_ICE_VALID:
    case LM_ICE_STUN:
        stack->env.stats.stun_requests++;
        break;
    case LM_ICE_BAD_REQUEST:
    case LM_ICE_WRONG_MAC:
        stack->env.stats.drops.stun_integrity++;
        break;
    case LM_ICE_WRONG_UFRAG:
        stack->env.stats.drops.stun_ufrag++;
        break;
    case LM_ICE_UNKNOWN:
        stack->env.stats.drops.stun_attribute++;
        break;
    case LM_ICE_CONFLICT:
        stack->env.stats.drops.stun_class++;
        break;
    case LM_ICE_FULL: /* counted where the limit is known */
    case LM_ICE_GONE: /* counted where the session is known to be over */
        break;
    }
}

/*
 * Judges a request by the present credentials; where it does not hold by them, but by those before, it is
 * good if it comes from a client that has a session. Returns the ones to answer with.
 */
static const lm_ice_credentials *judge(const lm_stack *stack, const lm_stun_msg *request,
                                       lm_ice_verdict *verdict)
{
    const lm_credentials *credentials = &stack->credentials;
    uint8_t key[LM_ICE_CLIENT_KEY_MAX];
    lm_session *session;

    *verdict = lm_ice_lite_judge(&credentials->now, request);
    if ((*verdict != LM_ICE_WRONG_UFRAG && *verdict != LM_ICE_WRONG_MAC) ||
        credentials->before.ufrag == NULL || lm_ice_lite_judge(&credentials->before, request) != LM_ICE_VALID)
        return &credentials->now;
    size_t key_len = lm_ice_lite_client_key(request, key);
    HASH_FIND(hh_key, stack->by_key, key, key_len, session);
    if (session == NULL)
        return &credentials->now;
    *verdict = LM_ICE_VALID;
    return &credentials->before;
}

/*
 * True when an answer may go to an address that could be forged: while newcomers need a cookie, nobody gets
 * more bytes than came from there, so that a bare request of 20 bytes gets none of 40.
 */
static bool may_answer(const lm_stack *stack, const lm_session *session, const lm_dgram *in, size_t len)
{
    return in->remote.transport != LM_UDP || len <= in->len ||
           stack->env.half_open < stack->env.cookie_threshold || (session != NULL && session->proven);
}

static int input_stun(lm_stack *stack, lm_ms now, const lm_dgram *in)
{
    uint8_t answer[LM_STUN_ANSWER_MAX];
    lm_stun_msg request;
    lm_session *session = NULL;
    int result = LM_OK;

    if (lm_stun_parse(&request, in->data, in->len) != LM_OK) {
        stack->env.stats.drops.stun_malformed++;
        return LM_OK;
    }
    if (request.class != LM_STUN_REQUEST || request.method != LM_STUN_BINDING) {
        stack->env.stats.drops.stun_class++;
        return LM_OK;
    }
    lm_ice_verdict verdict;
    const lm_ice_credentials *credentials = judge(stack, &request, &verdict);
    if (verdict == LM_ICE_VALID) {
        uint8_t key[LM_ICE_CLIENT_KEY_MAX];
        size_t key_len = lm_ice_lite_client_key(&request, key);
        if (path_is_taken(stack, now, in, key, key_len)) {
            stack->env.stats.drops.path_taken++;
            return LM_OK; /* no answer: should the address have changed hands, the newcomer's next checks come
                             in time */
        }
        session = session_of(stack, now, key, key_len, &in->remote, &verdict);
        if (session != NULL) {
            verdict = LM_ICE_VALID;
            result = lm_session_check(session, now, &in->remote, &in->local, request.use_candidate);
            if (session->state == LM_SESSION_ENDED) {
                stack->env.stats.drops.zombie++;
                verdict = LM_ICE_GONE;
            }
            lm_session_unsettle(session);
        }
    }
    count_verdict(stack, verdict);
    int len = lm_ice_lite_answer(credentials, verdict, &request, &in->remote, answer);
    if (len > 0 && !may_answer(stack, session, in, (size_t)len)) {
        stack->env.stats.drops.unproven++;
        len = 0;
    } else if (len < 0 || lm_output_queue_send(&stack->env.outputs, &in->remote, &in->local, answer,
                                               (size_t)len) != LM_OK) {
        stack->env.stats.drops.output_full++;
    }
    if (session != NULL) {
        session->unproven_in += in->len;
        session->unproven_out += len > 0 ? (uint64_t)len : 0;
    }
    return result;
}

static void wait_in_backlog(lm_stack *stack, const lm_dgram *in)
{
    if (lm_handshake_backlog_put(&stack->backlog, in) != LM_OK) /* this one, or an older one for it */
        stack->env.stats.drops.dtls_backlog++;
}

static void input_dtls(lm_stack *stack, lm_ms now, const lm_dgram *in)
{
    lm_path *path = lm_path_find(&stack->env.paths, &in->remote, &in->local);
    if (path == NULL) {
        stack->env.stats.drops.dtls_no_path++;
        return;
    }
    lm_session *session = path->session;
    lm_session_unsettle(session);
    if (lm_session_input(session, now, path, in->data, in->len) == LM_EAGAIN)
        wait_in_backlog(stack, in);
}

/*
 * A turn's worth of handshakes: all of them wait for this, also when nobody is before them, so that a turn
 * which takes in many datagrams takes no more steps than another.
 */
static void work_off_backlog(lm_stack *stack, lm_ms now)
{
    lm_dgram in;
    stack->env.handshake_steps = LM_STACK_HANDSHAKE_STEPS;
    while (stack->env.handshake_steps > 0 && lm_handshake_backlog_take(&stack->backlog, &in) == 1) {
        input_dtls(stack, now, &in);
        settle(stack, now);
    }
    stack->env.handshake_steps = 0;
}

static int stack_input(lm_webrtc *base, lm_ms now, const lm_dgram *in)
{
    lm_stack *stack = (lm_stack *)base;
    lm_webrtc_stats *stats = &stack->env.stats;
    int result = LM_OK;

    stats->datagrams_in++;
    stats->bytes_in += in->len;
    if (in->len == 0) {
        stats->drops.empty++;
        return LM_OK;
    }
    switch (lm_demux(in->data[0])) {
    case LM_DEMUX_STUN:
        result = input_stun(stack, now, in);
        break;
    case LM_DEMUX_DTLS:
        input_dtls(stack, now, in);
        break;
    case LM_DEMUX_TURN_CHANNEL:
        stats->drops.turn++;
        break;
    case LM_DEMUX_SRTP:
        stats->drops.srtp++;
        break;
    case LM_DEMUX_UNKNOWN:
        stats->drops.not_ours++;
        break;
    }
    settle(stack, now);
    return result;
}

static int stack_poll(lm_webrtc *base, lm_webrtc_output *out)
{
    lm_stack *stack = (lm_stack *)base;
    if (lm_output_queue_take(&stack->env.outputs, out) == 0)
        return 0;
    if (out->kind == LM_WEBRTC_SEND) {
        stack->env.stats.datagrams_out++;
        stack->env.stats.bytes_out += out->send.len;
    }
    return 1;
}

static lm_ms stack_next_timeout(const lm_webrtc *base)
{
    const lm_stack *stack = (const lm_stack *)base;
    if (stack->backlog.count > 0)
        return 0; /* at once, after what else there is to do in this turn */
    return lm_ms_min(lm_deadlines_next(&stack->env.deadlines), lm_sctp_next_timeout());
}

static void stack_timeout(lm_webrtc *base, lm_ms now)
{
    lm_stack *stack = (lm_stack *)base;
    if (now >= lm_sctp_next_timeout())
        lm_sctp_timeout(now);
    settle(stack, now);
    for (lm_deadline *due; (due = lm_deadlines_pop(&stack->env.deadlines, now)) != NULL;) {
        lm_session *session = due->owner;
        lm_session_timeout(session, now);
        lm_session_unsettle(session);
        settle(stack, now);
    }
    if (stack->backlog.count > 0)
        work_off_backlog(stack, now);
}

static int stack_send(lm_webrtc *base, lm_ms now, lm_session_id id, const char *text, size_t len)
{
    lm_stack *stack = (lm_stack *)base;
    lm_session *session = find_session(stack, id);
    if (session == NULL)
        return LM_ENOTFOUND;
    int result = lm_session_send(session, now, (const uint8_t *)text, len);
    settle(stack, now);
    return result;
}

static int stack_close(lm_webrtc *base, lm_ms now, lm_session_id id)
{
    lm_stack *stack = (lm_stack *)base;
    lm_session *session = find_session(stack, id);
    if (session == NULL)
        return LM_ENOTFOUND;
    lm_session_end(session, LM_CLOSE_LOCAL);
    settle(stack, now);
    return LM_OK;
}

static int stack_remote(const lm_webrtc *base, lm_session_id id, lm_addr *addr)
{
    const lm_session *session = find_session((const lm_stack *)base, id);
    if (session == NULL || session->route == NULL)
        return LM_ENOTFOUND;
    *addr = session->route->ends.remote;
    return LM_OK;
}

static lm_ms stack_heard(const lm_webrtc *base, lm_session_id id)
{
    const lm_session *session = find_session((const lm_stack *)base, id);
    return session != NULL ? session->heard : 0;
}

static void stack_path_closed(lm_webrtc *base, const lm_addr *remote, const lm_addr *local)
{
    lm_path *path = lm_path_find(&((lm_stack *)base)->env.paths, remote, local);
    if (path != NULL)
        lm_session_path_closed(path->session, path);
}

static bool stack_has_path(const lm_webrtc *base, const lm_addr *remote, const lm_addr *local)
{
    return lm_path_find(&((const lm_stack *)base)->env.paths, remote, local) != NULL;
}

static const lm_webrtc_stats *stack_stats(const lm_webrtc *base)
{
    return &((const lm_stack *)base)->env.stats;
}

static void stack_set_limits(lm_webrtc *base, const lm_webrtc_limits *limits)
{
    lm_stack *stack = (lm_stack *)base;
    stack->max_sessions = limits->max_sessions;
    stack->admission.rate = limits->session_rate;
    stack->admission.burst = limits->session_burst;
    stack->env.session_ttl = limits->session_ttl;
}

static int stack_set_identity(lm_webrtc *base, const lm_webrtc_identity *identity)
{
    lm_stack *stack = (lm_stack *)base;
    lm_dtls_server *dtls;
    int result = lm_dtls_server_create(&dtls, identity->cert_der, identity->cert_len, identity->key_der,
                                       identity->key_len, &stack->random);
    if (result != LM_OK)
        return result;
    result = lm_credentials_set(&stack->credentials, identity->ufrag, identity->pwd);
    if (result != LM_OK) {
        lm_dtls_server_destroy(dtls);
        return result;
    }
    lm_dtls_server_destroy(stack->env.dtls); /* its connections keep it */
    stack->env.dtls = dtls;
    return LM_OK;
}

static void destroy(lm_stack *stack)
{
    lm_session *session, *next;
    HASH_ITER(hh_id, stack->by_id, session, next) {
        remove_session(stack, session);
    }
    lm_output_queue_clear(&stack->env.outputs);
    lm_handshake_backlog_clear(&stack->backlog);
    lm_deadlines_clear(&stack->env.deadlines);
    lm_admission_clear(&stack->admission);
    lm_tombstones_clear(&stack->tombstones);
    lm_dtls_server_destroy(stack->env.dtls);
    lm_credentials_clear(&stack->credentials);
    free(stack);
}

static void stack_destroy(lm_webrtc *base)
{
    destroy((lm_stack *)base);
    lm_sctp_stop();
}

static const lm_webrtc_ops stack_ops = {
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

int lm_stack_create(lm_webrtc **out, const lm_stack_config *config)
{
    if (config->limits.max_sessions == 0)
        return LM_EINVAL;
    lm_stack *stack = calloc(1, sizeof *stack);
    if (stack == NULL)
        return LM_ENOMEM;
    stack->base.ops = &stack_ops;
    stack->env.log = config->log;
    stack->random = config->random;
    stack->env.cookie_threshold = config->cookie_threshold;
    stack->env.pending_max = config->send_queues > 0 ? config->send_queues : LM_WEBRTC_SEND_QUEUES_MAX;
    lm_hello_cookie_init(&stack->env.cookie, &stack->random);
    lm_tombstones_init(&stack->tombstones, &stack->random);
    stack_set_limits(&stack->base, &config->limits);

    int error = stack_set_identity(&stack->base, &config->identity);
    if (error == LM_OK)
        error = lm_sctp_start();
    if (error != LM_OK) {
        destroy(stack);
        return error;
    }
    *out = &stack->base;
    return LM_OK;
}
