/*
 * The one file that includes usrsctp, and so the one with state that is global to the process.
 *
 * usrsctp tells associations apart by the peer's address and port. Its addresses are looked up in lists, once
 * for each association of the list that it walks: with one address an association, a packet of unknown tag
 * cost 20 ms among 1,000 sessions, and each address given back woke a thread of usrsctp's own. So all peers
 * share one address here, and each has a port of its own, which usrsctp hashes; on the wire both ports are
 * 5000.
 */
#include "webrtc/sctp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <usrsctp.h>

#include "common/error.h"
#include "common/table.h"
#include "webrtc/webrtc.h"

/*
 * Largest SCTP packet less its 12-byte common header, so that it fits a DTLS record in a 1,200-byte datagram.
 * Path MTU discovery is off: RFC 8261 section 5 leaves it to DTLS, which does none here.
 */
#define PATH_MTU 1151

/* Within LM_SCTP_RECEIVE_SPACE: a message that is longer than allowed comes in parts. */
#define PARTIAL_DELIVERY (80 * 1024)

/*
 * Retransmission timeouts in ms. RFC 9260 section 16 has 1 s, 1 s and 60 s; signalling wants a lost packet
 * back sooner.
 */
#define RTO_INITIAL 1000
#define RTO_MIN 300
#define RTO_MAX 10000

/*
 * usrsctp takes the time from the first INIT to the INIT ACK, or from the INIT ACK to the COOKIE ECHO, for a
 * round trip even when the packet was lost and sent again, which Karn's rule forbids (RFC 9260 section 6.3.1,
 * C5): after 10 s without an answer it has an RTO of 30 s. RTO_MAX bounds its timer, but not the age that
 * data must have before it sends that again, so what was lost then waited for more than half a minute. An
 * association therefore begins with RTO_INITIAL at the most. Samples that it takes to forget a minute: 47.
 */
#define FORGETTING_MAX 64

/*
 * Retransmissions after which usrsctp takes a path to be unreachable: more than end the association (10).
 * There is but one path here and no heartbeat to find it again, so that an association whose path once was
 * unreachable would never send anything new, though what it repeats arrives.
 */
#define PATH_RETRANSMISSIONS 100

/*
 * How often usrsctp's timers run, in ms: while packets come or go, and while all is quiet. Its shortest timer
 * of note is the delayed SACK of 200 ms, which only runs after a packet.
 */
#define TICK_ACTIVE 20
#define TICK_QUIET 500
#define ACTIVE_FOR 2000

/* Level 1 of RFC 6458 section 8.1.20: a message that comes in pieces holds up its own association alone. */
#define FRAGMENT_INTERLEAVE 1

/* The address that all peers share; an opaque number, since HEARTBEAT sends it to the peer. */
#define PEERS ((void *)(uintptr_t)1)

/* Buckets of usrsctp's table of associations by port. */
#define TABLE_SIZE 1024

/* The common header, RFC 9260 section 3.1: ports, verification tag, checksum. */
#define COMMON_HEADER_LEN 12
#define SOURCE_PORT_OFFSET 0
#define DESTINATION_PORT_OFFSET 2
#define TAG_OFFSET 4
#define CHECKSUM_OFFSET 8
#define CHUNK_HEADER_LEN 4

/* A HEARTBEAT of usrsctp's, with the common header, fits in this. */
#define HEARTBEAT_MAX 128

/* Chunk types, RFC 9260 section 3.2. */
#define CHUNK_INIT 1
#define CHUNK_HEARTBEAT 4
#define CHUNK_HEARTBEAT_ACK 5
#define CHUNK_ABORT 6
#define CHUNK_SHUTDOWN_COMPLETE 14

/* "User-Initiated Abort", RFC 9260 section 3.3.10.12. */
#define CAUSE_USER_ABORT 12

/* Flag of ABORT and SHUTDOWN COMPLETE: the tag is that of the receiver's own packets (RFC 9260, 8.5.1). */
#define FLAG_T 1

