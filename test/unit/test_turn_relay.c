/* The TURN server's hot path: packets between allocations, and in open mode to and from peers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "test/support/turn_world.h"

static uint8_t buf[TURN_WORLD_PACKET_MAX];
static turn_client_answer answer;

static lm_addr address(const char *text)
{
    lm_addr addr;
    assert_int_equal(lm_addr_parse(&addr, text), LM_OK);
    return addr;
}

static const lm_turn_stats *stats(const turn_world *w)
{
    return lm_turn_get_stats(w->turn);
}

static turn_client join(turn_world *w, const char *at, const char *user, lm_transport transport,
                        uint8_t family)
{
    turn_client c = turn_world_client(w, at, user);
    turn_client_set_transport(&c, transport);
    assert_int_equal(turn_world_allocate(w, &c, &(turn_client_wish){.family = family}, &answer), 0);
    return c;
}

/* Sends ChannelData; what lm_turn_relay() returns. */
static int say(turn_world *w, const turn_client *c, uint16_t channel, const char *data, size_t len,
               bool padded)
{
    size_t n = turn_client_channel_data(buf, sizeof buf, channel, data, len, padded);
    return turn_world_put(w, &c->address, &c->server, false, buf, n);
}

static int send_to(turn_world *w, turn_client *c, const lm_addr *peer, const char *data, size_t len)
{
    size_t n = turn_client_send(c, buf, sizeof buf, peer, data, len, false);
    return turn_world_put(w, &c->address, &c->server, false, buf, n);
}

/* What the last packet became is for this client, from this peer, over this channel (0: Data indication). */
static void check_got(const turn_world *w, const turn_client *c, const lm_addr *from, uint16_t channel,
                      const char *data, size_t len)
{
    const lm_packet *p = &w->packet;
    uint16_t number;
    lm_addr peer = *from;
    const uint8_t *payload;
    size_t payload_len;
    assert_false(p->relayed);
    assert_true(lm_addr_equal(&p->remote, &c->address));
    assert_true(lm_addr_equal(&p->local, &c->server));
    assert_int_equal(turn_client_read_data(&number, &peer, &payload, &payload_len, p->data, p->len), LM_OK);
    assert_int_equal(number, channel);
    assert_true(lm_addr_equal(&peer, from));
    assert_int_equal(payload_len, len);
    assert_memory_equal(payload, data, len);
    if (channel != 0 && c->address.transport == LM_UDP)
        assert_int_equal(p->len, LM_CHANNEL_HEADER_LEN + len);
    if (channel != 0 && c->address.transport != LM_UDP)
        assert_int_equal(p->len, (LM_CHANNEL_HEADER_LEN + len + 3) / 4 * 4);
}

/* Two clients over any transports, with relayed addresses of either family: all four ways between them. */
static void data_passes_between_two_allocations(void **state)
{
    static const char text[] = "0123456789abcdef";
    static const struct {
        const char *a, *b;
        lm_transport ta, tb;
        uint8_t family;
    } cases[] = {
        {"192.0.2.1:1000", "192.0.2.2:2000", LM_UDP, LM_UDP, 1},
        {"192.0.2.1:1000", "192.0.2.2:2000", LM_UDP, LM_TCP, 1},
        {"192.0.2.1:1000", "[2001:db8:7::2]:2000", LM_TLS, LM_TCP, 1},
        {"[2001:db8:7::1]:1000", "[2001:db8:7::2]:2000", LM_UDP, LM_UDP, 2},
        {"[2001:db8:7::1]:1000", "192.0.2.2:2000", LM_TCP, LM_UDP, 2},
    };
    (void)state;
    for (int mode = LM_TURN_CLOSED; mode <= LM_TURN_OPEN; mode++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            turn_world w;
            uint64_t packets = 0, bytes = 0;
            turn_world_start(&w, (lm_turn_mode)mode, NULL);
            turn_client a = join(&w, cases[i].a, "ada", cases[i].ta, cases[i].family);
            turn_client b = join(&w, cases[i].b, "bob", cases[i].tb, cases[i].family);
            const char *relay = cases[i].family == 1 ? "198.51.100.1" : "2001:db8::1";
            assert_int_equal(turn_world_permit(&w, &a, relay), 0);
            assert_int_equal(turn_world_permit(&w, &b, relay), 0);
            for (unsigned channels = 0; channels < 4; channels++) {
                if (channels == 1)
                    assert_int_equal(turn_world_bind(&w, &a, 0x4001, &b.relayed), 0);
                if (channels == 2)
                    assert_int_equal(turn_world_bind(&w, &b, 0x7FFF, &a.relayed), 0);
                for (size_t len = 0; len < sizeof text; len++) {
                    assert_int_equal(send_to(&w, &a, &b.relayed, text, len), 1);
                    check_got(&w, &b, &a.relayed, channels >= 2 ? 0x7FFF : 0, text, len);
                    assert_int_equal(send_to(&w, &b, &a.relayed, text, len), 1);
                    check_got(&w, &a, &b.relayed, channels >= 1 ? 0x4001 : 0, text, len);
                    packets += 2, bytes += 2 * len;
                    if (channels < 1)
                        continue;
                    assert_int_equal(say(&w, &a, 0x4001, text, len, len % 2), 1);
                    check_got(&w, &b, &a.relayed, channels >= 2 ? 0x7FFF : 0, text, len);
                    packets++, bytes += len;
                    if (channels < 2)
                        continue;
                    assert_int_equal(say(&w, &b, 0x7FFF, text, len, true), 1);
                    check_got(&w, &a, &b.relayed, 0x4001, text, len);
                    packets++, bytes += len;
                }
            }
            assert_true(stats(&w)->packets_from_clients == packets &&
                        stats(&w)->packets_to_clients == packets);
            assert_true(stats(&w)->bytes_from_clients == bytes && stats(&w)->bytes_to_clients == bytes);
            turn_world_stop(&w);
        }
    }
}

