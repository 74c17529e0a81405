/*
 * The whole TURN server. The first byte says how it is set up (bit 0: open mode, 1: low limits, 2: IPv4
 * alone, 3: few ports); then comes a row of steps, each an operation's byte and its operands:
 *
 *     0 client, length (2), bytes                 a packet as it is
 *     1 client, flags, lifetime (2)               Allocate
 *     2 client, lifetime (2)                      Refresh
 *     3 client, peer, peer                        CreatePermission
 *     4 client, channel, peer                     ChannelBind
 *     5 client, peer, flags, length (2)           Send indication
 *     6 client, channel, length (2)               ChannelData
 *     7 tenths of a second (2)                    time passes
 *     8 flags                                     other limits
 *     9 flags                                     ports cannot be opened; one that is open is lost
 *    10 client                                    its stream closes
 *    11 peer, port, length (2)                    a packet from a peer to a relayed address
 *    12 client, method, type (2), length, bytes   a request with any attribute
 *
 * In closed mode packets go to clients that have sent some, and to nobody else; gauges are what is there.
 */
#undef NDEBUG
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "test/support/turn_world.h"
#include "webrtc/turn_state.h"

#define STEPS_MAX 128
#define CLIENTS 6
#define DATA_MAX 1500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

typedef struct run {
    turn_world w;
    lm_turn_mode mode;
    turn_client clients[CLIENTS];
    bool spoke[CLIENTS];
} run;

static uint8_t buf[4096];

static lm_addr address(const char *text)
{
    lm_addr addr;
    assert(lm_addr_parse(&addr, text) == LM_OK);
    return addr;
}

static void add_clients(run *r)
{
    static const struct {
        const char *address, *user;
        lm_transport transport;
    } who[CLIENTS] = {
        {"192.0.2.1:1000", "ada", LM_UDP},    {"192.0.2.1:1001", "bob", LM_TCP},
        {"192.0.2.2:1000", "ada", LM_TLS},    {"192.0.2.1:1000", "eve", LM_UDP},
        {"[2001:db8:7::1]:1", "ada", LM_UDP}, {"192.0.2.9:9", "zoe", LM_UDP},
    };
    for (size_t i = 0; i < CLIENTS; i++) {
        r->clients[i] = turn_world_client(&r->w, who[i].address, who[i].user);
        turn_client_set_transport(&r->clients[i], who[i].transport);
    }
}

/* A peer: a client's relayed address, the client itself, or any. */
static lm_addr peer_of(const run *r, uint8_t which)
{
    static const char *const others[] = {"8.8.8.8:53",         "8.8.4.4:53",          "[2600::1]:53",
                                         "198.51.100.1:50001", "[2001:db8::1]:50001", "127.0.0.1:80",
                                         "10.0.0.1:1",         "198.51.100.1:3478",   "198.51.100.1:0"};
    const turn_client *c = &r->clients[which % CLIENTS];
    if (which < 0x60)
        return c->relayed.family != LM_AF_NONE ? c->relayed : address(others[3]);
    return which < 0x80 ? c->address : address(others[which % (sizeof others / sizeof others[0])]);
}

/* The packet, or answer, goes to a client that has sent something. */
static void check_known(const run *r, const lm_addr *remote, const lm_addr *local)
{
    bool known = false;
    for (size_t i = 0; i < CLIENTS; i++)
        known |= r->spoke[i] && lm_addr_equal(remote, &r->clients[i].address) &&
                 lm_addr_equal(local, &r->clients[i].server);
    assert(known);
}