struct lm_sctp_assoc {
    uint16_t port; /* what usrsctp knows as the peer's port, its only name there */
    const lm_sctp_handler *handler;
    void *user;
    sctp_assoc_t usrsctp_id; /* 0 until the association is up */
    uint32_t tag;            /* of packets to us, as on the wire; 0 until it is known */
    uint32_t peer_tag;       /* of packets to the peer; 0 until there was one, and when the peer is gone */
    bool ended;              /* `down` or `too_big` has been said: nothing more will be */
    bool blocked;            /* a send met a full buffer */
    bool muted;              /* aborted: packets that usrsctp still wants to send are dropped */
    UT_hash_handle hh;
};

static struct {
    unsigned users;
    struct socket *socket;
    lm_sctp_assoc *assocs; /* by port */
    uint16_t last_port;
    uint32_t input_tag;        /* verification tag of the packet that usrsctp was given last */
    lm_ms now;                 /* latest time seen */
    lm_ms ticked;              /* when usrsctp's timers ran last */
    lm_ms active;              /* when the last packet came or went */
    lm_sctp_assoc *forgetting; /* its next HEARTBEAT is kept back, here */
    uint8_t heartbeat[HEARTBEAT_MAX];
    size_t heartbeat_len; /* 0: none was */
    uint8_t message[LM_WEBRTC_MESSAGE_MAX + 1];
} endpoint;

static lm_sctp_assoc *find(uint16_t port)
{
    lm_sctp_assoc *assoc;
    HASH_FIND(hh, endpoint.assocs, &port, sizeof port, assoc);
    return assoc;
}

static struct sockaddr_conn address(void *addr, uint16_t port)
{
    struct sockaddr_conn result = {.sconn_family = AF_CONN, .sconn_port = htons(port)};
    result.sconn_addr = addr;
    return result;
}

static void put_port(uint8_t *packet, size_t offset, uint16_t port)
{
    packet[offset] = (uint8_t)(port >> 8);
    packet[offset + 1] = (uint8_t)port;
}

static uint16_t get_port(const uint8_t *packet, size_t offset)
{
    return (uint16_t)(packet[offset] << 8 | packet[offset + 1]);
}

/* Four bytes as they are: tags are only ever compared and sent back. */
static uint32_t get_word(const uint8_t *packet, size_t offset)
{
    uint32_t word;
    memcpy(&word, packet + offset, sizeof word);
    return word;
}

/* CRC32c of a packet whose checksum field counts as zero (RFC 9260 section 6.8 and appendix A). */
static uint32_t checksum(uint8_t *packet, size_t len)
{
    memset(packet + CHECKSUM_OFFSET, 0, 4);
    return usrsctp_crc32c(packet, len);
}

static void seal(uint8_t *packet, size_t len)
{
    uint32_t crc = checksum(packet, len);
    memcpy(packet + CHECKSUM_OFFSET, &crc, sizeof crc);
}

/* Keeps back a packet of one HEARTBEAT that forget_round_trip() has asked for. */
static bool keep_heartbeat(const lm_sctp_assoc *assoc, const uint8_t *packet, size_t len)
{
    if (endpoint.forgetting != assoc || packet[COMMON_HEADER_LEN] != CHUNK_HEARTBEAT || len > HEARTBEAT_MAX ||
        (size_t)(COMMON_HEADER_LEN + get_port(packet, COMMON_HEADER_LEN + 2)) != len)
        return false;
    memcpy(endpoint.heartbeat, packet, endpoint.heartbeat_len = len);
    return true;
}

