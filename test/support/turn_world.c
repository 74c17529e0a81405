#include "test/support/turn_world.h"

#undef NDEBUG
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"

static lm_turn_secrets secrets;

static void fill(void *ctx, void *buf, size_t len)
{
    turn_world *w = ctx;
    for (size_t i = 0; i < len; i++) {
        w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)buf)[i] = (uint8_t)(w->seed >> 56);
    }
}

lm_turn_config turn_world_config(turn_world *w, lm_turn_mode mode)
{
    lm_turn_config config = {
        .mode = mode,
        .port_min = 50000,
        .port_max = 50099,
        .realm = TURN_WORLD_REALM,
        .secrets = &secrets,
        .limits = {.max_allocations = 20},
        .random = {.fill = fill, .ctx = w},
    };
    assert(sodium_init() >= 0);
    assert(lm_turn_secrets_parse(&secrets, TURN_WORLD_SECRET) == LM_OK);
    assert(lm_addr_parse_ip(&config.public_ip, "198.51.100.1", 0) == LM_OK);
    assert(lm_addr_parse_ip(&config.public_ip6, "2001:db8::1", 0) == LM_OK);
    return config;
}

void turn_world_start(turn_world *w, lm_turn_mode mode, const lm_turn_config *config)
{
    memset(w, 0, sizeof *w);
    lm_turn_config usual = turn_world_config(w, mode);
    w->now = 100000;
    w->turn = NULL;
    assert(lm_turn_create(&w->turn, config != NULL ? config : &usual) == LM_OK);
    lm_turn_set_unix_time(w->turn, w->now, TURN_WORLD_UNIX * 1000ull);
}

void turn_world_stop(turn_world *w)
{
    lm_turn_destroy(w->turn);
    free(w->block);
}

turn_client turn_world_client(const turn_world *w, const char *address, const char *user)
{
    turn_client c;
    (void)w;
    turn_client_init(&c, address, strchr(address, '[') ? TURN_WORLD_SERVER6 : TURN_WORLD_SERVER,
                     TURN_WORLD_SECRET, user, TURN_WORLD_UNIX + LM_TURN_CREDENTIAL_TTL);
    return c;
}

int turn_world_put(turn_world *w, const lm_addr *remote, const lm_addr *local, bool relayed, const void *data,
                   size_t len)
{
    static uint8_t copy[TURN_WORLD_PACKET_MAX];
    assert(len <= sizeof copy);
    if (len > 0)
        memcpy(copy, data, len); /* it may lie in the last packet */
    free(w->block);
    w->block = malloc(LM_PACKET_HEADROOM + len + LM_PACKET_TAILROOM);
    assert(w->block != NULL);
    memcpy(w->block + LM_PACKET_HEADROOM, copy, len);
    w->packet = (lm_packet){.remote = *remote,
                            .local = *local,
                            .data = w->block + LM_PACKET_HEADROOM,
                            .len = len,
                            .relayed = relayed};
    return lm_turn_relay(w->turn, w->now, &w->packet);
}

static size_t find_port(const turn_world *w, const lm_addr *port)
{
    size_t i = 0;
    while (i < w->port_count && !lm_addr_equal(&w->ports[i], port))
        i++;
    return i;
}

static void open_port(turn_world *w, const lm_addr *port)
{
    assert(find_port(w, port) == w->port_count && w->port_count < TURN_WORLD_PORTS);
    if (w->hold_ports) {
        w->held = *port;
        return;
    }
    if (!w->refuse_ports)
        w->ports[w->port_count++] = *port;
    lm_turn_port_opened(w->turn, w->now, port, !w->refuse_ports);
}

void turn_world_open_held(turn_world *w, bool opened)
{
    if (opened)
        w->ports[w->port_count++] = w->held;
    lm_turn_port_opened(w->turn, w->now, &w->held, opened);
}

static void close_port(turn_world *w, const lm_addr *port)
{
    size_t i = find_port(w, port);
    if (i < w->port_count)
        w->ports[i] = w->ports[--w->port_count];
}

bool turn_world_drain(turn_world *w, turn_client *c, turn_client_answer *answer)
{
    lm_turn_output out;
    bool answered = false;
    while (lm_turn_poll(w->turn, &out) == 1) {
        lm_addr port;
        switch (out.kind) {
        case LM_TURN_SEND:
            assert(!answered && c != NULL && lm_addr_equal(&out.send.remote, &c->address) &&
                   lm_addr_equal(&out.send.local, &c->server));
            assert(turn_client_read(c, answer, out.send.data, out.send.len) == LM_OK);
            w->answer_bytes += out.send.len;
            answered = true;
            break;
        case LM_TURN_OPEN_PORT:
            port = out.port; /* what is said of it may come before the next poll */
            open_port(w, &port);
            break;
        case LM_TURN_CLOSE_PORT:
            close_port(w, &out.port);
            break;
        }
    }
    return answered;
}

int turn_world_ask(turn_world *w, turn_client *c, const uint8_t *request, size_t len,
                   turn_client_answer *answer)
{
    assert(turn_world_put(w, &c->address, &c->server, false, request, len) == 0);
    if (!turn_world_drain(w, c, answer))
        return -1;
    assert(answer->success == (answer->error == 0));
    return (int)answer->error;
}

int turn_world_allocate(turn_world *w, turn_client *c, const turn_client_wish *wish,
                        turn_client_answer *answer)
{
    uint8_t buf[TURN_CLIENT_REQUEST_MAX];
    int error;
    if (c->nonce[0] == '\0') {
        error = turn_world_ask(w, c, buf, turn_client_allocate(c, buf, wish), answer);
        if (error != 401)
            return error;
    }
    return turn_world_ask(w, c, buf, turn_client_allocate(c, buf, wish), answer);
}

int turn_world_refresh(turn_world *w, turn_client *c, uint32_t lifetime)
{
    uint8_t buf[TURN_CLIENT_REQUEST_MAX];
    turn_client_answer answer;
    return turn_world_ask(w, c, buf, turn_client_refresh(c, buf, lifetime), &answer);
}

int turn_world_permit(turn_world *w, turn_client *c, const char *peer)
{
    uint8_t buf[TURN_CLIENT_REQUEST_MAX];
    turn_client_answer answer;
    lm_addr addr;
    assert(lm_addr_parse_ip(&addr, peer, 0) == LM_OK);
    return turn_world_ask(w, c, buf, turn_client_permit(c, buf, &addr, 1), &answer);
}

int turn_world_bind(turn_world *w, turn_client *c, uint16_t channel, const lm_addr *peer)
{
    uint8_t buf[TURN_CLIENT_REQUEST_MAX];
    turn_client_answer answer;
    return turn_world_ask(w, c, buf, turn_client_bind(c, buf, channel, peer), &answer);
}

void turn_world_pass(turn_world *w, lm_ms ms)
{
    lm_ms end = w->now + ms;
    for (lm_ms next; (next = lm_turn_next_timeout(w->turn)) <= end;) {
        w->now = next > w->now ? next : w->now;
        lm_turn_timeout(w->turn, w->now);
        turn_world_drain(w, NULL, NULL);
        assert(lm_turn_next_timeout(w->turn) > w->now); /* or it would be called for ever */
    }
    w->now = end;
}
