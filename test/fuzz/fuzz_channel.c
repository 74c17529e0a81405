/*
 * What a client can do that has connected: everything inside its DTLS connection. The input is a row of
 * steps, each an operation's byte and its operands; numbers that have to fit the association's are given as
 * distances from the right ones, so that zeros are right.
 *
 *     0 length (2), chunks                                       an SCTP packet with the right ports, tag and
 * checksum 1 stream, PPID, length (2), bytes                          a message 2 stream, length, label
 * DATA_CHANNEL_OPEN 3 milliseconds (2)                                         time passes 4 length (2) the
 * relay sends 5 length (2), bytes                                        a DTLS record 6 distance, flags,
 * stream, SSN, PPID, length (2), bytes    a DATA chunk 7 distance, count, streams and SSNs a FORWARD TSN
 * chunk 8 distance, count, streams                                 a RE-CONFIG chunk: outgoing streams are
 * reset 9 distance, gaps (count, then start and end each)          a SACK chunk 10 which, offset, bits a
 * captured packet with the right tag 11                                                          the client
 * goes deaf: only the input answers the relay 12                                                          the
 * relay closes the session
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <usrsctp.h> /* only for its checksum */

#include "common/bytes.h"
#include "common/error.h"
#include "test/support/data.h"
#include "test/support/world.h"
#include "webrtc/dcep.h"

#define STEPS_MAX 64
#define PACKET_MAX 1150
#define HEADER_LEN 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const packet_names[] = {
    "chromium156-sctp-init",      "chromium156-sctp-cookie-echo", "chromium156-sctp-sack",
    "chromium156-sctp-heartbeat", "chromium156-sctp-reconfig",    "chromium156-sctp-dcep-open",
    "firefox153-sctp-init",       "firefox153-sctp-reconfig",     "firefox153-sctp-heartbeat",
    "firefox153-sctp-dcep-open",  "firefox153-sctp-text-hello",   "firefox153-sctp-abort",
};
#define PACKETS (sizeof packet_names / sizeof packet_names[0])

static uint8_t *packets[PACKETS];
static size_t packet_lens[PACKETS];

typedef struct run {
    test_world *world;
    test_client *client;
    uint32_t tag;      /* of packets to the relay, as on the wire */
    uint32_t tsn;      /* the last that the client sent */
    uint32_t first;    /* the client's initial TSN, from which its RE-CONFIG requests are counted too */
    uint32_t received; /* the last TSN of the relay */
    lm_session_id session;
    unsigned opened, closed;
    lm_ms until; /* time is bounded */
} run;

/* Follows the association's numbers in the packets of both sides. */
static void on_packet(void *user, bool sent, const uint8_t *data, size_t len)
{
    run *r = user;
    lm_reader in = lm_reader_init(data, len);
    lm_read_u32(&in);
    const uint8_t *tag = lm_read_bytes(&in, 4);
    lm_read_u32(&in);
    if (sent && tag != NULL && memcmp(tag, "\0\0\0\0", 4) != 0)
        memcpy(&r->tag, tag, 4);
    while (lm_reader_left(&in) >= 8) {
        uint8_t type = lm_read_u8(&in);
        lm_read_u8(&in);
        size_t chunk_len = lm_read_u16(&in);
        lm_reader chunk = lm_reader_init(in.pos, lm_reader_left(&in));
        if (type == 0)
            *(sent ? &r->tsn : &r->received) = lm_read_u32(&chunk);
        if (type == 1 && sent && lm_read_bytes(&chunk, 12) != NULL)
            r->first = lm_read_u32(&chunk);
        if (chunk_len < 4 || lm_read_bytes(&in, (chunk_len + 3) / 4 * 4 - 4) == NULL)
            return;
    }
}

static void on_event(void *user, test_world *w, const lm_webrtc_output *event)
{
    run *r = user;
    (void)w;
    switch (event->kind) {
    case LM_WEBRTC_OPEN:
        assert(r->session == LM_SESSION_NONE);
        r->session = event->session;
        r->opened++;
        break;
    case LM_WEBRTC_MESSAGE:
        assert(event->session == r->session && r->closed == 0);
        assert(event->message.len <= LM_WEBRTC_MESSAGE_MAX);
        break;
    case LM_WEBRTC_CLOSED:
        assert(event->session == r->session);
        r->closed++;
        break;
    case LM_WEBRTC_SEND:
        abort();
    }
    assert(r->opened <= 1 && r->closed <= r->opened);
}