static int output(void *addr, void *data, size_t len, uint8_t tos, uint8_t set_df)
{
    uint8_t *packet = data;
    (void)addr;
    (void)tos;
    (void)set_df;
    if (len < COMMON_HEADER_LEN + CHUNK_HEADER_LEN)
        return 0;
    lm_sctp_assoc *assoc = find(get_port(packet, DESTINATION_PORT_OFFSET));
    if (assoc == NULL || assoc->muted || keep_heartbeat(assoc, packet, len))
        return 0;
    if (get_word(packet, TAG_OFFSET) != 0)
        assoc->peer_tag = get_word(packet, TAG_OFFSET);
    else if (packet[COMMON_HEADER_LEN] == CHUNK_INIT && len >= COMMON_HEADER_LEN + CHUNK_HEADER_LEN + 4)
        assoc->tag = get_word(packet, COMMON_HEADER_LEN + CHUNK_HEADER_LEN); /* the initiate tag */
    put_port(packet, DESTINATION_PORT_OFFSET, LM_SCTP_PORT);
    seal(packet, len);
    endpoint.active = endpoint.now;
    assoc->handler->output(assoc->user, packet, len);
    return 0;
}

/* Writes a packet with an ABORT chunk. */
static size_t write_abort(uint8_t packet[COMMON_HEADER_LEN + 8], uint16_t source, uint32_t tag)
{
    static const uint8_t chunk[8] = {CHUNK_ABORT, 0, 0, 8, 0, CAUSE_USER_ABORT, 0, 4};
    put_port(packet, SOURCE_PORT_OFFSET, source);
    put_port(packet, DESTINATION_PORT_OFFSET, LM_SCTP_PORT);
    memcpy(packet + TAG_OFFSET, &tag, sizeof tag);
    memcpy(packet + COMMON_HEADER_LEN, chunk, sizeof chunk);
    seal(packet, COMMON_HEADER_LEN + sizeof chunk);
    return COMMON_HEADER_LEN + sizeof chunk;
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
    const int on = 1, receive = LM_SCTP_RECEIVE_SPACE, send = LM_SCTP_SEND_SPACE;
    const uint32_t partial = PARTIAL_DELIVERY, interleave = FRAGMENT_INTERLEAVE;
    const struct sctp_initmsg init = {.sinit_num_ostreams = LM_SCTP_STREAMS,
                                      .sinit_max_instreams = LM_SCTP_STREAMS};
    const struct sctp_rtoinfo rto = {.srto_initial = RTO_INITIAL, .srto_min = RTO_MIN, .srto_max = RTO_MAX};
    const struct sctp_assoc_value reset = {.assoc_value = SCTP_ENABLE_RESET_STREAM_REQ};
    /* No heartbeats: the session's consent checks tell that its peer lives (RFC 7675). */
    struct sctp_paddrparams path = {.spp_flags = SPP_PMTUD_DISABLE | SPP_HB_DISABLE,
                                    .spp_pathmtu = PATH_MTU,
                                    .spp_pathmaxrxt = PATH_RETRANSMISSIONS};

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
    /*
     * No quarantine for verification tags: DTLS keeps late packets of an old association out (RFC 8261
     * section 5).
     */
    usrsctp_sysctl_set_sctp_vtag_time_wait(0);
    usrsctp_tunable_set_sctp_pcbtblsize(TABLE_SIZE);
    usrsctp_enable_crc32c_offload(); /* the checksum is checked here, where a bad one can be counted */
    usrsctp_register_address(PEERS);

    struct sockaddr_conn any = address(NULL, LM_SCTP_PORT);
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
    if (HASH_COUNT(endpoint.assocs) >= UINT16_MAX) /* port 0 is none */
        return LM_ENOMEM;
    lm_sctp_assoc *assoc = calloc(1, sizeof *assoc);
    if (assoc == NULL)
        return LM_ENOMEM;
    do
        assoc->port = ++endpoint.last_port;
    while (assoc->port == 0 || find(assoc->port) != NULL);
    assoc->handler = handler;
    assoc->user = user;
    HASH_ADD(hh, endpoint.assocs, port, sizeof assoc->port, assoc);
    if (assoc->hh.tbl == NULL) {
        free(assoc);
        return LM_ENOMEM;
    }
    *out = assoc;
    return LM_OK;
}

int lm_sctp_connect(lm_sctp_assoc *assoc)
{
    struct sockaddr_conn peer = address(PEERS, assoc->port);
    if (usrsctp_connect(endpoint.socket, (struct sockaddr *)&peer, sizeof peer) != 0 && errno != EINPROGRESS)
        return LM_EIO;
    return LM_OK;
}

