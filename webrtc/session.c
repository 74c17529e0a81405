#include "webrtc/session.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/error.h"
#include "webrtc/client_hello.h"
#include "webrtc/dcep.h"

/* Longest plaintext of a record taken, in bytes: nobody's path carries a datagram this long in one piece. */
#define PLAINTEXT_MAX 2048

_Static_assert(LM_SCTP_STREAMS <= 32, "lm_session.closing has a bit for each stream");

typedef struct lm_pending {
    struct lm_pending *next;
    size_t len;
    uint8_t bytes[];
} lm_pending;

static const lm_sctp_handler sctp_handler;

const char *lm_session_state_name(lm_session_state state)
{
    switch (state) {
    case LM_SESSION_NEW:
        return "new";
    case LM_SESSION_HANDSHAKING:
        return "handshaking";
    case LM_SESSION_CONNECTED:
        return "connected";
    case LM_SESSION_OPEN:
        return "open";
    case LM_SESSION_ENDED:
        return "ended";
    }
    return "unknown";
}

static void set_state(lm_session *s, lm_session_state state)
{
    if (s->state == state)
        return;
    LM_LOGD(s->env->log, "session %llu: %s -> %s", (unsigned long long)s->id, lm_session_state_name(s->state),
            lm_session_state_name(state));
    s->env->stats.sessions_open += state == LM_SESSION_OPEN;
    s->env->stats.sessions_open -= s->state == LM_SESSION_OPEN;
    s->state = state;
}

lm_session *lm_session_create(lm_session_env *env, lm_session_id id, lm_ms now, const uint8_t *key,
                              size_t key_len)
{
    lm_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->key = malloc(key_len);
    if (s->key == NULL) {
        free(s);
        return NULL;
    }
    memcpy(s->key, key, key_len);
    s->key_len = key_len;
    s->id = id;
    s->env = env;
    s->now = s->created = s->checked = s->heard = now;
    s->deadline.owner = s;
    env->stats.sessions++;
    env->stats.sessions_created++;
    return s;
}

static void set_half_open(lm_session *s, bool half_open)
{
    s->env->half_open += half_open;
    s->env->half_open -= s->half_open;
    s->half_open = half_open;
}

/* The first of the pending messages has gone, or goes with the session. */
static void drop_first(lm_session *s)
{
    lm_pending *message = s->pending_first;
    s->pending_bytes -= sizeof *message + message->len;
    s->env->pending_bytes -= sizeof *message + message->len;
    s->pending_first = message->next;
    free(message);
    if (s->pending_first != NULL)
        return;
    s->pending_last = NULL;
    if (s->waited_on)
        DL_DELETE2(s->env->waited_on, s, waited_prev, waited_next);
    s->waited_on = false;
}

void lm_session_destroy(lm_session *s)
{
    set_half_open(s, false);
    lm_sctp_close(s->sctp);
    lm_dtls_destroy(s->dtls);
    while (s->pending_first != NULL)
        drop_first(s);
    for (lm_path *next; s->paths != NULL; s->paths = next) {
        next = s->paths->next;
        lm_path_remove(&s->env->paths, s->paths);
    }
    lm_deadlines_remove(&s->env->deadlines, &s->deadline);
    set_state(s, LM_SESSION_ENDED);
    s->env->stats.sessions--;
    free(s->key);
    free(s);
}

void lm_session_unsettle(lm_session *s)
{
    if (s->unsettled)
        return;
    s->unsettled = true;
    s->next_unsettled = s->env->unsettled;
    s->env->unsettled = s;
}

void lm_session_end(lm_session *s, lm_close_reason reason)
{
    if (s->state == LM_SESSION_ENDED)
        return;
    s->reason = reason;
    if (s->state == LM_SESSION_OPEN) {
        s->env->stats.closed[reason]++;
        /* Without memory for the event nobody above would learn of it: the last resort is the log. */
        if (lm_output_queue_closed(&s->env->outputs, s->id, reason) != LM_OK)
            LM_LOGE(s->env->log, "out of memory: the end of session %llu is not reported",
                    (unsigned long long)s->id);
    }
    set_state(s, LM_SESSION_ENDED);
    lm_session_unsettle(s);
}

bool lm_session_is_spent(const lm_session *s)
{
    return s->zombie || s->dtls != NULL;
}

static void end_as_zombie(lm_session *s)
{
    s->zombie = true;
    lm_session_end(s, LM_CLOSE_HANDSHAKE);
}

/* --- paths --- */

