/* The one file that includes usrsctp, and so the one with state that is global to the process. */
#include "webrtc/sctp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <usrsctp.h>

#include "common/error.h"
#include "common/table.h"
#include "webrtc/webrtc.h"

/*
 * Largest SCTP packet less its 12-byte common header, so that it fits a DTLS record in a 1,200-byte datagram. Path MTU
 * discovery is off: RFC 8261 section 5 leaves it to DTLS, which does none here.
 */
#define PATH_MTU 1151

/*
 * Receive window of an association in bytes: a message of LM_WEBRTC_MESSAGE_MAX and usrsctp's own overhead for its chunks
 * fit in, so that every allowed message is delivered whole. Longer ones reach PARTIAL_DELIVERY first, and end the
 * association.
 */
#define RECEIVE_SPACE (128 * 1024)
#define PARTIAL_DELIVERY (80 * 1024)

/* Bytes that usrsctp holds for sending in one association; what is beyond waits in the session's own queue. */
#define SEND_SPACE (128 * 1024)

/* Retransmission timeouts in ms. RFC 9260 section 16 has 1 s, 1 s and 60 s; signalling wants a lost packet back sooner. */
#define RTO_INITIAL 1000
#define RTO_MIN 300
#define RTO_MAX 10000

/*
 * How often usrsctp's timers run, in ms: while packets come or go, and while all is quiet. Its shortest timer of note is
 * the delayed SACK of 200 ms, which only runs after a packet.
 */
#define TICK_ACTIVE 20
#define TICK_QUIET 500
#define ACTIVE_FOR 2000

/* Level 1 of RFC 6458 section 8.1.20: a message that comes in pieces holds up its own association alone. */
#define FRAGMENT_INTERLEAVE 1

#define COMMON_HEADER_LEN 12
#define CHECKSUM_OFFSET 8

struct lm_sctp_assoc {
    uintptr_t id; /* what usrsctp knows as the peer's "address"; an opaque number, since HEARTBEAT sends it to the peer */
    const lm_sctp_handler *handler;
    void *user;
    sctp_assoc_t usrsctp_id; /* 0 until the association is up */
    bool blocked;            /* a send met a full buffer */
    bool muted;              /* being freed: packets that usrsctp still wants to send are dropped */
    UT_hash_handle hh;
};

static struct {
    unsigned users;
    struct socket *socket;
    lm_sctp_assoc *assocs; /* by id */
    uintptr_t last_id;
    lm_ms now;         /* latest time seen */
    lm_ms ticked;      /* when usrsctp's timers ran last */
    lm_ms active;      /* when the last packet came or went */
    uint32_t rejected; /* usrsctp's count of packets that belong to no association */
    uint8_t message[LM_WEBRTC_MESSAGE_MAX + 1];
} endpoint;

static lm_sctp_assoc *find(uintptr_t id)
{
    lm_sctp_assoc *assoc;
    HASH_FIND(hh, endpoint.assocs, &id, sizeof id, assoc);
    return assoc;
}

static struct sockaddr_conn address(uintptr_t id)
{
    struct sockaddr_conn addr = {.sconn_family = AF_CONN, .sconn_port = htons(LM_SCTP_PORT)};
    addr.sconn_addr = (void *)id;
    return addr;
}

/* CRC32c of a packet whose checksum field counts as zero (RFC 9260 section 6.8 and appendix A). */
static uint32_t checksum(uint8_t *packet, size_t len)
{
    memset(packet + CHECKSUM_OFFSET, 0, 4);
    return usrsctp_crc32c(packet, len);
}

static int output(void *addr, void *packet, size_t len, uint8_t tos, uint8_t set_df)
{
    lm_sctp_assoc *assoc = find((uintptr_t)addr);
    (void)tos;
    (void)set_df;
    if (assoc == NULL || assoc->muted || len < COMMON_HEADER_LEN)
        return 0;
    uint32_t crc = checksum(packet, len);
    memcpy((uint8_t *)packet + CHECKSUM_OFFSET, &crc, sizeof crc);
    endpoint.active = endpoint.now;
    assoc->handler->output(assoc->user, packet, len);
    return 0;
}

static int set_option(struct socket *socket, int level, int name, const void *value, size_t len)
{
    return usrsctp_setsockopt(socket, level, name, value, (socklen_t)len);
}

static int subscribe(struct socket *socket, uint16_t type)
{
    struct sctp_event event = {.se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = type, .se_on = 1};
    return set_option(socket, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof event);
}