static void nothing_is_copied(void **state)
{
    turn_world w;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, NULL);
    turn_client a = join(&w, "192.0.2.1:1000", "ada", LM_UDP, 1),
                b = join(&w, "192.0.2.2:1", "bob", LM_UDP, 1);
    assert_int_equal(turn_world_bind(&w, &a, 0x4000, &b.relayed), 0);
    assert_int_equal(turn_world_bind(&w, &b, 0x4001, &a.relayed), 0);
    assert_int_equal(say(&w, &a, 0x4000, "hello", 5, false), 1);
    assert_ptr_equal(w.packet.data, w.block + LM_PACKET_HEADROOM); /* but for the channel's number */
    assert_memory_equal(w.packet.data, "\x40\x01\x00\x05hello", 9);
    turn_world_stop(&w);
}

static void data_needs_allocation_channel_permission_and_somebody_there(void **state)
{
    turn_world w;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, NULL);
    turn_client a = join(&w, "192.0.2.1:1000", "ada", LM_UDP, 1),
                b = join(&w, "192.0.2.2:1", "bob", LM_UDP, 1);
    turn_client nobody = turn_world_client(&w, "192.0.2.3:1", "eve");
    const lm_turn_drop *drops = &stats(&w)->drops;
    lm_addr free_port = a.relayed, outside = address("192.0.2.2:1"), listener = address("198.51.100.1:3478");

    assert_int_equal(say(&w, &nobody, 0x4000, "x", 1, false), 0);
    assert_int_equal(send_to(&w, &nobody, &b.relayed, "x", 1), 0);
    assert_int_equal(drops->no_allocation, 2);
    assert_int_equal(say(&w, &a, 0x4000, "x", 1, false), 0);
    assert_int_equal(drops->no_channel, 1);
    assert_int_equal(send_to(&w, &a, &b.relayed, "x", 1), 0); /* a has no permission */
    assert_int_equal(turn_world_bind(&w, &a, 0x4000, &b.relayed), 0);
    assert_int_equal(say(&w, &a, 0x4000, "x", 1, false), 0); /* b has none */
    assert_int_equal(drops->no_permission, 2);
    while (free_port.port == a.relayed.port || free_port.port == b.relayed.port)
        free_port.port = free_port.port == 50099 ? 50000 : free_port.port + 1;
    assert_int_equal(send_to(&w, &a, &free_port, "x", 1), 0);
    assert_int_equal(send_to(&w, &a, &listener, "x", 1), 0); /* the relay's own port is out of reach */
    assert_int_equal(drops->no_peer, 2);
    assert_int_equal(send_to(&w, &a, &outside, "x", 1), 0); /* the client itself is no peer */
    assert_int_equal(drops->no_permission, 3);

    assert_int_equal(turn_world_permit(&w, &b, "198.51.100.1"), 0);
    assert_int_equal(say(&w, &a, 0x4000, "x", 1, false), 1);
    turn_world_pass(&w, LM_TURN_PERMISSION_LIFETIME);
    assert_int_equal(say(&w, &a, 0x4000, "x", 1, false), 0); /* both are over */
    assert_int_equal(drops->no_permission, 4);
    assert_int_equal(turn_world_permit(&w, &a, "198.51.100.1"), 0);
    assert_int_equal(turn_world_permit(&w, &b, "198.51.100.1"), 0);
    assert_int_equal(say(&w, &a, 0x4000, "x", 1, false), 1);
    assert_int_equal(turn_world_refresh(&w, &b, 0), 0);
    assert_int_equal(say(&w, &a, 0x4000, "x", 1, false), 0);
    assert_int_equal(drops->no_peer, 3);
    turn_world_stop(&w);
}