/* The path that was checked last, NULL if there is none. */
static lm_path *latest_path(const lm_session *s)
{
    lm_path *latest = s->paths;
    for (lm_path *path = s->paths; path != NULL; path = path->next)
        if (path->checked > latest->checked)
            latest = path;
    return latest;
}

static void forget_path(lm_session *s, lm_path *path)
{
    lm_path **link = &s->paths;
    while (*link != path)
        link = &(*link)->next;
    *link = path->next;
    s->path_count--;
    if (s->route == path) {
        s->route = latest_path(s);
        s->nominated = false;
    }
    lm_path_remove(&s->env->paths, path);
}

void lm_session_path_closed(lm_session *s, lm_path *path)
{
    forget_path(s, path);
}

/* Makes room for one more path. */
static void forget_oldest_path(lm_session *s)
{
    lm_path *oldest = NULL;
    for (lm_path *path = s->paths; path != NULL; path = path->next)
        if (path != s->route && (oldest == NULL || path->checked < oldest->checked))
            oldest = path;
    if (oldest != NULL)
        forget_path(s, oldest);
}

int lm_session_check(lm_session *s, lm_ms now, const lm_addr *remote, const lm_addr *local,
                     bool use_candidate)
{
    lm_path *path = lm_path_find(&s->env->paths, remote, local);
    s->now = now;
    if (path != NULL && path->session != s) { /* a NAT has given the address to another client */
        forget_path(path->session, path);
        path = NULL;
    }
    if (path == NULL) {
        if (s->path_count == LM_SESSION_PATHS)
            forget_oldest_path(s);
        path = lm_path_add(&s->env->paths, s, remote, local);
        if (path == NULL)
            return LM_ENOMEM;
        path->next = s->paths;
        s->paths = path;
        s->path_count++;
    }
    path->checked = s->checked = s->heard = now;
    if (use_candidate || s->route == NULL || now >= s->route->checked + LM_PATH_STALE) {
        s->route = path;
        s->nominated = s->nominated || use_candidate;
    }
    if (!s->hello && now >= s->created + LM_SESSION_HELLO_TIMEOUT)
        end_as_zombie(s);
    return LM_OK;
}

/* --- down: SCTP packets become DTLS records, and those become datagrams --- */

static void send_by(lm_session *s, const lm_path *path, const uint8_t *data, size_t len)
{
    if (lm_output_queue_send(&s->env->outputs, &path->ends.remote, &path->ends.local, data, len) != LM_OK)
        s->env->stats.drops.output_full++;
}

static void on_dtls_output(void *user, const uint8_t *data, size_t len)
{
    lm_session *s = user;
    bool proven = s->proven || (s->route != NULL && s->route->ends.remote.transport != LM_UDP);
    if (!proven && s->unproven_out + len > LM_SESSION_UNPROVEN_FACTOR * s->unproven_in) {
        s->env->stats.drops.unproven++; /* sent again later: by then more may have come */
        return;
    }
    if (!proven)
        s->unproven_out += len;
    if (s->route != NULL)
        send_by(s, s->route, data, len);
}

static void on_sctp_output(void *user, const uint8_t *packet, size_t len)
{
    lm_session *s = user;
    if (lm_dtls_write(s->dtls, s->now, packet, len) == LM_OK)
        return;
    s->env->stats.drops.output_full++;
    if (lm_dtls_get_state(s->dtls) == LM_DTLS_FAILED) /* checks alone would keep the session for ever */
        lm_session_end(s, LM_CLOSE_PROTOCOL);
}

static void flush_pending(lm_session *s)
{
    while (s->state == LM_SESSION_OPEN && s->pending_first != NULL) {
        lm_pending *message = s->pending_first;
        int error = lm_sctp_send(
            s->sctp, s->now, s->stream, message->len ? LM_PPID_STRING : LM_PPID_STRING_EMPTY,
            message->len ? message->bytes : (const uint8_t *)"", message->len ? message->len : 1);
        if (error == LM_EAGAIN)
            return;
        if (error != LM_OK) {
            lm_session_end(s, LM_CLOSE_PROTOCOL);
            return;
        }
        s->env->stats.messages_out++;
        drop_first(s);
    }
}

/* Ends the sessions for which most waits, until what waits for the others is within the bound for all. */
static void bound_pending(lm_session_env *env)
{
    while (env->pending_bytes > env->pending_max) {
        lm_session *longest = env->waited_on, *s;
        DL_FOREACH2(env->waited_on, s, waited_next) {
            if (s->pending_bytes > longest->pending_bytes)
                longest = s;
        }
        lm_session_end(longest, LM_CLOSE_SLOW_READER);
        while (longest->pending_first != NULL)
            drop_first(longest);
    }
}