static int configure(struct socket *socket)
{
    const int on = 1, receive = RECEIVE_SPACE, send = SEND_SPACE;
    const uint32_t partial = PARTIAL_DELIVERY, interleave = FRAGMENT_INTERLEAVE;
    const struct sctp_initmsg init = {.sinit_num_ostreams = LM_SCTP_STREAMS, .sinit_max_instreams = LM_SCTP_STREAMS};
    const struct sctp_rtoinfo rto = {.srto_initial = RTO_INITIAL, .srto_min = RTO_MIN, .srto_max = RTO_MAX};
    const struct sctp_assoc_value reset = {.assoc_value = SCTP_ENABLE_RESET_STREAM_REQ};
    /* No heartbeats: the session's consent checks tell that its peer lives (RFC 7675). */
    struct sctp_paddrparams path = {.spp_flags = SPP_PMTUD_DISABLE | SPP_HB_DISABLE, .spp_pathmtu = PATH_MTU};

    return set_option(socket, SOL_SOCKET, SO_RCVBUF, &receive, sizeof receive) != 0 ||
           set_option(socket, SOL_SOCKET, SO_SNDBUF, &send, sizeof send) != 0 ||
           set_option(socket, IPPROTO_SCTP, SCTP_PARTIAL_DELIVERY_POINT, &partial, sizeof partial) != 0 ||
           set_option(socket, IPPROTO_SCTP, SCTP_FRAGMENT_INTERLEAVE, &interleave, sizeof interleave) != 0 ||
           set_option(socket, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on) != 0 ||
           set_option(socket, IPPROTO_SCTP, SCTP_RECVRCVINFO, &on, sizeof on) != 0 ||
           set_option(socket, IPPROTO_SCTP, SCTP_INITMSG, &init, sizeof init) != 0 ||
           set_option(socket, IPPROTO_SCTP, SCTP_RTOINFO, &rto, sizeof rto) != 0 ||
           set_option(socket, IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET, &reset, sizeof reset) != 0 ||
           set_option(socket, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof path) != 0 ||
           subscribe(socket, SCTP_ASSOC_CHANGE) != 0 || subscribe(socket, SCTP_STREAM_RESET_EVENT) != 0;
}

int lm_sctp_start(void)
{
    if (endpoint.users++ > 0)
        return LM_OK;

    usrsctp_init_nothreads(0, output, NULL);
    usrsctp_sysctl_set_sctp_ecn_enable(0);
    usrsctp_sysctl_set_sctp_asconf_enable(0);
    usrsctp_sysctl_set_sctp_auth_enable(0);
    usrsctp_sysctl_set_sctp_blackhole(2); /* no answer to packets of no association */
    /* No quarantine for verification tags: DTLS keeps late packets of an old association out (RFC 8261 section 5). */
    usrsctp_sysctl_set_sctp_vtag_time_wait(0);
    usrsctp_enable_crc32c_offload();      /* the checksum is checked here, where a bad one can be counted */

    struct sockaddr_conn any = address(0);
    endpoint.socket = usrsctp_socket(AF_CONN, SOCK_SEQPACKET, IPPROTO_SCTP, NULL, NULL, 0, NULL);
    if (endpoint.socket == NULL || configure(endpoint.socket) ||
        usrsctp_set_non_blocking(endpoint.socket, 1) != 0 ||
        usrsctp_bind(endpoint.socket, (struct sockaddr *)&any, sizeof any) != 0 ||
        usrsctp_listen(endpoint.socket, 1) != 0) {
        lm_sctp_stop();
        return LM_ENOMEM;
    }
    return LM_OK;
}

void lm_sctp_stop(void)
{
    if (--endpoint.users > 0)
        return;
    if (endpoint.socket != NULL)
        usrsctp_close(endpoint.socket);
    endpoint.socket = NULL;
    /* usrsctp refuses while something of its own still waits for a timer; so let its time pass. */
    for (int i = 0; i < 100 && usrsctp_finish() != 0; i++)
        usrsctp_handle_timers(1000);
    endpoint.now = endpoint.ticked = endpoint.active = 0; /* the next user may come with another clock */
}

int lm_sctp_open(lm_sctp_assoc **out, const lm_sctp_handler *handler, void *user)
{
    lm_sctp_assoc *assoc = calloc(1, sizeof *assoc);
    if (assoc == NULL)
        return LM_ENOMEM;
    assoc->id = ++endpoint.last_id;
    assoc->handler = handler;
    assoc->user = user;
    HASH_ADD(hh, endpoint.assocs, id, sizeof assoc->id, assoc);
    usrsctp_register_address((void *)assoc->id);
    *out = assoc;
    return LM_OK;
}

