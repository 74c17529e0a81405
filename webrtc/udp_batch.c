#include "webrtc/udp_batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h> /* a part of udp_uv, the binding */

#include "common/error.h"
#include "common/sockaddr.h"

/* Datagrams in a batch, and those of them whose bytes are copied. */
#define PACKETS 512
#define COPIES 64

/* Sockets that datagrams of one batch leave from: more than a batch that was received can lead to. */
#define QUEUES 128

/* Flows that are found again, to add to their messages; a power of two. */
#define FLOWS 256

/* Datagrams and bytes in one message. The kernel takes 64 (since 6.9: 128), and 65,507 bytes over IPv4. */
#define SEGMENTS_MAX 64
#define MESSAGE_MAX 65000

/* Messages that the kernel refused to cut, one after the other and none ever cut, before it is not asked
 * again. */
#define REFUSALS_MAX 16

#define NONE UINT16_MAX

/* One datagram: its head from the batch's own memory, if it has one, then what is borrowed. */
typedef struct piece {
    const uint8_t *data;
    uint16_t len;
    uint16_t head;
    uint16_t next; /* of the same message */
} piece;

/* Datagrams of one flow that go in one system call's entry, or each in its own (split). */
typedef struct message {
    lm_udp_socket *socket;
    lm_addr remote;
    lm_addr local;
    uint16_t first, last; /* pieces */
    uint16_t count;       /* of them */
    uint16_t next;        /* of the same socket */
    uint16_t segment;     /* length of each but the last, in bytes */
    uint32_t bytes;
    bool closed; /* nothing can be added: its last datagram is shorter, or it must be alone */
    bool split;
    bool dont_fragment;
    uint8_t source_len; /* bytes of control without the segments' length */
    socklen_t name_len;
    struct sockaddr_storage name;
    lm_udp_control control;
} message;

/* What leaves from one socket. */
typedef struct queue {
    lm_udp_socket *socket;
    uint16_t first, last; /* messages; first NONE: all sent */
} queue;

struct lm_udp_batch {
    lm_udp_batch_kind kind;
    lm_udp_stats *stats;
    bool segments;         /* UDP_SEGMENT is used */
    bool segmented;        /* it has worked */
    unsigned refusals;     /* times that it did not, before it ever had */
    unsigned pieces_n;     /* in use */
    unsigned messages_n;   /* in use */
    unsigned queues_n;     /* in use */
    unsigned copies_n;     /* in use */
    uint16_t flows[FLOWS]; /* the latest message of a flow, or what was there before */
    queue queues[QUEUES];
    piece pieces[PACKETS];
    message messages[PACKETS];
    struct mmsghdr headers[PACKETS];
    struct iovec vectors[2 * PACKETS];
    uint8_t heads[PACKETS][LM_PACKET_HEADROOM];
    uint8_t copies[COPIES][LM_UDP_COPY_MAX];
};

int lm_udp_batch_create(lm_udp_batch **out, lm_udp_batch_kind kind, lm_udp_stats *stats)
{
    lm_udp_batch *b = calloc(1, sizeof *b);
    if (b == NULL)
        return LM_ENOMEM;
    b->kind = kind;
    b->stats = stats;
    b->segments = lm_udp_segments_known();
    *out = b;
    return LM_OK;
}

void lm_udp_batch_destroy(lm_udp_batch *b)
{
    free(b);
}

bool lm_udp_batch_full(const lm_udp_batch *b)
{
    return b->pieces_n == PACKETS || b->copies_n == COPIES || b->queues_n == QUEUES;
}

/* --- putting in --- */

/* Where the latest message of a flow is to be found. Two flows with the same place are merged less, no more.
 */