int lm_session_send(lm_session *s, lm_ms now, const uint8_t *data, size_t len)
{
    s->now = now;
    if (s->state != LM_SESSION_OPEN)
        return LM_ENOTFOUND;
    if (len > LM_WEBRTC_MESSAGE_MAX)
        return LM_ETOOBIG;
    /* The queue's own overhead counts too: the bytes of empty messages would be no bound. */
    if (s->pending_bytes + sizeof(lm_pending) + len > LM_WEBRTC_SEND_QUEUE_MAX) {
        lm_session_end(s, LM_CLOSE_SLOW_READER);
        return LM_ELIMIT;
    }
    lm_pending *message = malloc(sizeof *message + len);
    if (message == NULL)
        return LM_ENOMEM;
    message->next = NULL;
    message->len = len;
    if (len > 0)
        memcpy(message->bytes, data, len);
    if (s->pending_last != NULL)
        s->pending_last->next = message;
    else
        s->pending_first = message;
    s->pending_last = message;
    s->pending_bytes += sizeof *message + len;
    s->env->pending_bytes += sizeof *message + len;
    flush_pending(s);
    if (s->pending_first != NULL && !s->waited_on) {
        s->waited_on = true;
        DL_APPEND2(s->env->waited_on, s, waited_prev, waited_next);
    }
    bound_pending(s->env);
    return s->state == LM_SESSION_ENDED && s->reason == LM_CLOSE_SLOW_READER ? LM_ELIMIT : LM_OK;
}

/* --- up: what SCTP says --- */

/* The bit of a stream in `closing`; 0 for a stream that no association here has. */
static uint32_t stream_bit(uint16_t stream)
{
    return stream < LM_SCTP_STREAMS ? UINT32_C(1) << stream : 0;
}

static void on_up(void *user)
{
    (void)user; /* the channel comes with DCEP */
}

static void on_dcep(lm_session *s, uint16_t stream, const uint8_t *data, size_t len)
{
    static const uint8_t ack[LM_DCEP_ACK_LEN] = {LM_DCEP_ACK};
    lm_dcep_msg msg;
    if (lm_dcep_parse(&msg, data, len) != LM_OK || msg.type != LM_DCEP_OPEN ||
        (s->state == LM_SESSION_OPEN && stream == s->stream)) {
        s->env->stats.drops.dcep++;
        return;
    }
    bool ours = s->state == LM_SESSION_CONNECTED && msg.channel_type == LM_DCEP_RELIABLE &&
                msg.label_len == strlen(LM_SESSION_LABEL) &&
                memcmp(msg.label, LM_SESSION_LABEL, msg.label_len) == 0;
    if (!ours) {
        s->env->stats.drops.channel++;
        s->closing |= stream_bit(stream);
        lm_sctp_reset_stream(s->sctp, stream);
        return;
    }
    if (lm_sctp_send(s->sctp, s->now, stream, LM_PPID_DCEP, ack, sizeof ack) != LM_OK ||
        lm_output_queue_open(&s->env->outputs, s->id) != LM_OK) {
        lm_session_end(s, LM_CLOSE_PROTOCOL);
        return;
    }
    s->stream = stream;
    s->closing &= ~stream_bit(stream);
    s->env->stats.sessions_opened++;
    lm_histogram_add(&s->env->stats.connect_time, s->created, s->now);
    set_state(s, LM_SESSION_OPEN);
}

static void on_message(void *user, uint16_t stream, uint32_t ppid, const uint8_t *data, size_t len)
{
    lm_session *s = user;
    lm_session_unsettle(s);
    if (s->state == LM_SESSION_ENDED)
        return;
    if (ppid == LM_PPID_DCEP) {
        on_dcep(s, stream, data, len);
        return;
    }
    bool empty = ppid == LM_PPID_STRING_EMPTY || ppid == LM_PPID_BINARY_EMPTY;
    bool binary = ppid == LM_PPID_BINARY || ppid == LM_PPID_BINARY_EMPTY;
    if (s->state != LM_SESSION_OPEN || stream != s->stream || (ppid != LM_PPID_STRING && !empty && !binary)) {
        s->env->stats.drops.message++;
        return;
    }
    /* SCTP carries no empty message: one comes as a byte to be ignored (RFC 8831 section 6.6). */
    if (lm_output_queue_message(&s->env->outputs, s->id, data, empty ? 0 : len, binary) != LM_OK)
        lm_session_end(s, LM_CLOSE_PROTOCOL);
    else
        s->env->stats.messages_in++;
    s->heard = s->now;
}

