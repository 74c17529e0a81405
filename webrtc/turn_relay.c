/*
 * The hot path of a TURN server: one packet in, turned in place into the packet to be sent (RFC 8656 sections
 * 11 and 12). Nothing is copied or allocated; a packet from a client costs one look-up in the table of
 * 5-tuples, everything else is found by index or in a short vector.
 */
#include <sodium.h>

#include "common/error.h"
#include "webrtc/demux.h"
#include "webrtc/turn_request.h"

/* Header, XOR-PEER-ADDRESS and the header of DATA, for IPv6. */
#define DATA_INDICATION_MAX (LM_STUN_HEADER_LEN + 4 + 20 + 4)

_Static_assert(DATA_INDICATION_MAX <= LM_PACKET_HEADROOM,
               "a Data indication's headers fit into the headroom");

/* The payload of a packet on its way, which lies in the packet's buffer. */
typedef struct payload {
    uint8_t *data;
    size_t len;
} payload;

bool lm_turn_is_turn(const uint8_t *data, size_t len)
{
    if (len == 0)
        return false;
    switch (lm_demux(data[0])) {
    case LM_DEMUX_TURN_CHANNEL:
        return true;
    case LM_DEMUX_STUN:
        break;
    default:
        return false;
    }
    lm_reader r = lm_reader_init(data, len);
    uint16_t type = lm_read_u16(&r);
    lm_read_u16(&r);
    if (lm_read_u32(&r) != LM_STUN_COOKIE)
        return false;
    switch (lm_stun_method(type)) {
    case LM_TURN_ALLOCATE:
    case LM_TURN_REFRESH:
    case LM_TURN_SEND_METHOD:
    case LM_TURN_DATA_METHOD:
    case LM_TURN_CREATE_PERMISSION:
    case LM_TURN_CHANNEL_BIND:
        return true;
    default:
        return false;
    }
}

static int drop(uint64_t *counter)
{
    (*counter)++;
    return 0;
}

/* True when the allocation may pass on so many bytes now; takes them off. */
static bool take_rate(const lm_turn *turn, lm_ms now, lm_token_bucket *bucket, size_t len)
{
    return lm_token_bucket_take_many(bucket, (uint32_t)len, turn->limits.rate, lm_turn_burst(&turn->limits),
                                     now);
}

/* Puts the headers of a Data indication before the payload, and padding behind it (section 11.3). */
static int wrap_data(lm_turn *turn, const lm_addr *peer, const payload *p, uint8_t **start)
{
    static const uint8_t padding[3];
    const size_t padded = (p->len + 3) & ~(size_t)3;
    const size_t headers = LM_STUN_HEADER_LEN + 4 + 4 + lm_addr_ip_len(peer) + 4;
    const size_t body = headers - LM_STUN_HEADER_LEN + padded;
    lm_stun_builder b;
    if (body > UINT16_MAX)
        return LM_ETOOBIG;
    *start = p->data - headers;
    lm_stun_begin(&b, *start, headers + padded, LM_TURN_DATA_METHOD, LM_STUN_INDICATION, turn->indication);
    sodium_increment(turn->indication, sizeof turn->indication);
    lm_stun_add_xor_address(&b, LM_TURN_XOR_PEER_ADDRESS, peer);
    lm_write_u16(&b.w, LM_TURN_DATA);
    lm_write_u16(&b.w, (uint16_t)p->len);
    lm_write_reserve(&b.w, p->len); /* it is there already */
    lm_write_bytes(&b.w, padding, padded - p->len);
    return lm_stun_finish_plain(&b);
}

/* Turns the packet into what the client of `a` gets from `peer`, who has its permission. */
static int to_client(lm_turn *turn, lm_ms now, lm_packet *packet, lm_turn_allocation *a, const lm_addr *peer,
                     const payload *p)
{
    if (!take_rate(turn, now, &a->received, p->len))
        return drop(&turn->stats.drops.rate);
    const lm_turn_channel *channel = lm_turn_channel_by_peer(a, now, peer);
    if (channel != NULL && p->len <= UINT16_MAX) {
        size_t len = LM_CHANNEL_HEADER_LEN + p->len;
        lm_channel_data_write(p->data - LM_CHANNEL_HEADER_LEN, channel->number, p->len);
        packet->data = p->data - LM_CHANNEL_HEADER_LEN;
        while (lm_turn_is_stream(a) && len % 4 != 0) /* section 12.5 */
            packet->data[len++] = 0;
        packet->len = len;
    } else {
        uint8_t *start;
        int len = wrap_data(turn, peer, p, &start);
        if (len < 0)
            return drop(&turn->stats.drops.malformed);
        packet->data = start;
        packet->len = (size_t)len;
    }
    packet->remote = a->path.remote;
    packet->local = a->path.local;
    packet->relayed = false;
    packet->dont_fragment = false;
    turn->stats.packets_to_clients++;
    turn->stats.bytes_to_clients += p->len;
    return 1;
}

