/*
 * A whole mesh against one other node that holds the salt, and the relay and clock on its other side. The
 * handshakes are made here, since no fuzzer guesses those. The input is steps of an operation's byte and its
 * operands; lengths are 2 bytes.
 *
 *     0 length, bytes      a frame from the other node
 *     1 length, bytes      a message of a conversation: its envelope is added, `{"e":…,"p":…,"n":…,"a":…,`
 * and the bytes, which are to be `"type":…}` 2 tenths             time passes 3 room, peer         a peer
 * here joins; 4: leaves 5 room, from, to     a signal from here 6 peer, silent       a session here falls
 * silent, or is heard 7                    the link ends, and a new one comes
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/error.h"
#include "mesh/mesh.h"
#include "mesh/noise_stream.h"
#include "test/support/node.h"

#undef NDEBUG
#include <assert.h>

#define STEPS_MAX 100
#define UNIX UINT64_C(1800000000000)
#define SALT "the salt of the fuzzed mesh"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

typedef struct run {
    lm_mesh *mesh;
    lm_ms now;
    uint64_t counter; /* for randomness */
    lm_mesh_keys keys;
    lm_node_record record;
    lm_noise_stream stream;
    lm_link_id link; /* 0: none */
    uint64_t e, p, n;
} run;

static void fill(void *ctx, void *buf, size_t len)
{
    uint64_t *counter = ctx;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = (uint8_t)((++*counter * UINT64_C(0x9E3779B97F4A7C15)) >> 56);
}

static void make_record(lm_node_record *record, const uint8_t nk[32], const uint8_t seed[32])
{
    static const char *const features[] = {"signal"};
    uint8_t other[32];
    lm_node_config config;
    const lm_node_record_extra extra = {.seq = UNIX, .features = features, .feature_count = 1, .mesh = "b:1"};
    test_node(&config, other);
    memcpy(config.nk, nk, sizeof config.nk);
    assert(lm_node_record_make(record, &config, &extra, seed) == LM_OK);
}

static void drain(run *r);

static void flush(run *r)
{
    static uint8_t out[LM_NOISE_RECORD_MAX];
    int len;
    while (r->link != 0 && (len = lm_noise_stream_take(&r->stream, out)) > 0)
        lm_mesh_input(r->mesh, r->now, r->link, out, (size_t)len);
    drain(r);
}

/* What the mesh says: its epoch is learned, the rest is only looked at. */
static void hear(run *r)
{
    const uint8_t *frame;
    size_t len;
    lm_mesh_message m;
    while (lm_frame_next(&r->stream.in, &frame, &len) == 1) {
        assert(lm_mesh_message_parse(&m, (const char *)frame, len) == LM_OK);
        if (lm_mesh_type_is_conversational(m.type) && m.e != r->p) {
            r->p = m.e;
            r->n = 0;
        }
        lm_mesh_message_clear(&m);
        lm_byte_queue_consume(&r->stream.in, LM_FRAME_HEAD + len);
    }
}

static void drain(run *r)
{
    lm_mesh_output out;
    while (lm_mesh_poll(r->mesh, r->now, &out) == 1) {
        if (out.kind == LM_MESH_SEND && out.link == r->link) {
            assert(lm_noise_stream_input(&r->stream, out.bytes.data, out.bytes.len) == LM_OK);
            hear(r);
        } else if (out.kind == LM_MESH_CLOSE && out.link == r->link) {
            r->link = 0;
        } else if (out.kind >= LM_MESH_JOINED) {
            assert(out.member.text != NULL);
        }
        if (out.kind == LM_MESH_SEND)
            lm_mesh_sent(r->mesh, r->now, out.link, out.bytes.len);
    }
    assert(lm_mesh_next_timeout(r->mesh) > 0);
}

static void send_frame(run *r, const void *text, size_t len)
{
    if (r->link != 0 && len > 0)
        assert(lm_frame_append(&r->stream.out, text, len) == LM_OK);
    flush(r);
}

static void connect_link(run *r)
{
    char text[8192];
    lm_random random = {.fill = fill, .ctx = &r->counter};
    lm_addr from = {.family = LM_AF_INET, .ip = {10, 0, 0, 1}, .port = 7};
    if (r->link != 0)
        lm_mesh_closed(r->mesh, r->now, r->link);
    r->link = 0;
    lm_noise_stream_clear(&r->stream);
    assert(lm_noise_stream_init(&r->stream, &r->keys, true, &random) == LM_OK);
    if (lm_mesh_accepted(r->mesh, r->now, &from, &r->link) != LM_OK)
        return;
    flush(r);
    flush(r);
    lm_json_writer j = lm_mesh_message_begin(text, sizeof text, LM_MESH_TYPE_hello);
    lm_mesh_put_uint(&j, "v", 1);
    lm_mesh_put_uint(&j, "boot", 1);
    lm_mesh_put_text(&j, "record", r->record.text);
    lm_mesh_put_text(&j, "sig", r->record.sig);
    lm_json_close(&j, '}');
    send_frame(r, j.text.start, j.text.len);
}