static unsigned place_of(const lm_addr *remote, const lm_addr *local)
{
    uint64_t low, high;
    memcpy(&low, remote->ip, sizeof low);
    memcpy(&high, remote->ip + 8, sizeof high);
    low ^= high * UINT64_C(0xff51afd7ed558ccd);
    low ^= (uint64_t)remote->port << 32 ^ (uint64_t)local->port << 48;
    return (unsigned)((low * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % FLOWS;
}

static queue *queue_of(lm_udp_batch *b, lm_udp_socket *s)
{
    unsigned at = s->queue[b->kind]; /* from an earlier batch, perhaps */
    if (at >= b->queues_n || b->queues[at].socket != s) {
        at = b->queues_n++;
        b->queues[at] = (queue){.socket = s, .first = NONE, .last = NONE};
        s->queue[b->kind] = (uint16_t)at;
    }
    return &b->queues[at];
}

static message *new_message(lm_udp_batch *b, lm_udp_socket *s, const lm_packet *p)
{
    uint16_t index = (uint16_t)b->messages_n++;
    message *m = &b->messages[index];
    queue *q = queue_of(b, s);
    m->socket = s;
    m->remote = p->remote;
    m->local = p->local;
    m->first = m->last = m->next = NONE;
    m->count = 0;
    m->segment = (uint16_t)p->len;
    m->bytes = 0;
    m->closed = p->dont_fragment || p->len == 0 || !b->segments;
    m->split = false;
    m->dont_fragment = p->dont_fragment;
    /* A relayed address is what others see; behind a NAT none of this machine's is the same. */
    m->source_len = s->relayed ? 0 : (uint8_t)lm_udp_control_set_source(&m->control, &p->local);
    m->name_len = lm_sockaddr_from_addr(&m->name, &p->remote);
    if (q->last == NONE)
        q->first = index;
    else
        b->messages[q->last].next = index;
    q->last = index;
    return m;
}

/* A message that the packet can be added to: the flow's latest, if it is not full, or a new one. */
static message *message_for(lm_udp_batch *b, lm_udp_socket *s, const lm_packet *p)
{
    uint16_t *flow = &b->flows[place_of(&p->remote, &p->local)];
    if (*flow < b->messages_n) {
        message *m = &b->messages[*flow];
        if (!m->closed && m->socket == s && p->len <= m->segment && p->len > 0 && !p->dont_fragment &&
            m->count < SEGMENTS_MAX && m->bytes + p->len <= MESSAGE_MAX &&
            lm_addr_equal(&m->remote, &p->remote) && lm_addr_equal(&m->local, &p->local))
            return m;
    }
    *flow = (uint16_t)b->messages_n;
    return new_message(b, s, p);
}

void lm_udp_batch_put(lm_udp_batch *b, lm_udp_socket *s, const lm_packet *p, size_t head)
{
    message *m = message_for(b, s, p);
    uint16_t index = (uint16_t)b->pieces_n++;
    if (head > 0)
        memcpy(b->heads[index], p->data, head);
    b->pieces[index] = (piece){
        .data = p->data + head, .len = (uint16_t)(p->len - head), .head = (uint16_t)head, .next = NONE};
    if (m->last == NONE)
        m->first = index;
    else
        b->pieces[m->last].next = index;
    m->last = index;
    m->count++;
    m->bytes += (uint32_t)p->len;
    if (p->len < m->segment)
        m->closed = true;
}

void lm_udp_batch_copy(lm_udp_batch *b, lm_udp_socket *s, const lm_packet *p)
{
    lm_packet copy = *p;
    copy.data = b->copies[b->copies_n++];
    memcpy(copy.data, p->data, p->len);
    lm_udp_batch_put(b, s, &copy, 0);
}

/* --- sending --- */

static unsigned add_vectors(lm_udp_batch *b, struct iovec *vectors, uint16_t index)
{
    piece *p = &b->pieces[index];
    unsigned n = 0;
    if (p->head > 0)
        vectors[n++] = (struct iovec){.iov_base = b->heads[index], .iov_len = p->head};
    vectors[n++] = (struct iovec){.iov_base = (void *)(uintptr_t)p->data, .iov_len = p->len};
    return n;
}

/* Makes the system call's entries for what waits for a socket; returns how many. */
static unsigned fill(lm_udp_batch *b, const queue *q)
{
    unsigned entries = 0;
    struct iovec *vectors = b->vectors;
    for (uint16_t i = q->first; i != NONE; i = b->messages[i].next) {
        message *m = &b->messages[i];
        uint16_t at = m->first;
        if (m->dont_fragment && entries > 0)
            break; /* the next time: it is sent by itself */
        while (at != NONE) {
            struct msghdr *h = &b->headers[entries++].msg_hdr;
            h->msg_name = &m->name;
            h->msg_namelen = m->name_len;
            h->msg_control = &m->control;
            h->msg_controllen = m->source_len;
            h->msg_iov = vectors;
            if (m->split || m->count == 1) {
                vectors += add_vectors(b, vectors, at);
                at = b->pieces[at].next;
            } else {
                for (; at != NONE; at = b->pieces[at].next)
                    vectors += add_vectors(b, vectors, at);
                h->msg_controllen = lm_udp_control_add_segment(&m->control, m->source_len, m->segment);
            }
            h->msg_iovlen = (size_t)(vectors - h->msg_iov);
        }
        if (m->dont_fragment)
            break;
    }
    return entries;
}

/* Takes the first `entries` entries off: they are sent, or given up. */
static void advance(lm_udp_batch *b, queue *q, unsigned entries)
{
    while (entries-- > 0) {
        message *m = &b->messages[q->first];
        if (m->split && m->count > 1) {
            m->first = b->pieces[m->first].next;
            m->count--;
            continue;
        }
        if (m->count > 1) {
            b->stats->merged_sends++;
            b->segmented = true;
        }
        q->first = m->next;
    }
}

/* The kernel's buffer is full. */
static void block(lm_udp_batch *b, queue *q)
{
    b->stats->send_blocked++;
    if (b->kind == LM_UDP_KEEP)
        return;
    for (; q->first != NONE; q->first = b->messages[q->first].next)
        b->stats->send_blocked_packets += b->messages[q->first].count;
}

/*
 * The first message was refused. If that may be for its having segments, they are sent one by one: EIO is a
 * way without checksums or with IPsec, and stays so; EINVAL and EMSGSIZE may just be a path with a small MTU.
 */
static void refuse(lm_udp_batch *b, queue *q, int error)
{
    message *m = &b->messages[q->first];
    if (m->count > 1 && !m->split &&
        (error == EIO || error == EINVAL || error == EMSGSIZE || error == EOPNOTSUPP ||
         error == ENOPROTOOPT)) {
        m->split = true;
        if ((error != EINVAL && error != EMSGSIZE) || (!b->segmented && ++b->refusals == REFUSALS_MAX))
            b->segments = false;
        return;
    }
    b->stats->send_errors++; /* no route, an address that has gone, a firewall */
    advance(b, q, 1);
}

static void send_queue(lm_udp_batch *b, queue *q)
{
    while (q->first != NONE) {
        unsigned entries = fill(b, q);
        bool dont_fragment = b->messages[q->first].dont_fragment;
        if (dont_fragment)
            lm_udp_socket_set_dont_fragment(q->socket, true);
        int n = sendmmsg(q->socket->fd, b->headers, entries, MSG_DONTWAIT);
        int error = errno;
        if (dont_fragment)
            lm_udp_socket_set_dont_fragment(q->socket, false);
        b->stats->send_calls++;
        if (n > 0) {
            advance(b, q, (unsigned)n);
        } else if (error == EAGAIN || error == EWOULDBLOCK) {
            block(b, q);
            return;
        } else if (error != EINTR) {
            refuse(b, q, error);
        }
    }
}

bool lm_udp_batch_send(lm_udp_batch *b)
{
    bool kept = false;
    for (unsigned i = 0; i < b->queues_n; i++) {
        send_queue(b, &b->queues[i]);
        kept |= b->queues[i].first != NONE;
    }
    if (!kept)
        b->pieces_n = b->messages_n = b->queues_n = b->copies_n = 0;
    return !kept;
}

bool lm_udp_batch_waits(const lm_udp_batch *b, const lm_udp_socket *s)
{
    unsigned at = s->queue[b->kind];
    return at < b->queues_n && b->queues[at].socket == s && b->queues[at].first != NONE;
}