static void drain(run *r, turn_client *c)
{
    turn_client_answer answer;
    lm_turn_output out;
    lm_addr port;
    turn_world *w = &r->w;
    while (lm_turn_poll(w->turn, &out) == 1) {
        size_t i = 0;
        switch (out.kind) {
        case LM_TURN_SEND:
            check_known(r, &out.send.remote, &out.send.local);
            assert(out.send.len >= LM_STUN_HEADER_LEN && out.send.len < 400);
            if (c != NULL)
                turn_client_read(c, &answer, out.send.data, out.send.len);
            break;
        case LM_TURN_OPEN_PORT:
            assert(r->mode == LM_TURN_OPEN && w->port_count < TURN_WORLD_PORTS);
            port = out.port;
            if (!w->refuse_ports)
                w->ports[w->port_count++] = port;
            lm_turn_port_opened(w->turn, w->now, &port, !w->refuse_ports);
            break;
        case LM_TURN_CLOSE_PORT:
            while (i < w->port_count && !lm_addr_equal(&w->ports[i], &out.port))
                i++;
            assert(i < w->port_count);
            w->ports[i] = w->ports[--w->port_count];
            break;
        }
    }
}

static void put(run *r, const lm_addr *remote, const lm_addr *local, bool relayed, const uint8_t *data,
                size_t len)
{
    turn_world *w = &r->w;
    if (turn_world_put(w, remote, local, relayed, data, len) != 1)
        return;
    const lm_packet *p = &w->packet;
    assert(p->data >= w->block &&
           p->data + p->len <= w->block + LM_PACKET_HEADROOM + len + LM_PACKET_TAILROOM);
    if (!p->relayed) {
        assert(p->len >= LM_CHANNEL_HEADER_LEN && !p->dont_fragment);
        assert(p->remote.transport == LM_UDP || p->len % 4 == 0);
        check_known(r, &p->remote, &p->local);
        return;
    }
    assert(r->mode == LM_TURN_OPEN && lm_turn_peers_allow(NULL, &p->remote));
    assert(lm_turn_ports_find(&w->turn->ports, &p->local) != NULL);
}

static void from_client(run *r, turn_client *c, size_t len)
{
    if (!lm_turn_is_turn(buf, len))
        return;
    r->spoke[c - r->clients] = true;
    put(r, &c->address, &c->server, false, buf, len);
    drain(r, c);
}

static void check_gauges(const run *r)
{
    const lm_turn *turn = r->w.turn;
    const lm_turn_stats *s = lm_turn_get_stats(turn);
    uint64_t allocations = 0, streams = 0, permissions = 0, channels = 0;
    lm_turn_allocation *a, *next;
    HASH_ITER(hh, turn->allocations, a, next) {
        allocations++;
        streams += lm_turn_is_stream(a);
        permissions += a->permission_count;
        channels += a->channel_count;
        assert(a->open && lm_turn_ports_find(&turn->ports, &a->relayed) == a);
        assert(a->deadline.slot != 0 && a->deadline.at <= a->expires);
        assert(lm_turn_users_count(turn->users, (const uint8_t *)a->username + a->username_len - 3, 3) > 0);
    }
    assert(s->allocations == allocations && s->allocations_stream == streams);
    assert(s->permissions == permissions && s->channels == channels);
    assert(r->w.port_count == (r->mode == LM_TURN_OPEN ? allocations : 0));
    assert((turn->users == NULL) == (allocations == 0));
}

static size_t read_length(lm_reader *in)
{
    return lm_read_u16(in) % DATA_MAX;
}

static void lose_port(run *r)
{
    if (r->w.port_count > 0) {
        lm_addr port = r->w.ports[0];
        lm_turn_port_opened(r->w.turn, r->w.now, &port, false);
        drain(r, NULL);
    }
}

static void ask_any(run *r, turn_client *c, lm_reader *in)
{
    lm_stun_builder b;
    uint8_t method = lm_read_u8(in);
    uint16_t type = lm_read_u16(in);
    size_t len = lm_read_u8(in);
    len = len < lm_reader_left(in) ? len : lm_reader_left(in);
    turn_client_begin(c, &b, buf, sizeof buf, method % 8 + 3);
    if (method & 0x80)
        lm_stun_add_uint(&b, LM_TURN_REQUESTED_TRANSPORT, 17u << 24, 4);
    if (type != LM_STUN_FINGERPRINT)
        lm_stun_add(&b, type, lm_read_bytes(in, len), len);
    from_client(r, c, turn_client_end(c, &b));
}