static void on_too_big(void *user)
{
    lm_session *s = user;
    s->env->stats.drops.message_too_big++;
    lm_session_end(s, LM_CLOSE_PROTOCOL);
}

static void on_reset(void *user, uint16_t stream)
{
    lm_session *s = user;
    if (s->state == LM_SESSION_ENDED)
        return;
    /*
     * RFC 8831 section 6.7: reset the other direction too. Where that was done first, this is the peer's
     * answer; one more reset could meet the next channel, since the peer may use the stream again now.
     */
    if (s->closing & stream_bit(stream))
        s->closing &= ~stream_bit(stream);
    else
        lm_sctp_reset_stream(s->sctp, stream);
    if (s->state == LM_SESSION_OPEN && stream == s->stream)
        lm_session_end(s, LM_CLOSE_REMOTE);
}

static void on_writable(void *user)
{
    flush_pending(user);
}

static void on_down(void *user)
{
    lm_session_end(user, LM_CLOSE_REMOTE);
}

static const lm_sctp_handler sctp_handler = {
    .output = on_sctp_output,
    .up = on_up,
    .message = on_message,
    .too_big = on_too_big,
    .reset = on_reset,
    .writable = on_writable,
    .down = on_down,
};

/* --- up: DTLS --- */

/* Follows DTLS from one state to the next. */
static void after_dtls(lm_session *s, lm_dtls_state before)
{
    lm_dtls_state state = lm_dtls_get_state(s->dtls);
    if (state == before)
        return;
    set_half_open(s, state == LM_DTLS_HANDSHAKING);
    if (state == LM_DTLS_HANDSHAKING) {
        set_state(s, LM_SESSION_HANDSHAKING);
    } else if (state == LM_DTLS_CONNECTED) {
        s->env->stats.handshakes_done++;
        s->proven = true;
        set_state(s, LM_SESSION_CONNECTED);
        if (lm_sctp_open(&s->sctp, &sctp_handler, s) != LM_OK)
            lm_session_end(s, LM_CLOSE_HANDSHAKE);
    } else if (state == LM_DTLS_FAILED && s->state != LM_SESSION_OPEN) {
        s->env->stats.handshakes_failed++;
        lm_session_end(s, LM_CLOSE_HANDSHAKE);
    } else if (state == LM_DTLS_FAILED) {
        lm_session_end(s, LM_CLOSE_PROTOCOL);
    } else if (state == LM_DTLS_CLOSED) {
        lm_session_end(s, LM_CLOSE_REMOTE);
    }
}

static void read_records(lm_session *s)
{
    uint8_t plaintext[PLAINTEXT_MAX];
    int n;
    while ((n = lm_dtls_read(s->dtls, s->now, plaintext, sizeof plaintext)) > 0)
        if (s->state != LM_SESSION_ENDED && lm_sctp_input(s->sctp, s->now, plaintext, (size_t)n) != LM_OK)
            s->env->stats.drops.sctp_malformed++;
}

/*
 * True for a record of an epoch after the first, which is encrypted (RFC 6347 section 4.1): its sender takes
 * itself to be connected.
 */
static bool has_keys(const uint8_t *data, size_t len)
{
    return len >= LM_DTLS_RECORD_HEADER_LEN && (data[3] != 0 || data[4] != 0);
}

/*
 * A ClientHello opens the handshake, and nothing else does. A handshake costs CPU, 40 kB, and some 700 bytes
 * to an address that may be forged, since the ICE password is in every config: while many are half open, a
 * client has to show first, by a cookie, that it receives what is sent to it; one that came by a stream has.
 */
static bool start_dtls(lm_session *s, const lm_path *path, const uint8_t *data, size_t len)
{
    uint8_t answer[LM_HELLO_VERIFY_LEN];
    lm_hello_cookie_verdict verdict = LM_HELLO_COOKIE_GOOD;
    if (has_keys(data, len)) {
        s->env->stats.drops.zombie++;
        end_as_zombie(s);
        return false;
    }
    if (!lm_client_hello_is(data, len)) {
        s->env->stats.drops.dtls_malformed++;
        return false;
    }
    s->hello = true;
    if (s->env->half_open >= s->env->cookie_threshold && path->ends.remote.transport == LM_UDP) {
        verdict = lm_hello_cookie_judge(&s->env->cookie, s->now, &path->ends.remote, data, len, answer);
        s->proven = verdict == LM_HELLO_COOKIE_GOOD;
    }
    if (verdict != LM_HELLO_COOKIE_GOOD) {
        s->env->stats.drops.dtls_cookie++;
        if (verdict == LM_HELLO_COOKIE_ASK)
            send_by(s, path, answer, sizeof answer);
        return false;
    }
    if (lm_dtls_create(&s->dtls, s->env->dtls, on_dtls_output, s) != LM_OK) {
        lm_session_end(s, LM_CLOSE_HANDSHAKE);
        return false;
    }
    set_half_open(s, true);
    return true;
}

