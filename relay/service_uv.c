#include "relay/service_uv.h"

#ifdef __GLIBC__
#include <malloc.h> /* malloc_trim */
#endif
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/random.h"
#include "relay/relay.h"
#include "webrtc/stack.h"
#include "webrtc/udp_uv.h"

/*
 * New sessions at once from one address, and messages at once from one session: what a page full of tabs, or
 * a browser that joins all its rooms, may come with after a while of silence (protocol page, section 3).
 */
#define SESSION_BURST 128
#define MESSAGE_BURST 4096

/*
 * DTLS handshakes under way at once without a cookie: as many as a crowd that arrives together has, 40 kB
 * each.
 */
#define COOKIE_THRESHOLD 64

/* How often the wall clock is read again, and memory is looked after, in ms. */
#define UPKEEP_INTERVAL 5000

/* Memory goes back to the system when so many sessions have ended, and no fewer than there are now; or all.
 */
#define TRIM_SESSIONS 16

struct lm_service {
    uv_loop_t *loop;
    uv_timer_t upkeep;
    const lm_log *log;
    lm_relay *relay;
    lm_udp *udp;
    uint32_t max_sessions;
    uint64_t ended; /* sessions that had ended when memory was given back last */
};

static int core_input(void *self, lm_ms now, const lm_dgram *in)
{
    return lm_relay_input(self, now, in);
}

static int core_poll(void *self, lm_ms now, lm_dgram *out)
{
    return lm_relay_poll(self, now, out);
}

static lm_ms core_next_timeout(const void *self)
{
    return lm_relay_next_timeout(self);
}

static void core_timeout(void *self, lm_ms now)
{
    lm_relay_timeout(self, now);
}