static void step(run *r, lm_reader *in)
{
    static const uint8_t zeros[DATA_MAX];
    uint8_t op = lm_read_u8(in) % 13, which = lm_read_u8(in), flags;
    turn_client *c = &r->clients[which % CLIENTS];
    turn_client_wish wish = {0};
    lm_turn_limits limits = {.max_allocations = which & 15, .user_allocations = which >> 4 & 3};
    lm_addr peers[2];
    size_t len;
    c->fingerprint = which & 0x40;
    c->sha256 = which & 0x80;
    switch (op) {
    case 0:
        len = read_length(in);
        len = len < lm_reader_left(in) ? len : lm_reader_left(in);
        if (len > 0)
            memcpy(buf, lm_read_bytes(in, len), len);
        from_client(r, c, len);
        break;
    case 1:
        flags = lm_read_u8(in);
        wish.family = flags & 3;
        wish.even = flags & 4;
        wish.next = flags & 8;
        wish.dont_fragment = flags & 16;
        wish.token = flags & 32 ? r->w.turn->ports.reservations[0].token : NULL;
        c->repeat = flags & 64;
        wish.lifetime = lm_read_u16(in);
        from_client(r, c, turn_client_allocate(c, buf, &wish));
        break;
    case 2:
        from_client(r, c, turn_client_refresh(c, buf, lm_read_u16(in)));
        break;
    case 3:
        peers[0] = peer_of(r, lm_read_u8(in));
        peers[1] = peer_of(r, lm_read_u8(in));
        from_client(r, c, turn_client_permit(c, buf, peers, 1 + (which & 0x20 ? 1 : 0)));
        break;
    case 4:
        flags = lm_read_u8(in);
        peers[0] = peer_of(r, lm_read_u8(in));
        from_client(r, c, turn_client_bind(c, buf, (uint16_t)(0x3FFF + flags % 8), &peers[0]));
        break;
    case 5:
        peers[0] = peer_of(r, lm_read_u8(in));
        flags = lm_read_u8(in);
        from_client(r, c, turn_client_send(c, buf, sizeof buf, &peers[0], zeros, read_length(in), flags & 1));
        break;
    case 6:
        flags = lm_read_u8(in);
        from_client(r, c,
                    turn_client_channel_data(buf, sizeof buf, (uint16_t)(0x4000 + flags % 8), zeros,
                                             read_length(in), flags & 0x80));
        break;
    case 7:
        turn_world_pass(&r->w, (which << 8 | lm_read_u8(in)) * 100u);
        break;
    case 8:
        limits.rate = which & 0x80 ? 1000 : 0;
        limits.stopping = which & 0x40;
        lm_turn_set_limits(r->w.turn, &limits);
        break;
    case 9:
        r->w.refuse_ports = which & 1;
        if (which & 2)
            lose_port(r);
        break;
    case 10:
        lm_turn_stream_closed(r->w.turn, r->w.now, &c->address, &c->server);
        drain(r, NULL);
        break;
    case 11:
        peers[0] = peer_of(r, which);
        peers[1] = r->clients[lm_read_u8(in) % CLIENTS].relayed;
        if (r->mode == LM_TURN_OPEN)
            put(r, &peers[0], &peers[1], true, zeros, read_length(in));
        break;
    default:
        ask_any(r, c, in);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    lm_reader in = lm_reader_init(data, len);
    uint8_t setup = lm_read_u8(&in);
    static run r;
    memset(&r, 0, sizeof r);
    r.mode = setup & 1 ? LM_TURN_OPEN : LM_TURN_CLOSED;
    lm_turn_config config = turn_world_config(&r.w, r.mode);
    if (setup & 2)
        config.limits = (lm_turn_limits){.max_allocations = 3, .user_allocations = 1, .rate = 2000};
    if (setup & 4)
        config.public_ip6 = (lm_addr){.port = 0};
    if (setup & 8)
        config.port_max = 50003;
    turn_world_start(&r.w, r.mode, &config);
    add_clients(&r);
    for (unsigned i = 0; i < STEPS_MAX && lm_reader_left(&in) > 0; i++) {
        step(&r, &in);
        check_gauges(&r);
    }
    turn_world_stop(&r.w);
    return 0;
}