/* Turns the packet into what `peer` gets from the client of `a`. */
static int from_client(lm_turn *turn, lm_ms now, lm_packet *packet, lm_turn_allocation *a,
                       const lm_addr *peer, const payload *p, bool dont_fragment)
{
    lm_turn_drop *drops = &turn->stats.drops;
    int result = 1;
    if (!lm_turn_permits(a, now, peer))
        return drop(&drops->no_permission);
    if (!take_rate(turn, now, &a->sent, p->len))
        return drop(&drops->rate);
    if (lm_turn_is_own(turn, peer)) { /* another allocation, or none; in either mode it stays inside */
        lm_turn_allocation *other = lm_turn_ports_find(&turn->ports, peer);
        if (other == NULL || !other->open || other->expires <= now)
            return drop(&drops->no_peer);
        if (!lm_turn_permits(other, now, &a->relayed))
            return drop(&drops->no_permission);
        result = to_client(turn, now, packet, other, &a->relayed, p);
    } else if (turn->mode == LM_TURN_OPEN && peer->port != 0) {
        packet->data = p->data;
        packet->len = p->len;
        packet->remote = *peer;
        packet->local = a->relayed;
        packet->relayed = true;
        packet->dont_fragment = dont_fragment;
    } else {
        return drop(&drops->forbidden);
    }
    if (result == 1) {
        turn->stats.packets_from_clients++;
        turn->stats.bytes_from_clients += p->len;
    }
    return result;
}

static int take_channel_data(lm_turn *turn, lm_ms now, lm_packet *packet, lm_turn_allocation *a)
{
    lm_channel_data header;
    if (lm_channel_data_read(&header, packet->data, packet->len) != LM_OK)
        return drop(&turn->stats.drops.malformed);
    if (a == NULL || !a->open)
        return drop(&turn->stats.drops.no_allocation);
    const lm_turn_channel *channel = lm_turn_channel_by_number(a, now, header.number);
    if (channel == NULL)
        return drop(&turn->stats.drops.no_channel);
    payload p = {.data = packet->data + LM_CHANNEL_HEADER_LEN, .len = header.len};
    return from_client(turn, now, packet, a, &channel->peer, &p, false);
}

/* A Send indication (section 11.2); it is not authenticated, the 5-tuple has been. */
static int take_send(lm_turn *turn, lm_ms now, lm_packet *packet, lm_turn_allocation *a)
{
    lm_turn_drop *drops = &turn->stats.drops;
    lm_stun_msg stun;
    lm_turn_message m;
    if (lm_stun_parse(&stun, packet->data, packet->len) != LM_OK ||
        lm_turn_message_read(&m, &stun) != LM_OK || m.peer_count == 0 || m.data == NULL)
        return drop(&drops->malformed);
    if (m.unknown_count > 0)
        return drop(&drops->unknown_attribute);
    if (a == NULL || !a->open)
        return drop(&drops->no_allocation);
    payload p = {.data = packet->data + (m.data - packet->data), .len = m.data_len};
    lm_addr peer = m.peers[0];
    return from_client(turn, now, packet, a, &peer, &p, m.dont_fragment);
}

static int take_from_peer(lm_turn *turn, lm_ms now, lm_packet *packet)
{
    lm_turn_allocation *a = lm_turn_ports_find(&turn->ports, &packet->local);
    if (a == NULL || !a->open || a->expires <= now)
        return drop(&turn->stats.drops.no_peer);
    lm_addr peer = packet->remote;
    if (!lm_turn_permits(a, now, &peer))
        return drop(&turn->stats.drops.no_permission);
    payload p = {.data = packet->data, .len = packet->len};
    return to_client(turn, now, packet, a, &peer, &p);
}

int lm_turn_relay(lm_turn *turn, lm_ms now, lm_packet *packet)
{
    if (packet->relayed)
        return take_from_peer(turn, now, packet);
    if (packet->len == 0)
        return drop(&turn->stats.drops.malformed);
    if (lm_demux(packet->data[0]) == LM_DEMUX_TURN_CHANNEL)
        return take_channel_data(turn, now, packet, lm_turn_find(turn, now, &packet->remote, &packet->local));
    if (packet->len >= 2 && packet->data[0] == 0 &&
        packet->data[1] == (LM_TURN_SEND_METHOD | LM_STUN_INDICATION << 4))
        return take_send(turn, now, packet, lm_turn_find(turn, now, &packet->remote, &packet->local));
    lm_turn_take_request(turn, now, &packet->remote, &packet->local, packet->data, packet->len);
    return 0;
}