/* Time has passed and nobody has called lm_turn_timeout() yet. */
static void what_is_over_is_over_before_its_timeout_ran(void **state)
{
    turn_world w;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, NULL);
    turn_client a = join(&w, "192.0.2.1:1000", "ada", LM_UDP, 1),
                b = join(&w, "192.0.2.2:1", "bob", LM_UDP, 1);
    assert_int_equal(turn_world_refresh(&w, &a, 3600), 0);
    assert_int_equal(turn_world_bind(&w, &a, 0x4000, &b.relayed), 0);
    assert_int_equal(turn_world_bind(&w, &b, 0x4000, &a.relayed), 0);
    w.now += LM_TURN_PERMISSION_LIFETIME;
    assert_int_equal(say(&w, &a, 0x4000, "x", 1, false), 0);
    assert_int_equal(stats(&w)->drops.no_permission, 1);
    w.now += LM_TURN_PERMISSION_LIFETIME;
    assert_int_equal(say(&w, &a, 0x4000, "x", 1, false), 0);
    assert_int_equal(stats(&w)->drops.no_channel, 1);
    assert_int_equal(turn_world_bind(&w, &a, 0x4000, &b.relayed), 0);
    assert_int_equal(say(&w, &a, 0x4000, "x", 1, false), 0); /* b's lifetime was ten minutes */
    assert_int_equal(stats(&w)->drops.no_peer, 1);
    assert_int_equal(say(&w, &b, 0x4000, "x", 1, false), 0);
    assert_int_equal(stats(&w)->drops.no_allocation, 1);
    turn_world_pass(&w, 0);
    turn_client again = b;
    again.transactions = 1000;
    assert_int_equal(turn_world_allocate(&w, &again, NULL, &answer), 0);
    assert_int_equal(stats(&w)->allocations, 2);
    turn_world_stop(&w);
}

static void malformed_data_is_dropped(void **state)
{
    static const uint8_t bad[][6] = {
        {0x40}, {0x40, 0, 0}, {0x40, 0, 0, 3, 1, 2}, {0x40, 0, 0xFF, 0xFF, 1, 2}};
    static const size_t lens[] = {1, 3, 6, 6};
    turn_world w;
    lm_stun_builder b;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, NULL);
    turn_client a = join(&w, "192.0.2.1:1000", "ada", LM_UDP, 1);
    assert_int_equal(turn_world_bind(&w, &a, 0x4000, &a.relayed), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(turn_world_put(&w, &a.address, &a.server, false, bad[i], lens[i]), 0);
    assert_int_equal(turn_world_put(&w, &a.address, &a.server, false, bad[0], 0), 0);
    for (int missing = 0; missing < 2; missing++) {
        turn_client_begin(&a, &b, buf, sizeof buf, LM_TURN_SEND_METHOD);
        if (missing == 0)
            lm_stun_add_xor_address(&b, LM_TURN_XOR_PEER_ADDRESS, &a.relayed);
        else
            lm_stun_add(&b, LM_TURN_DATA, "x", 1);
        buf[1] |= 0x10;
        size_t len = (size_t)lm_stun_finish_plain(&b);
        assert_int_equal(turn_world_put(&w, &a.address, &a.server, false, buf, len), 0);
    }
    assert_int_equal(stats(&w)->drops.malformed, 7);
    turn_client_begin(&a, &b, buf, sizeof buf, LM_TURN_SEND_METHOD);
    lm_stun_add_xor_address(&b, LM_TURN_XOR_PEER_ADDRESS, &a.relayed);
    lm_stun_add(&b, LM_TURN_DATA, "x", 1);
    lm_stun_add(&b, 0x7777, "x", 1);
    buf[1] |= 0x10;
    size_t len = (size_t)lm_stun_finish_plain(&b);
    assert_int_equal(turn_world_put(&w, &a.address, &a.server, false, buf, len), 0);
    assert_int_equal(stats(&w)->drops.unknown_attribute, 1);
    turn_world_stop(&w);
}