/*
 * The ABORT is made here: usrsctp's own way to ask for one is its send call, which refuses while the stream
 * that it names is being reset, as it is when a closed channel ends its session.
 */
void lm_sctp_abort(lm_sctp_assoc *assoc)
{
    uint8_t packet[COMMON_HEADER_LEN + 8];
    if (assoc->muted || assoc->peer_tag == 0)
        return;
    size_t len = write_abort(packet, LM_SCTP_PORT, assoc->peer_tag);
    assoc->handler->output(assoc->user, packet, len);
    assoc->muted = true;
}

/* The present retransmission timeout in ms, 0 if usrsctp does not say. */
static uint32_t retransmission_timeout(const lm_sctp_assoc *assoc)
{
    struct sctp_paddrinfo info = {.spinfo_assoc_id = assoc->usrsctp_id};
    const struct sockaddr_conn peer = address(PEERS, assoc->port);
    socklen_t len = sizeof info;
    memcpy(&info.spinfo_address, &peer, sizeof peer);
    return usrsctp_getsockopt(endpoint.socket, IPPROTO_SCTP, SCTP_GET_PEER_ADDR_INFO, &info, &len) == 0
               ? info.spinfo_rto
               : 0;
}

/*
 * Gives usrsctp a sample of a round trip that took no time: a HEARTBEAT of its own, which never leaves this
 * file, comes back as its answer. False if there was none.
 */
static bool sample_nothing(lm_sctp_assoc *assoc)
{
    struct sctp_paddrparams demand = {.spp_assoc_id = assoc->usrsctp_id, .spp_flags = SPP_HB_DEMAND};
    const struct sockaddr_conn peer = address(PEERS, assoc->port);
    uint8_t *packet = endpoint.heartbeat;
    memcpy(&demand.spp_address, &peer, sizeof peer);
    endpoint.heartbeat_len = 0;
    endpoint.forgetting = assoc;
    int result = set_option(endpoint.socket, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &demand, sizeof demand);
    endpoint.forgetting = NULL;
    if (result != 0 || endpoint.heartbeat_len == 0)
        return false;
    put_port(packet, SOURCE_PORT_OFFSET, assoc->port);
    put_port(packet, DESTINATION_PORT_OFFSET, LM_SCTP_PORT);
    memcpy(packet + TAG_OFFSET, &assoc->tag, sizeof assoc->tag);
    packet[COMMON_HEADER_LEN] = CHUNK_HEARTBEAT_ACK;
    usrsctp_conninput(PEERS, packet, endpoint.heartbeat_len, 0);
    return true;
}

/* Forgets what the beginning of the association was wrongly taken for: see FORGETTING_MAX. */
static void forget_round_trip(lm_sctp_assoc *assoc)
{
    for (int i = 0; i < FORGETTING_MAX && retransmission_timeout(assoc) > RTO_INITIAL; i++)
        if (!sample_nothing(assoc))
            return;
}

static void on_change(lm_sctp_assoc *assoc, const struct sctp_assoc_change *change)
{
    switch (change->sac_state) {
    case SCTP_COMM_UP:
        assoc->usrsctp_id = change->sac_assoc_id;
        if (assoc->tag == 0) /* the passive side: the cookie that was taken had the right tag */
            assoc->tag = endpoint.input_tag;
        forget_round_trip(assoc);
        assoc->handler->up(assoc->user);
        break;
    case SCTP_COMM_LOST:
    case SCTP_SHUTDOWN_COMP:
    case SCTP_CANT_STR_ASSOC:
        assoc->ended = true;
        assoc->peer_tag = 0;
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
        lm_sctp_assoc *assoc = find(ntohs(from.sconn_port));
        if (assoc == NULL || assoc->ended)
            continue;
        if (flags & MSG_NOTIFICATION) {
            on_notification(assoc, endpoint.message, (size_t)n);
        } else if (!(flags & MSG_EOR) || n > LM_WEBRTC_MESSAGE_MAX) {
            assoc->ended = true; /* what comes next is the rest of this message, but looks like a whole one */
            assoc->handler->too_big(assoc->user);
        } else if (info_type == SCTP_RECVV_RCVINFO) {
            assoc->handler->message(assoc->user, info.rcv_sid, ntohl(info.rcv_ppid), endpoint.message,
                                    (size_t)n);
        }
    }
}

