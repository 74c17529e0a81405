#include "relay/service_uv.h"

#ifdef __GLIBC__
#include <malloc.h> /* malloc_trim */
#endif
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/random.h"
#include "relay/mesh_service_uv.h"
#include "relay/mesh_settings.h"
#include "relay/port_uv.h"
#include "relay/relay.h"
#include "webrtc/stack.h"
#include "webrtc/turn.h"

/*
 * New sessions at once from one address, and messages at once from one session: what a page full of tabs, or
 * a browser that joins all its rooms, may come with after a while of silence (protocol page, section 3).
 */
#define SESSION_BURST 128
#define STREAMS_PER_ADDRESS 256
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

static const lm_turn_stats no_turn;
static const lm_mesh_stats no_mesh;

struct lm_service {
    uv_loop_t *loop;
    uv_timer_t upkeep;
    const lm_log *log;
    lm_mesh_service *mesh; /* NULL: alone */
    lm_relay *relay;
    lm_turn *turn;                            /* NULL: off */
    char turn_secret[LM_TURN_SECRET_MAX + 1]; /* drawn at the start, for where none is set */
    lm_port *port;
    uint32_t max_sessions;
    lm_turn_limits turn_limits; /* that hold; all 0 where TURN is off */
    uint64_t ended;             /* sessions that had ended when memory was given back last */
};

static void read_wall_clock(lm_service *s)
{
    uv_timeval64_t wall;
    if (uv_gettimeofday(&wall) != 0)
        return;
    uint64_t unix_ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_usec / 1000;
    lm_relay_set_unix_time(s->relay, uv_now(s->loop), unix_ms);
    if (s->turn != NULL)
        lm_turn_set_unix_time(s->turn, uv_now(s->loop), unix_ms);
}

/*
 * A session's memory lies between that of others, and malloc keeps what it once had: after a rush, a small
 * server would go on holding the memory of its busiest minute. So malloc is told once many sessions have
 * ended, or as many as are left; and when the last one has, since no more will follow.
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

/* --- the TURN server --- */

static lm_turn_limits turn_limits(const lm_settings *settings)
{
    return (lm_turn_limits){.max_allocations = settings->max_allocations,
                            .user_allocations = settings->max_allocations_per_user,
                            .rate = settings->turn_rate};
}

/* TURN_SECRET's secrets, or the one that was drawn, or derived in a mesh; settings are checked, so nothing
 * can be wrong with them.
 */
static void turn_secrets(const lm_service *s, const lm_settings *settings, lm_turn_secrets *secrets)
{
    const char *text = settings->turn_secret[0] != '\0' ? settings->turn_secret : s->turn_secret;
    memset(secrets, 0, sizeof *secrets);
    (void)lm_turn_secrets_parse(secrets, text);
}

static void turn_peers(const lm_settings *settings, lm_turn_peers *peers)
{
    lm_error_text ignored;
    memset(peers, 0, sizeof *peers);
    if (strcmp(settings->turn_allow_peers, "-") != 0)
        (void)lm_turn_peers_parse(peers, settings->turn_allow_peers, &ignored);
}

static lm_turn_offer turn_offer(const lm_service *s, const lm_settings *settings)
{
    lm_turn_offer offer = {.tcp_port = lm_port_tcp(s->port), .tls_port = lm_port_tls(s->port)};
    lm_turn_secrets secrets;
    offer.elsewhere = settings->turn == LM_TURN_CHOICE_OFF;
    if (!offer.elsewhere || s->mesh != NULL) {
        turn_secrets(s, settings, &secrets);
        memcpy(offer.secret, secrets.secret[0], sizeof offer.secret);
        sodium_memzero(&secrets, sizeof secrets);
    }
    return offer;
}