static void open_mode_reaches_peers_and_they_reach_the_client(void **state)
{
    static const struct {
        const char *client, *peer, *stranger;
        lm_transport transport;
        uint8_t family;
    } cases[] = {
        {"192.0.2.1:1000", "8.8.8.8:53", "8.8.4.4:53", LM_UDP, 1},
        {"192.0.2.1:1000", "[2600::7]:9", "[2600::8]:9", LM_TCP, 2},
        {"[2001:db8:7::1]:1", "8.8.8.8:53", "8.8.4.4:53", LM_TLS, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        turn_world w;
        turn_world_start(&w, LM_TURN_OPEN, NULL);
        turn_client a = join(&w, cases[i].client, "ada", cases[i].transport, cases[i].family);
        lm_addr peer = address(cases[i].peer), other_port = peer, stranger = address(cases[i].stranger);
        other_port.port++;
        assert_int_equal(turn_world_bind(&w, &a, 0x4123, &peer), 0);

        assert_int_equal(say(&w, &a, 0x4123, "hello", 5, true), 1); /* the header goes, and the padding */
        assert_true(w.packet.relayed);
        assert_false(w.packet.dont_fragment);
        assert_true(lm_addr_equal(&w.packet.remote, &peer) && lm_addr_equal(&w.packet.local, &a.relayed));
        assert_int_equal(w.packet.len, 5);
        assert_memory_equal(w.packet.data, "hello", 5);
        size_t n = turn_client_send(&a, buf, sizeof buf, &other_port, "abc", 3, true);
        assert_int_equal(turn_world_put(&w, &a.address, &a.server, false, buf, n), 1);
        assert_true(w.packet.relayed && w.packet.dont_fragment);
        assert_true(lm_addr_equal(&w.packet.remote, &other_port));
        assert_int_equal(w.packet.len, 3);
        assert_memory_equal(w.packet.data, "abc", 3);

        lm_addr socket = a.relayed; /* it may be bound to another address than it shows */
        memset(socket.ip, 0, sizeof socket.ip);
        for (size_t len = 0; len <= 5; len++) {
            assert_int_equal(turn_world_put(&w, &peer, &socket, true, "world", len), 1);
            check_got(&w, &a, &peer, 0x4123, "world", len);
            assert_int_equal(turn_world_put(&w, &other_port, &socket, true, "world", len), 1);
            check_got(&w, &a, &other_port, 0, "world", len);
        }
        assert_int_equal(turn_world_put(&w, &stranger, &socket, true, "world", 5), 0);
        assert_int_equal(send_to(&w, &a, &stranger, "x", 1), 0);
        assert_int_equal(stats(&w)->drops.no_permission, 2);
        other_port.port = 0; /* permissions know no ports, packets have to have one */
        assert_int_equal(send_to(&w, &a, &other_port, "x", 1), 0);
        assert_int_equal(stats(&w)->drops.forbidden, 1);
        socket.port = socket.port == 50000 ? 50001 : 50000;
        assert_int_equal(turn_world_put(&w, &peer, &socket, true, "world", 5), 0);
        assert_int_equal(stats(&w)->drops.no_peer, 1);
        turn_world_stop(&w);
    }
}

static void the_largest_packets_pass_or_are_dropped(void **state)
{
    static char big[65536];
    turn_world w;
    (void)state;
    turn_world_start(&w, LM_TURN_OPEN, NULL);
    turn_client a = join(&w, "192.0.2.1:1000", "ada", LM_TCP, 1);
    lm_addr peer = address("8.8.8.8:53");
    assert_int_equal(turn_world_permit(&w, &a, "8.8.8.8"), 0);
    memset(big, 'b', sizeof big);
    assert_int_equal(turn_world_put(&w, &peer, &a.relayed, true, big, 65516), 1);
    check_got(&w, &a, &peer, 0, big, 65516);
    assert_int_equal(turn_world_put(&w, &peer, &a.relayed, true, big, 65535), 0); /* no room for a header */
    assert_int_equal(stats(&w)->drops.malformed, 1);
    assert_int_equal(turn_world_bind(&w, &a, 0x4000, &peer), 0);
    assert_int_equal(turn_world_put(&w, &peer, &a.relayed, true, big, 65535), 1);
    check_got(&w, &a, &peer, 0x4000, big, 65535);
    turn_world_stop(&w);
}

/* One floods, another talks: the limit of each is its own, both ways. */
static void a_flood_takes_nothing_from_others(void **state)
{
    static const char payload[1000];
    turn_world w;
    lm_turn_config config = turn_world_config(&w, LM_TURN_CLOSED);
    unsigned flooded = 0, talked = 0;
    config.limits.rate = 100000;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, &config);
    turn_client a = join(&w, "192.0.2.1:1", "ada", LM_UDP, 1), b = join(&w, "192.0.2.2:1", "bob", LM_UDP, 1);
    turn_client c = join(&w, "192.0.2.3:1", "eve", LM_UDP, 1), d = join(&w, "192.0.2.4:1", "zoe", LM_UDP, 1);
    assert_int_equal(turn_world_bind(&w, &a, 0x4000, &b.relayed), 0);
    assert_int_equal(turn_world_bind(&w, &b, 0x4000, &a.relayed), 0);
    assert_int_equal(turn_world_bind(&w, &c, 0x4000, &d.relayed), 0);
    assert_int_equal(turn_world_bind(&w, &d, 0x4000, &c.relayed), 0);
    for (int ms = 0; ms < 10000; ms++) {
        for (int i = 0; i < 5; i++)
            flooded += (unsigned)say(&w, &a, 0x4000, payload, sizeof payload, false);
        if (ms % 20 == 0)
            talked += (unsigned)say(&w, &c, 0x4000, payload, sizeof payload, false);
        if (ms % 1000 == 0)
            assert_int_equal(say(&w, &b, 0x4000, payload, 100, false), 1); /* the way back is free */
        turn_world_pass(&w, 1);
    }
    assert_int_equal(talked, 500);
    assert_in_range(flooded, 1095, 1101); /* a burst of a second, then the rate */
    assert_int_equal(stats(&w)->drops.rate, 50000 - flooded);

    config.limits.rate = 10; /* packets of usual size pass even so, a few of them */
    lm_turn_set_limits(w.turn, &config.limits);
    turn_world_pass(&w, 100000);
    assert_int_equal(say(&w, &c, 0x4000, payload, sizeof payload, false), 1);
    turn_world_stop(&w);
}