void lm_sctp_close(lm_sctp_assoc *assoc)
{
    uint8_t packet[COMMON_HEADER_LEN + 8];
    if (assoc == NULL)
        return;
    HASH_DELETE(hh, endpoint.assocs, assoc); /* packets that usrsctp still wants to send have nowhere to go */
    /*
     * As if the peer had aborted: unlike its own calls, this frees usrsctp's half at once in whatever state.
     */
    if (assoc->tag != 0)
        usrsctp_conninput(PEERS, packet, write_abort(packet, assoc->port, assoc->tag), 0);
    free(assoc);
    deliver(); /* what is left is for nobody */
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

/*
 * True when the verification tag may be right (RFC 9260 section 8.5). Once the association is up it is known;
 * INIT and the cookie of a restart have others, but no WebRTC peer starts its association over. What is
 * refused here does not reach usrsctp, which would search all associations for it.
 */
static bool tag_fits(const lm_sctp_assoc *assoc, const uint8_t *packet)
{
    uint32_t tag = get_word(packet, TAG_OFFSET);
    uint8_t type = packet[COMMON_HEADER_LEN], flags = packet[COMMON_HEADER_LEN + 1];
    if (assoc->usrsctp_id == 0 || tag == assoc->tag)
        return true;
    return (type == CHUNK_ABORT || type == CHUNK_SHUTDOWN_COMPLETE) && (flags & FLAG_T) &&
           tag == assoc->peer_tag;
}

int lm_sctp_input(lm_sctp_assoc *assoc, lm_ms now, const uint8_t *packet, size_t len)
{
    uint8_t copy[2048];
    if (assoc->ended || assoc->muted)
        return LM_ECLOSED;
    if (len < COMMON_HEADER_LEN + CHUNK_HEADER_LEN || len > sizeof copy)
        return LM_EMALFORMED;
    memcpy(copy, packet, len);
    if (get_port(copy, SOURCE_PORT_OFFSET) != LM_SCTP_PORT ||
        get_port(copy, DESTINATION_PORT_OFFSET) != LM_SCTP_PORT ||
        checksum(copy, len) != get_word(packet, CHECKSUM_OFFSET) || !tag_fits(assoc, copy))
        return LM_EMALFORMED;
    put_port(copy, SOURCE_PORT_OFFSET, assoc->port);

    advance(now);
    endpoint.active = endpoint.now;
    endpoint.input_tag = get_word(copy, TAG_OFFSET);
    uint32_t rejected = rejected_packets();
    usrsctp_conninput(PEERS, copy, len, 0);
    int result = rejected_packets() == rejected ? LM_OK : LM_EMALFORMED;
    deliver();
    if (assoc->blocked) {
        assoc->blocked = false;
        assoc->handler->writable(assoc->user);
    }
    return result;
}

int lm_sctp_send(lm_sctp_assoc *assoc, lm_ms now, uint16_t stream, uint32_t ppid, const uint8_t *data,
                 size_t len)
{
    struct sctp_sndinfo info = {
        .snd_sid = stream, .snd_ppid = htonl(ppid), .snd_assoc_id = assoc->usrsctp_id};
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
    return set_option(endpoint.socket, IPPROTO_SCTP, SCTP_RESET_STREAMS, &r, sizeof r.bytes) == 0 ? LM_OK
                                                                                                  : LM_EIO;
}

lm_ms lm_sctp_next_timeout(void)
{
    bool active = endpoint.now - endpoint.active < ACTIVE_FOR;
    if (endpoint.assocs == NULL)
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