static void flow(run *r, lm_ms ms)
{
    test_world_run(r->world, NULL, NULL, test_world_now(r->world) < r->until ? ms : 0);
}

/* Sends the chunks in w, in front of which room for the common header was left. */
static void send_packet(run *r, lm_writer *w)
{
    if (w->failed || test_client_get_state(r->client) == TEST_CLIENT_CLOSED)
        return;
    memcpy(w->start, "\x13\x88\x13\x88", 4); /* both ports are 5000 */
    memcpy(w->start + 4, &r->tag, 4);
    memset(w->start + 8, 0, 4);
    uint32_t crc = usrsctp_crc32c(w->start, w->len);
    memcpy(w->start + 8, &crc, 4);
    test_client_send_record(r->client, test_world_now(r->world), w->start, w->len);
}

static lm_writer begin_packet(uint8_t buf[PACKET_MAX])
{
    lm_writer w = lm_writer_init(buf, PACKET_MAX);
    lm_write_reserve(&w, HEADER_LEN);
    return w;
}

static size_t begin_chunk(lm_writer *w, uint8_t type, uint8_t flags)
{
    size_t at = w->len;
    lm_write_u8(w, type);
    lm_write_u8(w, flags);
    lm_write_u16(w, 0);
    return at;
}

/* Writes the length of what begins at `at`, and pads it. */
static void end_chunk(lm_writer *w, size_t at)
{
    if (w->failed)
        return;
    w->start[at + 2] = (uint8_t)((w->len - at) >> 8);
    w->start[at + 3] = (uint8_t)(w->len - at);
    lm_write_bytes(w, "\0\0\0", (4 - (w->len - at) % 4) % 4);
}

static const uint8_t *read_sized(lm_reader *in, size_t *len)
{
    *len = lm_read_u16(in);
    if (*len > lm_reader_left(in))
        *len = lm_reader_left(in);
    return lm_read_bytes(in, *len);
}

static uint32_t ppid_of(uint8_t code)
{
    static const uint32_t ppids[] = {LM_PPID_STRING, LM_PPID_DCEP, LM_PPID_BINARY, LM_PPID_STRING_EMPTY,
                                     LM_PPID_BINARY_EMPTY};
    return code < 5 ? ppids[code] : code;
}

static int8_t read_distance(lm_reader *in)
{
    return (int8_t)lm_read_u8(in);
}

static void send_data(run *r, lm_reader *in, lm_writer *w)
{
    uint32_t tsn = r->tsn + 1 + (uint32_t)read_distance(in);
    size_t at = begin_chunk(w, 0, lm_read_u8(in));
    size_t len;
    lm_write_u32(w, tsn);
    lm_write_u16(w, lm_read_u8(in)); /* stream */
    lm_write_u16(w, lm_read_u8(in)); /* SSN */
    lm_write_u32(w, ppid_of(lm_read_u8(in)));
    const uint8_t *bytes = read_sized(in, &len);
    lm_write_bytes(w, bytes, len);
    end_chunk(w, at);
    if (tsn == r->tsn + 1)
        r->tsn = tsn;
}

static void send_forward_tsn(run *r, lm_reader *in, lm_writer *w)
{
    size_t at = begin_chunk(w, 192, 0);
    lm_write_u32(w, r->tsn + 1 + (uint32_t)read_distance(in));
    for (unsigned n = lm_read_u8(in); n > 0 && lm_reader_left(in) > 0; n--) {
        lm_write_u16(w, lm_read_u8(in));
        lm_write_u16(w, lm_read_u8(in));
    }
    end_chunk(w, at);
}

static void send_reconfig(run *r, lm_reader *in, lm_writer *w)
{
    size_t at = begin_chunk(w, 130, 0);
    size_t parameter = w->len;
    lm_write_u16(w, 13); /* Outgoing SSN Reset Request */
    lm_write_u16(w, 0);
    lm_write_u32(w, r->first + (uint32_t)read_distance(in));
    lm_write_u32(w, 0);
    lm_write_u32(w, r->tsn);
    for (unsigned n = lm_read_u8(in); n > 0 && lm_reader_left(in) > 0; n--)
        lm_write_u16(w, lm_read_u8(in));
    end_chunk(w, parameter);
    end_chunk(w, at);
}