/* Two send to one, each within its rate: what he gets has a limit too, and theirs is not touched by his. */
static void the_rate_of_a_receiver_is_his_own(void **state)
{
    static const char payload[1000];
    turn_world w;
    lm_turn_config config = turn_world_config(&w, LM_TURN_CLOSED);
    unsigned got = 0;
    config.limits.rate = 100000;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, &config);
    turn_client a = join(&w, "192.0.2.1:1", "ada", LM_UDP, 1), b = join(&w, "192.0.2.2:1", "bob", LM_UDP, 1);
    turn_client c = join(&w, "192.0.2.3:1", "eve", LM_UDP, 1);
    assert_int_equal(turn_world_bind(&w, &a, 0x4000, &b.relayed), 0);
    assert_int_equal(turn_world_bind(&w, &c, 0x4000, &b.relayed), 0);
    assert_int_equal(turn_world_bind(&w, &b, 0x4000, &a.relayed), 0);
    for (int ms = 0; ms < 10000; ms++) {
        if (ms % 10 == 0)
            got += (unsigned)(say(&w, &a, 0x4000, payload, 1000, false) +
                              say(&w, &c, 0x4000, payload, 1000, false));
        turn_world_pass(&w, 1);
    }
    assert_in_range(got, 1095, 1101);
    for (int i = 0; i < 90; i++) /* what he sends is counted apart */
        assert_int_equal(say(&w, &b, 0x4000, payload, 1000, false), 1);
    turn_world_stop(&w);
}

static uint64_t chance;

static uint32_t below(uint32_t n)
{
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(chance >> 33) % n;
}