int lm_sctp_connect(lm_sctp_assoc *assoc)
{
    struct sockaddr_conn peer = address(assoc->id);
    if (usrsctp_connect(endpoint.socket, (struct sockaddr *)&peer, sizeof peer) != 0 && errno != EINPROGRESS)
        return LM_EIO;
    return LM_OK;
}

/* The association's id in usrsctp, also while it is still being set up; 0 if it knows none. */
static sctp_assoc_t usrsctp_id(const lm_sctp_assoc *assoc)
{
    struct sockaddr_conn peer = address(assoc->id);
    return assoc->usrsctp_id != 0 ? assoc->usrsctp_id
                                  : usrsctp_getassocid(endpoint.socket, (struct sockaddr *)&peer);
}

void lm_sctp_abort(lm_sctp_assoc *assoc)
{
    struct sctp_sndinfo info = {.snd_flags = SCTP_ABORT, .snd_assoc_id = usrsctp_id(assoc)};
    if (info.snd_assoc_id != 0)
        usrsctp_sendv(endpoint.socket, "", 0, NULL, 0, &info, sizeof info, SCTP_SENDV_SNDINFO, 0);
    assoc->usrsctp_id = 0;
}

static void on_change(lm_sctp_assoc *assoc, const struct sctp_assoc_change *change)
{
    switch (change->sac_state) {
    case SCTP_COMM_UP:
        assoc->usrsctp_id = change->sac_assoc_id;
        assoc->handler->up(assoc->user);
        break;
    case SCTP_COMM_LOST:
    case SCTP_SHUTDOWN_COMP:
    case SCTP_CANT_STR_ASSOC:
    case SCTP_RESTART: /* a peer that starts over has lost its channel */
        assoc->handler->down(assoc->user);
        break;
    default:
        break;
    }
}

static void on_stream_reset(lm_sctp_assoc *assoc, const struct sctp_stream_reset_event *event)
{
    if ((event->strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN) == 0 ||
        (event->strreset_flags & (SCTP_STREAM_RESET_DENIED | SCTP_STREAM_RESET_FAILED)) != 0)
        return;
    size_t count = (event->strreset_length - sizeof *event) / sizeof event->strreset_stream_list[0];
    for (size_t i = 0; i < count; i++)
        assoc->handler->reset(assoc->user, event->strreset_stream_list[i]);
    if (count == 0) /* RFC 6525 section 4.1: an empty list stands for all streams */
        for (uint16_t stream = 0; stream < LM_SCTP_STREAMS; stream++)
            assoc->handler->reset(assoc->user, stream);
}

static void on_notification(lm_sctp_assoc *assoc, const uint8_t *data, size_t len)
{
    union sctp_notification n;
    if (len < sizeof n.sn_header)
        return;
    memcpy(&n, data, len < sizeof n ? len : sizeof n);
    if (n.sn_header.sn_length != len)
        return;
    /* By pointer into the buffer: a stream list may be longer than the union. */
    if (n.sn_header.sn_type == SCTP_ASSOC_CHANGE)
        on_change(assoc, &n.sn_assoc_change);
    else if (n.sn_header.sn_type == SCTP_STREAM_RESET_EVENT)
        on_stream_reset(assoc, (const struct sctp_stream_reset_event *)(const void *)data);
}

/* Reads everything that usrsctp has for us and hands it to the associations' owners. */
static void deliver(void)
{
    for (;;) {
        struct sockaddr_conn from;
        struct sctp_rcvinfo info;
        socklen_t from_len = sizeof from, info_len = sizeof info;
        unsigned int info_type = SCTP_RECVV_NOINFO;
        int flags = 0;
        memset(&from, 0, sizeof from);
        ssize_t n = usrsctp_recvv(endpoint.socket, endpoint.message, sizeof endpoint.message,
                                  (struct sockaddr *)&from, &from_len, &info, &info_len, &info_type, &flags);
        if (n < 0 || (n == 0 && info_type == SCTP_RECVV_NOINFO && flags == 0))
            return;
        lm_sctp_assoc *assoc = find((uintptr_t)from.sconn_addr);
        if (assoc == NULL)
            continue;
        if (flags & MSG_NOTIFICATION)
            on_notification(assoc, endpoint.message, (size_t)n);
        else if (!(flags & MSG_EOR) || n > LM_WEBRTC_MESSAGE_MAX)
            assoc->handler->too_big(assoc->user);
        else if (info_type == SCTP_RECVV_RCVINFO)
            assoc->handler->message(assoc->user, info.rcv_sid, ntohl(info.rcv_ppid), endpoint.message, (size_t)n);
    }
}