static void read_wall_clock(lm_service *s)
{
    uv_timeval64_t wall;
    if (uv_gettimeofday(&wall) == 0)
        lm_relay_set_unix_time(s->relay, uv_now(s->loop),
                               (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_usec / 1000);
}

/*
 * A session's memory lies between that of others, and malloc keeps what it once had: after a rush, a small
 * server would go on holding the memory of its busiest minute.
 * So would one that the last few have left after that, if it waited for more of them.
 */
static void give_memory_back(lm_service *s)
{
    const lm_webrtc_stats *stats = lm_relay_get_webrtc_stats(s->relay);
    uint64_t ended = stats->sessions_created - stats->sessions;
    if (ended == s->ended)
        return;
    if (stats->sessions > 0 && (ended - s->ended < TRIM_SESSIONS || ended - s->ended < stats->sessions))
        return;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    s->ended = ended;
}

static void on_upkeep(uv_timer_t *timer)
{
    read_wall_clock(timer->data);
    give_memory_back(timer->data);
}

static lm_relay_limits relay_limits(const lm_settings *settings)
{
    return (lm_relay_limits){.room_size = settings->max_room_size,
                             .rooms_per_session = settings->max_rooms_per_session,
                             .message_rate = settings->message_rate,
                             .message_burst = MESSAGE_BURST,
                             .resume = (lm_ms)settings->resume_seconds * 1000};
}

static lm_webrtc_limits stack_limits(const lm_settings *settings)
{
    return (lm_webrtc_limits){.max_sessions = settings->max_sessions,
                              .session_rate = settings->session_rate,
                              .session_burst = SESSION_BURST,
                              .session_ttl = (lm_ms)settings->session_ttl * 1000};
}

static lm_webrtc_identity stack_identity(const lm_identity *identity, const lm_node_config *config)
{
    return (lm_webrtc_identity){.ufrag = config->ufrag,
                                .pwd = config->pwd,
                                .cert_der = identity->cert.der,
                                .cert_len = identity->cert.der_len,
                                .key_der = identity->key.der,
                                .key_len = identity->key.der_len};
}

static int make_relay(lm_service *s, const lm_settings *settings, const lm_identity *identity,
                      const lm_node_config *config)
{
    lm_stack_config stack_config = {.identity = stack_identity(identity, config),
                                    .limits = stack_limits(settings),
                                    .cookie_threshold = COOKIE_THRESHOLD,
                                    .random = lm_random_system(),
                                    .log = s->log};
    lm_relay_config relay_config = {
        .limits = relay_limits(settings), .node = *config, .random = lm_random_system(), .log = s->log};
    lm_webrtc *stack;
    memcpy(relay_config.node_seed, identity->node_seed, sizeof relay_config.node_seed);
    int result = lm_stack_create(&stack, &stack_config);
    if (result == LM_OK)
        result = lm_relay_create(&s->relay, &relay_config, stack);
    sodium_memzero(relay_config.node_seed, sizeof relay_config.node_seed);
    return result;
}

int lm_service_start(lm_service **service, uv_loop_t *loop, const lm_settings *settings,
                     const lm_identity *identity, const lm_node_config *config, const lm_log *log,
                     lm_error_text *error)
{
    lm_service *s = calloc(1, sizeof *s);
    if (s == NULL)
        return lm_error_text_set(error, LM_ENOMEM, "out of memory");
    s->loop = loop;
    s->log = log;
    s->max_sessions = settings->max_sessions;
    int result = make_relay(s, settings, identity, config);
    if (result != LM_OK) {
        free(s);
        return lm_error_text_set(error, result, "the relay cannot be made: %s", lm_strerror(result));
    }
    read_wall_clock(s);
    lm_port_core core = {.self = s->relay,
                        .input = core_input,
                        .poll = core_poll,
                        .next_timeout = core_next_timeout,
                        .timeout = core_timeout};
    result = lm_udp_open(&s->udp, loop, settings->udp_port, &core, error);
    if (result != LM_OK) {
        lm_relay_destroy(s->relay);
        free(s);
        return result;
    }
    uv_timer_init(loop, &s->upkeep);
    s->upkeep.data = s;
    uv_timer_start(&s->upkeep, on_upkeep, UPKEEP_INTERVAL, UPKEEP_INTERVAL);
    uv_unref((uv_handle_t *)&s->upkeep);
    *service = s;
    return LM_OK;
}

uint16_t lm_service_port(const lm_service *s)
{
    return lm_udp_port(s->udp);
}

int lm_service_reconfigure(lm_service *s, const lm_settings *settings, const lm_identity *identity,
                           const lm_node_config *config, lm_error_text *error)
{
    const lm_relay_change change = {.limits = relay_limits(settings),
                                    .stack = stack_limits(settings),
                                    .node = *config,
                                    .identity = stack_identity(identity, config)};
    int result = lm_relay_reconfigure(s->relay, &change);
    if (result != LM_OK)
        return lm_error_text_set(error, result, "the relay cannot be changed: %s", lm_strerror(result));
    s->max_sessions = settings->max_sessions;
    return LM_OK;
}

void lm_service_drain(lm_service *s)
{
    lm_relay_drain(s->relay, uv_now(s->loop));
    lm_udp_flush(s->udp);
}

uint64_t lm_service_sessions(const lm_service *s)
{
    return lm_relay_get_stats(s->relay)->sessions;
}

void lm_service_report(const lm_service *s, lm_report *report)
{
    report->open = true; /* there is no service without its port */
    report->draining = lm_relay_is_draining(s->relay);
    report->max_sessions = s->max_sessions;
    report->webrtc = lm_relay_get_webrtc_stats(s->relay);
    report->relay = lm_relay_get_stats(s->relay);
    report->udp = lm_udp_get_stats(s->udp);
}

static void log_stat(void *ctx, const char *name, uint64_t value)
{
    const lm_service *s = ctx;
    if (value > 0)
        LM_LOGD(s->log, "%s: %llu", name, (unsigned long long)value);
}

static void on_upkeep_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void lm_service_stop(lm_service *s)
{
    if (s == NULL)
        return;
    lm_relay_shut_down(s->relay, uv_now(s->loop));
    lm_udp_close(s->udp); /* sends what the relay has said last */
    lm_webrtc_stats_visit(lm_relay_get_webrtc_stats(s->relay), log_stat, s);
    lm_relay_stats_visit(lm_relay_get_stats(s->relay), log_stat, s);
    lm_relay_destroy(s->relay);
    uv_close((uv_handle_t *)&s->upkeep, on_upkeep_closed);
}