/* A random address: of a client, of the relay, a relayed one, or anything. */
static lm_addr any_address(const turn_client *clients, size_t count)
{
    static const char *const texts[] = {"127.0.0.1:80",      "8.8.8.8:53",         "10.0.0.1:1",
                                        "198.51.100.1:3478", "198.51.100.1:50001", "[2001:db8::1]:50001",
                                        "[::1]:80",          "192.0.2.99:1"};
    uint32_t which = below(3);
    if (which == 0)
        return address(texts[below(sizeof texts / sizeof texts[0])]);
    return which == 1 ? clients[below((uint32_t)count)].relayed : clients[below((uint32_t)count)].address;
}

/*
 * Whatever clients ask for, in closed mode nothing is ever sent to an address that has not sent a packet from
 * there, nor is a port opened.
 */
static void closed_mode_sends_to_clients_alone(void **state)
{
    enum { CLIENTS = 6 };
    turn_world w;
    turn_client clients[CLIENTS];
    unsigned passed = 0, sent = 0;
    (void)state;
    turn_world_start(&w, LM_TURN_CLOSED, NULL);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = turn_world_client(&w, "192.0.2.1:1000", i % 2 ? "ada" : "bob");
        clients[i].address.ip[3] = (uint8_t)(1 + i);
    }
    bool spoke[CLIENTS] = {false};
    for (unsigned step = 0; step < 30000; step++) {
        uint32_t i = below(CLIENTS);
        turn_client *c = &clients[i];
        lm_addr peer = any_address(clients, CLIENTS);
        size_t len = 0;
        if (peer.family == LM_AF_NONE)
            peer = address("127.0.0.1:80");
        switch (below(8)) {
        case 0:
            len = turn_client_allocate(c, buf, &(turn_client_wish){.even = below(2), .next = below(2)});
            break;
        case 1:
            len = turn_client_refresh(c, buf, below(20) == 0 ? 0 : 600);
            break;
        case 2:
            len = turn_client_permit(c, buf, &peer, 1);
            break;
        case 3:
            len = turn_client_bind(c, buf, (uint16_t)(0x4000 + below(4)), &peer);
            break;
        case 4:
            len = turn_client_send(c, buf, sizeof buf, &peer, "probe", 5, below(2));
            break;
        default:
            len = turn_client_channel_data(buf, sizeof buf, (uint16_t)(0x4000 + below(4)), "probe", 5,
                                           below(2));
            break;
        }
        if (below(10) == 0 && len > 0)
            buf[below((uint32_t)len)] ^= (uint8_t)(1u << below(8));
        if (!lm_turn_is_turn(buf, len))
            continue;
        spoke[i] = true;
        lm_dgram to[4];
        unsigned count = 0;
        if (turn_world_put(&w, &c->address, &c->server, false, buf, len) == 1) {
            assert_false(w.packet.relayed);
            to[count++] = (lm_dgram){.remote = w.packet.remote, .local = w.packet.local};
            passed++;
        }
        lm_turn_output out;
        while (lm_turn_poll(w.turn, &out) == 1) {
            assert_int_equal(out.kind, LM_TURN_SEND);
            assert_true(count < 4);
            turn_client_read(c, &answer, out.send.data, out.send.len);
            to[count++] = out.send;
            sent++;
        }
        while (count-- > 0) {
            bool known = false;
            for (unsigned k = 0; k < CLIENTS; k++)
                known |= spoke[k] && lm_addr_equal(&to[count].remote, &clients[k].address) &&
                         lm_addr_equal(&to[count].local, &clients[k].server);
            assert_true(known);
        }
        if (below(4) == 0)
            turn_world_pass(&w, below(3000));
    }
    assert_true(passed > 500 && sent > 1000); /* it was not all refused */
    assert_true(stats(&w)->drops.forbidden > 100);
    turn_world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_passes_between_two_allocations),
        cmocka_unit_test(nothing_is_copied),
        cmocka_unit_test(data_needs_allocation_channel_permission_and_somebody_there),
        cmocka_unit_test(what_is_over_is_over_before_its_timeout_ran),
        cmocka_unit_test(malformed_data_is_dropped),
        cmocka_unit_test(open_mode_reaches_peers_and_they_reach_the_client),
        cmocka_unit_test(the_largest_packets_pass_or_are_dropped),
        cmocka_unit_test(a_flood_takes_nothing_from_others),
        cmocka_unit_test(the_rate_of_a_receiver_is_his_own),
        cmocka_unit_test(closed_mode_sends_to_clients_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