static void send_sack(run *r, lm_reader *in, lm_writer *w)
{
    size_t at = begin_chunk(w, 3, 0);
    lm_write_u32(w, r->received + (uint32_t)read_distance(in));
    unsigned gaps = lm_read_u8(in);
    if (gaps > lm_reader_left(in) / 2)
        gaps = (unsigned)(lm_reader_left(in) / 2);
    lm_write_u32(w, gaps & 1 ? 0 : 100000); /* a window that is closed, or not */
    lm_write_u16(w, (uint16_t)gaps);
    lm_write_u16(w, 0);
    while (gaps-- > 0) {
        lm_write_u16(w, lm_read_u8(in));
        lm_write_u16(w, lm_read_u8(in));
    }
    end_chunk(w, at);
}

static void send_captured(lm_reader *in, lm_writer *w)
{
    size_t which = lm_read_u8(in) % PACKETS;
    size_t offset = lm_read_u8(in);
    uint8_t bits = lm_read_u8(in);
    lm_write_bytes(w, packets[which] + HEADER_LEN, packet_lens[which] - HEADER_LEN);
    if (offset < packet_lens[which] - HEADER_LEN)
        w->start[HEADER_LEN + offset] ^= bits;
}

static void step(run *r, lm_reader *in)
{
    static char zeros[65536];
    uint8_t buf[PACKET_MAX];
    lm_writer w = begin_packet(buf);
    lm_ms now = test_world_now(r->world);
    uint8_t op = lm_read_u8(in) % 13, a, b;
    size_t len;
    const uint8_t *bytes;
    switch (op) {
    case 0:
        bytes = read_sized(in, &len);
        lm_write_bytes(&w, bytes, len);
        send_packet(r, &w);
        break;
    case 1:
        a = lm_read_u8(in);
        b = lm_read_u8(in);
        len = lm_read_u16(in);
        test_client_send_raw(r->client, now, a, ppid_of(b), zeros, len ? len : 65536);
        break;
    case 2:
        a = lm_read_u8(in);
        len = lm_read_u8(in) % 32;
        char label[33] = "signal";
        if (len > 0 && (bytes = lm_read_bytes(in, len)) != NULL) {
            memcpy(label, bytes, len);
            label[len] = 0;
        }
        test_client_open_channel(r->client, now, a, label);
        break;
    case 3:
        flow(r, lm_read_u16(in));
        break;
    case 4:
        lm_webrtc_send(test_world_stack(r->world), now, r->session, zeros, lm_read_u16(in));
        break;
    case 5:
        bytes = read_sized(in, &len);
        if (len > 0 && test_client_get_state(r->client) != TEST_CLIENT_CLOSED)
            test_client_send_record(r->client, now, bytes, len < PACKET_MAX ? len : PACKET_MAX);
        break;
    case 6:
        send_data(r, in, &w);
        send_packet(r, &w);
        break;
    case 7:
        send_forward_tsn(r, in, &w);
        send_packet(r, &w);
        break;
    case 8:
        send_reconfig(r, in, &w);
        send_packet(r, &w);
        break;
    case 9:
        send_sack(r, in, &w);
        send_packet(r, &w);
        break;
    case 10:
        send_captured(in, &w);
        send_packet(r, &w);
        break;
    case 11:
        test_client_fall_deaf(r->client);
        break;
    case 12:
        lm_webrtc_close(test_world_stack(r->world), now, r->session);
        break;
    }
    flow(r, 2);
}

static void prepare(void)
{
    for (size_t i = 0; i < PACKETS; i++) {
        char path[512];
        snprintf(path, sizeof path, LM_TEST_DATA "/captures/%s.hex", packet_names[i]);
        packets[i] = test_read_hex(path, &packet_lens[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static bool prepared;
    if (!prepared)
        prepare();
    prepared = true;

    lm_reader in = lm_reader_init(data, len);
    bool open = lm_read_u8(&in) % 2 == 0; /* else the channel is the input's to open */
    run r = {0};
    r.world = test_world_create(&(test_world_config){.seed = 1, .delay = 1, .event = on_event, .user = &r});
    r.client = test_world_add_client(
        r.world, &(test_client_config){.label = open ? NULL : "another", .packet = on_packet, .user = &r});
    bool connected =
        test_world_await(r.world, r.client, open ? TEST_CLIENT_OPEN : TEST_CLIENT_CONNECTING, 1000);
    assert(connected);
    test_world_run(r.world, NULL, NULL, 100);
    assert(r.opened == open);
    r.until = test_world_now(r.world) + 200000;

    for (int i = 0; i < STEPS_MAX && lm_reader_left(&in) > 0; i++)
        step(&r, &in);
    const lm_webrtc_stats *stats = lm_webrtc_get_stats(test_world_stack(r.world));
    assert(stats->sessions_open == r.opened - r.closed);
    test_world_destroy(r.world);
    return 0;
}