void lm_sctp_close(lm_sctp_assoc *assoc)
{
    if (assoc == NULL)
        return;
    assoc->muted = true;
    lm_sctp_abort(assoc);
    usrsctp_deregister_address((void *)assoc->id);
    HASH_DELETE(hh, endpoint.assocs, assoc);
    free(assoc);
    deliver(); /* what is left is for nobody */
    endpoint.active = endpoint.now;
}

static void advance(lm_ms now)
{
    if (now > endpoint.now)
        endpoint.now = now;
    if (endpoint.ticked == 0) /* the first call sets the zero of the clock */
        endpoint.ticked = endpoint.now;
}

/* Packets that usrsctp has thrown away for want of an association or for a wrong verification tag. */
static uint32_t rejected_packets(void)
{
    struct sctpstat stat;
    usrsctp_get_stat(&stat);
    return stat.sctps_outoftheblue + stat.sctps_badvtag + stat.sctps_hdrops;
}

int lm_sctp_input(lm_sctp_assoc *assoc, lm_ms now, const uint8_t *packet, size_t len)
{
    uint8_t copy[2048];
    uint32_t sent_crc;
    if (len < COMMON_HEADER_LEN + 4 || len > sizeof copy)
        return LM_EMALFORMED;
    memcpy(copy, packet, len);
    memcpy(&sent_crc, copy + CHECKSUM_OFFSET, sizeof sent_crc);
    if (copy[0] << 8 != (LM_SCTP_PORT & 0xFF00) || copy[1] != (LM_SCTP_PORT & 0xFF) ||
        copy[2] << 8 != (LM_SCTP_PORT & 0xFF00) || copy[3] != (LM_SCTP_PORT & 0xFF) ||
        checksum(copy, len) != sent_crc)
        return LM_EMALFORMED;

    advance(now);
    endpoint.active = endpoint.now;
    endpoint.rejected = rejected_packets();
    usrsctp_conninput((void *)assoc->id, copy, len, 0);
    int result = rejected_packets() == endpoint.rejected ? LM_OK : LM_EMALFORMED;
    deliver();
    if (assoc->blocked) {
        assoc->blocked = false;
        assoc->handler->writable(assoc->user);
    }
    return result;
}

int lm_sctp_send(lm_sctp_assoc *assoc, lm_ms now, uint16_t stream, uint32_t ppid, const uint8_t *data, size_t len)
{
    struct sctp_sndinfo info = {.snd_sid = stream, .snd_ppid = htonl(ppid), .snd_assoc_id = assoc->usrsctp_id};
    if (assoc->usrsctp_id == 0)
        return LM_ECLOSED;
    advance(now);
    if (usrsctp_sendv(endpoint.socket, data, len, NULL, 0, &info, sizeof info, SCTP_SENDV_SNDINFO, 0) >= 0)
        return LM_OK;
    switch (errno) {
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
    case ENOBUFS:
        assoc->blocked = true;
        return LM_EAGAIN;
    case EMSGSIZE:
        return LM_ETOOBIG;
    default:
        return LM_ECLOSED;
    }
}

int lm_sctp_reset_stream(lm_sctp_assoc *assoc, uint16_t stream)
{
    union {
        struct sctp_reset_streams request;
        uint8_t bytes[sizeof(struct sctp_reset_streams) + sizeof(uint16_t)];
    } r;
    memset(&r, 0, sizeof r);
    r.request.srs_assoc_id = assoc->usrsctp_id;
    r.request.srs_flags = SCTP_STREAM_RESET_OUTGOING;
    r.request.srs_number_streams = 1;
    memcpy(r.bytes + sizeof r.request, &stream, sizeof stream);
    return set_option(endpoint.socket, IPPROTO_SCTP, SCTP_RESET_STREAMS, &r, sizeof r.bytes) == 0 ? LM_OK : LM_EIO;
}

lm_ms lm_sctp_next_timeout(void)
{
    bool active = endpoint.now - endpoint.active < ACTIVE_FOR;
    /* For a while after the last association has gone, too: usrsctp leaves part of its tidying up to its timers. */
    if (endpoint.users == 0 || (endpoint.assocs == NULL && !active))
        return LM_MS_NEVER;
    return endpoint.ticked + (active ? TICK_ACTIVE : TICK_QUIET);
}

void lm_sctp_timeout(lm_ms now)
{
    advance(now);
    lm_ms elapsed = endpoint.now - endpoint.ticked;
    if (elapsed == 0)
        return;
    endpoint.ticked = endpoint.now;
    usrsctp_handle_timers((uint32_t)(elapsed < 60000 ? elapsed : 60000));
    deliver();
}
