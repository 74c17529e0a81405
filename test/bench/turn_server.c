/*
 * The TURN server on the UDP binding, and nothing else: what passing packets on takes without the rest of the
 * relay. Takes its settings from the environment, as the relay: UDP_PORT, TURN (open or closed), TURN_SECRET,
 * and for loopback alone: its public address is 127.0.0.1. SIGTERM ends it, with its counters on stderr.
 *
 *     UDP_PORT=3478 TURN=open TURN_SECRET=… lumamesh-turn-server
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <uv.h>

#include "common/error.h"
#include "common/random.h"
#include "webrtc/turn.h"
#include "webrtc/udp_uv.h"

#define PORT_MIN 25000
#define PORT_MAX 32000
#define ALLOCATIONS_MAX 1000

static lm_turn *turn;
static lm_udp *udp;

static int relay(void *self, lm_ms now, lm_packet *packet)
{
    (void)self;
    if (!packet->relayed && !lm_turn_is_turn(packet->data, packet->len))
        return LM_EAGAIN;
    return lm_turn_relay(turn, now, packet);
}

static int input(void *self, lm_ms now, const lm_dgram *in)
{
    (void)self;
    (void)now;
    (void)in;
    return LM_EUNSUPPORTED; /* not TURN's */
}

static int poll(void *self, lm_ms now, lm_dgram *out)
{
    lm_turn_output output;
    (void)self;
    while (lm_turn_poll(turn, &output) == 1) {
        if (output.kind == LM_TURN_SEND) {
            *out = output.send;
            return 1;
        }
        if (output.kind == LM_TURN_OPEN_PORT) {
            lm_addr port = output.port; /* the output is the server's */
            lm_turn_port_opened(turn, now, &port, lm_udp_open_relayed(udp, &port) == LM_OK);
        } else {
            lm_udp_close_relayed(udp, &output.port);
        }
    }
    return 0;
}

static lm_ms next_timeout(const void *self)
{
    (void)self;
    return lm_turn_next_timeout(turn);
}

static void timeout(void *self, lm_ms now)
{
    (void)self;
    lm_turn_timeout(turn, now);
}

static void print(void *ctx, const char *name, uint64_t value)
{
    (void)ctx;
    if (value > 0)
        fprintf(stderr, "%s=%llu ", name, (unsigned long long)value);
}

static void on_signal(uv_signal_t *handle, int number)
{
    const lm_udp_stats *stats = lm_udp_get_stats(udp);
    (void)number;
#define LM_X(name, metric, help) print(NULL, #name, stats->name);
    LM_UDP_COUNTERS(LM_X)
#undef LM_X
    lm_turn_stats_visit(lm_turn_get_stats(turn), print, NULL);
    fprintf(stderr, "\n");
    lm_udp_close(udp);
    uv_close((uv_handle_t *)handle, NULL);
}

static int make_turn(void)
{
    const char *secret = getenv("TURN_SECRET"), *mode = getenv("TURN");
    lm_turn_secrets secrets;
    lm_turn_peers peers;
    lm_error_text error;
    lm_turn_config config = {.mode =
                                 mode != NULL && strcmp(mode, "open") == 0 ? LM_TURN_OPEN : LM_TURN_CLOSED,
                             .port_min = PORT_MIN,
                             .port_max = PORT_MAX,
                             .realm = "bench",
                             .secrets = &secrets,
                             .peers = &peers,
                             .limits = {.max_allocations = ALLOCATIONS_MAX},
                             .random = lm_random_system()};
    lm_addr_parse_ip(&config.public_ip, "127.0.0.1", 0);
    if (secret == NULL || lm_turn_secrets_parse(&secrets, secret) != LM_OK ||
        lm_turn_peers_parse(&peers, "127.0.0.0/8", &error) != LM_OK)
        return LM_EINVAL;
    return lm_turn_create(&turn, &config);
}

int main(void)
{
    const char *port = getenv("UDP_PORT");
    uv_loop_t loop;
    uv_signal_t ended;
    lm_error_text why;
    uv_timeval64_t wall;
    lm_port_core core = {
        .relay = relay, .input = input, .poll = poll, .next_timeout = next_timeout, .timeout = timeout};
    uv_loop_init(&loop);
    if (port == NULL || make_turn() != LM_OK) {
        fprintf(stderr, "lumamesh-turn-server: see the top of turn_server.c for its settings\n");
        return 2;
    }
    uv_gettimeofday(&wall);
    lm_turn_set_unix_time(turn, uv_now(&loop), (uint64_t)wall.tv_sec * 1000);
    if (lm_udp_open(&udp, &loop, (uint16_t)atoi(port), &core, &why) != LM_OK) {
        fprintf(stderr, "%s\n", why.text);
        return 1;
    }
    uv_signal_init(&loop, &ended);
    uv_signal_start(&ended, on_signal, SIGTERM);
    uv_run(&loop, UV_RUN_DEFAULT);
    lm_turn_destroy(turn);
    return uv_loop_close(&loop);
}