static void say(run *r, const uint8_t *body, size_t len)
{
    char text[70000];
    int head = snprintf(text, sizeof text, "{\"e\":%llu,\"p\":%llu,\"n\":%llu,\"a\":0,",
                        (unsigned long long)r->e, (unsigned long long)r->p, (unsigned long long)r->n++);
    memcpy(text + head, body, len);
    send_frame(r, text, (size_t)head + len);
}

static void id_of(uint8_t byte, uint8_t *id, size_t len)
{
    memset(id, 0x11 * (byte % 4), len);
}

static void step(run *r, lm_reader *in)
{
    uint8_t room[LM_MESH_ROOM_LEN], peer[LM_MESH_PEER_LEN], to[LM_MESH_PEER_LEN];
    unsigned operation = lm_read_u8(in) % 8;
    if (operation < 2) {
        size_t len = lm_read_u16(in);
        const uint8_t *bytes = lm_read_bytes(in, len);
        if (bytes != NULL && operation == 0)
            send_frame(r, bytes, len);
        else if (bytes != NULL)
            say(r, bytes, len);
        return;
    }
    if (operation == 2) {
        lm_ms end = r->now + (lm_ms)lm_read_u8(in) * 100;
        for (unsigned i = 0; i < 1000 && lm_mesh_next_timeout(r->mesh) <= end; i++) {
            lm_ms next = lm_mesh_next_timeout(r->mesh);
            r->now = next > r->now ? next : r->now;
            lm_mesh_timeout(r->mesh, r->now);
            drain(r);
        }
        r->now = end;
        return;
    }
    if (operation == 7) {
        connect_link(r);
        return;
    }
    id_of(lm_read_u8(in), room, sizeof room);
    id_of(lm_read_u8(in), peer, sizeof peer);
    if (operation == 3) {
        assert(lm_mesh_join(r->mesh, r->now, room, peer, "info") == LM_OK);
    } else if (operation == 4) {
        lm_mesh_leave(r->mesh, r->now, room, peer);
    } else if (operation == 5) {
        id_of(lm_read_u8(in), to, sizeof to);
        int result = lm_mesh_signal(r->mesh, r->now, room, peer, to, "data");
        assert(result == LM_OK || result == LM_ENOTFOUND || result == LM_ELIMIT);
    } else {
        lm_mesh_peer_silent(r->mesh, r->now, peer, room[0] != 0);
    }
    drain(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    run r = {.now = 1000, .e = 7};
    lm_reader in = lm_reader_init(data, len);
    uint8_t own_seed[32], other_seed[32];
    lm_mesh_keys own;
    lm_node_record record = {0};
    lm_mesh_config config = {.seed = own_seed, .salt = SALT, .random = {.fill = fill, .ctx = &r.counter}};
    if (sodium_init() < 0)
        abort();
    memset(own_seed, 1, sizeof own_seed);
    memset(other_seed, 2, sizeof other_seed);
    lm_mesh_limits_default(&config.limits);
    config.limits.room_size = 3;
    config.limits.members_per_node = 4;
    assert(lm_mesh_keys_make(&own, own_seed, SALT) == LM_OK);
    assert(lm_mesh_keys_make(&r.keys, other_seed, SALT) == LM_OK);
    make_record(&record, own.nk, own_seed);
    make_record(&r.record, r.keys.nk, other_seed);
    assert(lm_mesh_create(&r.mesh, &config, r.now) == LM_OK);
    lm_mesh_set_unix_time(r.mesh, r.now, UNIX);
    assert(lm_mesh_set_record(r.mesh, r.now, &record) == LM_OK);
    connect_link(&r);
    for (unsigned i = 0; i < STEPS_MAX && lm_reader_left(&in) > 0 && !in.failed; i++)
        step(&r, &in);
    lm_mesh_destroy(r.mesh);
    lm_noise_stream_clear(&r.stream);
    lm_node_record_clear(&r.record);
    lm_node_record_clear(&record);
    return 0;
}