static int make_turn(lm_service *s, const lm_settings *settings)
{
    lm_turn_secrets secrets;
    lm_turn_peers peers;
    uint8_t drawn[24];
    randombytes_buf(drawn, sizeof drawn);
    if (s->mesh != NULL) /* one that all its nodes have */
        lm_mesh_settings_turn_secret(settings, s->turn_secret);
    else
        sodium_bin2base64(s->turn_secret, sizeof s->turn_secret, drawn, sizeof drawn,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    if (settings->turn == LM_TURN_CHOICE_OFF)
        return LM_OK;
    turn_secrets(s, settings, &secrets);
    turn_peers(settings, &peers);
    s->turn_limits = turn_limits(settings);
    const lm_turn_config config = {.mode =
                                       settings->turn == LM_TURN_CHOICE_OPEN ? LM_TURN_OPEN : LM_TURN_CLOSED,
                                   .public_ip = settings->public_ip[0],
                                   .public_ip6 = settings->public_ip6[0],
                                   .port_min = settings->turn_ports.first,
                                   .port_max = settings->turn_ports.last,
                                   .realm = settings->turn_realm,
                                   .secrets = &secrets,
                                   .peers = &peers,
                                   .limits = s->turn_limits,
                                   .random = lm_random_system(),
                                   .log = s->log};
    int result = lm_turn_create(&s->turn, &config);
    sodium_memzero(&secrets, sizeof secrets);
    return result;
}

static void change_turn(lm_service *s, const lm_settings *settings)
{
    lm_turn_secrets secrets;
    lm_turn_peers peers;
    if (s->turn == NULL)
        return;
    s->turn_limits = turn_limits(settings);
    s->turn_limits.stopping = lm_relay_is_draining(s->relay);
    turn_secrets(s, settings, &secrets);
    turn_peers(settings, &peers);
    (void)lm_turn_set_credentials(s->turn, &secrets, settings->turn_realm, &peers);
    sodium_memzero(&secrets, sizeof secrets);
    lm_turn_set_limits(s->turn, &s->turn_limits);
    lm_turn_set_public(s->turn, &settings->public_ip[0], &settings->public_ip6[0]);
}

/* --- what browsers talk to --- */

/*
 * A connection for each session and each allocation, should UDP be blocked for all of them; as many from one
 * address as a large office has people behind it.
 */
static lm_streams_limits streams_limits(const lm_settings *settings)
{
    return (lm_streams_limits){.connections = lm_settings_connections(settings),
                               .per_address = STREAMS_PER_ADDRESS,
                               .tls_rate = settings->session_rate,
                               .tls_burst = SESSION_BURST};
}

static int open_port(lm_service *s, const lm_configuration *c, lm_error_text *error)
{
    const lm_settings *settings = &c->settings;
    const lm_port_config config = {.udp = settings->udp_port,
                                   .tcp = lm_settings_tcp_port(settings),
                                   .tcp_chosen = settings->tcp_port != LM_PORT_SAME,
                                   .tls = settings->tls_port,
                                   .tls_server = c->tls,
                                   .streams = streams_limits(settings),
                                   .log = s->log};
    return lm_port_listen(&s->port, s->loop, &config, error);
}

static int make_relay(lm_service *s, const lm_settings *settings, const lm_identity *identity,
                      const lm_node_config *config)
{
    char advertise[LM_MESH_HOST_PORT_MAX];
    lm_stack_config stack_config = {.identity = stack_identity(identity, config),
                                    .limits = stack_limits(settings),
                                    .cookie_threshold = COOKIE_THRESHOLD,
                                    .random = lm_random_system(),
                                    .log = s->log};
    lm_relay_config relay_config = {.limits = relay_limits(settings),
                                    .node = *config,
                                    .turn = turn_offer(s, settings),
                                    .mesh = lm_mesh_service_mesh(s->mesh),
                                    .advertise = lm_mesh_settings_advertise(settings, advertise),
                                    .random = lm_random_system(),
                                    .log = s->log};
    lm_webrtc *stack;
    memcpy(relay_config.node_seed, identity->node_seed, sizeof relay_config.node_seed);
    int result = lm_stack_create(&stack, &stack_config);
    if (result == LM_OK)
        result = lm_relay_create(&s->relay, &relay_config, stack);
    sodium_memzero(&relay_config, sizeof relay_config);
    return result;
}

/* What is there so far; the port's memory is freed by the loop's next turns. */
static void discard(lm_service *s)
{
    lm_port_close(s->port);
    lm_mesh_service_close(s->mesh);
    lm_turn_destroy(s->turn);
    lm_relay_destroy(s->relay);
    lm_mesh_service_destroy(s->mesh);
    sodium_memzero(s, sizeof *s);
    free(s);
}

static void flush(void *ctx)
{
    const lm_service *s = ctx;
    lm_port_flush(s->port);
}

int lm_service_start(lm_service **service, uv_loop_t *loop, lm_configuration *c, const lm_log *log,
                     lm_error_text *error)
{
    lm_service *s = calloc(1, sizeof *s);
    if (s == NULL)
        return lm_error_text_set(error, LM_ENOMEM, "out of memory");
    s->loop = loop;
    s->log = log;
    s->max_sessions = c->settings.max_sessions;
    int result = open_port(s, c, error);
    if (result == LM_OK)
        result = lm_mesh_service_create(&s->mesh, loop, c, log, error);
    if (result == LM_OK) {
        c->node.tcp = lm_port_tcp(s->port);
        result = make_turn(s, &c->settings);
        if (result == LM_OK)
            result = make_relay(s, &c->settings, &c->identity, &c->node);
        if (result != LM_OK)
            lm_error_text_set(error, result, "the relay cannot be made: %s", lm_strerror(result));
    }
    if (result == LM_OK) {
        read_wall_clock(s);
        result = lm_port_serve(s->port, s->relay, s->turn, error);
    }
    if (result == LM_OK)
        result = lm_mesh_service_serve(s->mesh, s->relay, flush, s, error);
    if (result != LM_OK) {
        discard(s);
        return result;
    }
    if (lm_settings_tcp_yields(&c->settings))
        LM_LOGW(s->log,
                "TCP port %u is HEALTH_LISTEN's: browsers are served over UDP alone; choose a TCP_PORT",
                (unsigned)c->settings.udp_port);
    uv_timer_init(loop, &s->upkeep);
    s->upkeep.data = s;
    uv_timer_start(&s->upkeep, on_upkeep, UPKEEP_INTERVAL, UPKEEP_INTERVAL);
    uv_unref((uv_handle_t *)&s->upkeep);
    *service = s;
    return LM_OK;
}

uint16_t lm_service_port(const lm_service *s)
{
    return lm_port_udp(s->port);
}

int lm_service_reconfigure(lm_service *s, const lm_configuration *c, lm_error_text *error)
{
    const lm_settings *settings = &c->settings;
    char advertise[LM_MESH_HOST_PORT_MAX];
    const lm_streams_limits streams = streams_limits(settings);
    lm_relay_change change = {.limits = relay_limits(settings),
                              .stack = stack_limits(settings),
                              .node = c->node,
                              .turn = turn_offer(s, settings),
                              .advertise = lm_mesh_settings_advertise(settings, advertise),
                              .identity = stack_identity(&c->identity, &c->node)};
    int result = lm_mesh_service_prepare(s->mesh, settings, error);
    if (result == LM_OK && (result = lm_relay_reconfigure(s->relay, &change)) != LM_OK)
        lm_error_text_set(error, result, "the relay cannot be changed: %s", lm_strerror(result));
    sodium_memzero(&change.turn, sizeof change.turn);
    if (result != LM_OK)
        return result;
    /* From here on nothing can fail. */
    lm_mesh_service_commit(s->mesh);
    change_turn(s, settings);
    if (!lm_relay_is_draining(s->relay))
        lm_port_set_streams(s->port, &streams, c->tls);
    s->max_sessions = settings->max_sessions;
    return LM_OK;
}

void lm_service_drain(lm_service *s)
{
    lm_relay_drain(s->relay, uv_now(s->loop));
    s->turn_limits.stopping = true; /* the rate holds for those who stay */
    if (s->turn != NULL)
        lm_turn_set_limits(s->turn, &s->turn_limits);
    lm_port_flush(s->port);
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
    report->udp = lm_port_udp_stats(s->port);
    report->tcp = lm_port_tcp_stats(s->port);
    report->tls = lm_port_tls_stats(s->port);
    report->max_allocations = s->turn_limits.max_allocations;
    report->mesh_nodes = lm_mesh_service_mesh(s->mesh);
    report->mesh = report->mesh_nodes == NULL ? &no_mesh : lm_mesh_get_stats(report->mesh_nodes);
    report->now = uv_now(s->loop);
    report->turn = s->turn == NULL ? &no_turn : lm_turn_get_stats(s->turn);
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
    lm_mesh_service_close(s->mesh);
    lm_port_close(s->port); /* sends what the relay has said last */
    lm_webrtc_stats_visit(lm_relay_get_webrtc_stats(s->relay), log_stat, s);
    lm_relay_stats_visit(lm_relay_get_stats(s->relay), log_stat, s);
    if (s->turn != NULL)
        lm_turn_stats_visit(lm_turn_get_stats(s->turn), log_stat, s);
    if (s->mesh != NULL)
        lm_mesh_stats_visit(lm_mesh_get_stats(lm_mesh_service_mesh(s->mesh)), log_stat, s);
    lm_turn_destroy(s->turn);
    lm_relay_destroy(s->relay);
    lm_mesh_service_destroy(s->mesh);
    sodium_memzero(s->turn_secret, sizeof s->turn_secret);
    uv_close((uv_handle_t *)&s->upkeep, on_upkeep_closed);
}