/* Counts the step of a handshake that has led from one state to another. */
static void count_step(lm_session *s, lm_dtls_state before)
{
    bool waits =
        lm_dtls_get_state(s->dtls) == LM_DTLS_WAITING; /* for the rest of a ClientHello: no work yet */
    if (before == LM_DTLS_CONNECTED || waits)
        return;
    s->env->stats.handshake_steps++;
    s->env->handshake_steps--;
}

int lm_session_input(lm_session *s, lm_ms now, lm_path *path, const uint8_t *data, size_t len)
{
    s->now = now;
    if (s->state == LM_SESSION_ENDED)
        return LM_OK;
    if (!s->nominated)
        s->route = path; /* Chromium starts DTLS before it nominates */
    if (s->dtls == NULL && !start_dtls(s, path, data, len))
        return LM_OK;
    lm_dtls_state before = lm_dtls_get_state(s->dtls);
    if (before != LM_DTLS_CONNECTED && s->env->handshake_steps == 0)
        return LM_EAGAIN;
    s->unproven_in += len;
    switch (lm_dtls_input(s->dtls, now, data, len)) {
    case LM_EMALFORMED:
        s->env->stats.drops.dtls_malformed++;
        break;
    case LM_ETOOBIG:
        s->env->stats.drops.dtls_hello++;
        break;
    default:
        break;
    }
    count_step(s, before);
    after_dtls(s, before);
    if (s->sctp != NULL && s->state != LM_SESSION_ENDED) {
        before = lm_dtls_get_state(s->dtls);
        read_records(s);
        after_dtls(s, before);
    }
    return LM_OK;
}

/* --- time and the end --- */

/* When it has been silent for too long. */
static lm_ms silent_at(const lm_session *s)
{
    lm_ms at = s->checked + LM_ICE_CONSENT_TIMEOUT;
    return s->env->session_ttl == 0 ? at : lm_ms_min(at, s->heard + s->env->session_ttl);
}

static lm_ms next_deadline(const lm_session *s)
{
    lm_ms at = silent_at(s);
    if (s->state != LM_SESSION_OPEN)
        at = lm_ms_min(at, s->created + LM_SESSION_OPEN_TIMEOUT);
    return s->dtls == NULL ? at : lm_ms_min(at, lm_dtls_next_timeout(s->dtls));
}

void lm_session_timeout(lm_session *s, lm_ms now)
{
    s->now = now;
    if (s->state == LM_SESSION_ENDED)
        return;
    if (now >= silent_at(s)) {
        lm_session_end(s, s->state == LM_SESSION_OPEN ? LM_CLOSE_CONSENT : LM_CLOSE_HANDSHAKE);
    } else if (s->state != LM_SESSION_OPEN && now >= s->created + LM_SESSION_OPEN_TIMEOUT) {
        lm_session_end(s, LM_CLOSE_HANDSHAKE);
    } else if (s->dtls != NULL) {
        lm_dtls_state before = lm_dtls_get_state(s->dtls);
        lm_dtls_timeout(s->dtls, now);
        after_dtls(s, before);
    }
}

bool lm_session_settle(lm_session *s, lm_ms now)
{
    s->now = now;
    if (s->state == LM_SESSION_ENDED) {
        if (s->sctp != NULL)
            lm_sctp_abort(s->sctp);
        if (s->dtls != NULL)
            lm_dtls_close(s->dtls, now);
        return true;
    }
    /* A deadline that has moved into the future is left where it is: when it comes, it is set anew. */
    lm_ms at = next_deadline(s);
    if ((s->deadline.slot == 0 || at < s->deadline.at) &&
        lm_deadlines_set(&s->env->deadlines, &s->deadline, at) != LM_OK)
        lm_session_end(s, LM_CLOSE_HANDSHAKE); /* it is unsettled again, and comes back to be ended */
    return false;
}
