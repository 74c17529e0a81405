/*
 * Associations of one process, joined two by two:
 *
 *     active end --- queue of packets --- passive end
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <usrsctp.h> /* only for its checksum and its count of associations */

#include "common/error.h"
#include "test/support/data.h"
#include "webrtc/dcep.h"
#include "webrtc/sctp.h"
#include "webrtc/webrtc.h"

#define CAPTURES LM_TEST_DATA "/captures/"
#define CHUNK_TYPE_OFFSET 12

typedef struct end {
    lm_sctp_assoc *assoc;
    struct end *peer;
    bool deaf; /* packets to it are lost */
    unsigned up, down, too_big, resets, writable, messages, packets;
    uint32_t reset_streams; /* a bit for each */
    uint16_t stream;        /* of the last message, as all that follows */
    uint32_t ppid;
    size_t len;
    uint8_t data[LM_WEBRTC_MESSAGE_MAX];
    unsigned in_order[LM_SCTP_STREAMS]; /* messages that were numbered as expected */
    uint8_t last[2048];                 /* the last packet that it was given */
    size_t last_len;
    uint8_t sent[2048]; /* the last packet that it sent */
    size_t sent_len;
} end;

typedef struct packet {
    struct packet *next;
    end *to;
    size_t len;
    uint8_t bytes[];
} packet;

static packet *first, **last = &first;
static lm_ms now;

static void on_output(void *user, const uint8_t *data, size_t len)
{
    end *e = user;
    e->packets++;
    assert_in_range(len, 16, sizeof e->sent);
    memcpy(e->sent, data, e->sent_len = len);
    packet *p = malloc(sizeof *p + len);
    assert_non_null(p);
    p->next = NULL;
    p->to = e->peer;
    p->len = len;
    memcpy(p->bytes, data, len);
    *last = p;
    last = &p->next;
}

static void on_up(void *user)
{
    ((end *)user)->up++;
}

static void on_message(void *user, uint16_t stream, uint32_t ppid, const uint8_t *data, size_t len)
{
    end *e = user;
    assert_in_range(stream, 0, LM_SCTP_STREAMS - 1);
    assert_in_range(len, 1, sizeof e->data);
    e->messages++;
    e->stream = stream;
    e->ppid = ppid;
    memcpy(e->data, data, e->len = len);
    e->in_order[stream] += data[0] == (uint8_t)e->in_order[stream];
}

static void on_too_big(void *user)
{
    ((end *)user)->too_big++;
}

static void on_reset(void *user, uint16_t stream)
{
    end *e = user;
    e->resets++;
    if (stream < 32)
        e->reset_streams |= UINT32_C(1) << stream;
}

static void on_writable(void *user)
{
    ((end *)user)->writable++;
}

static void on_down(void *user)
{
    ((end *)user)->down++;
}

static const lm_sctp_handler handler = {
    .output = on_output,
    .up = on_up,
    .message = on_message,
    .too_big = on_too_big,
    .reset = on_reset,
    .writable = on_writable,
    .down = on_down,
};

/* Delivers packets until there are none. */
static void pump(void)
{
    while (first != NULL) {
        packet *p = first;
        first = p->next;
        if (first == NULL)
            last = &first;
        if (p->to != NULL && p->to->assoc != NULL && !p->to->deaf) {
            if (p->len <= sizeof p->to->last)
                memcpy(p->to->last, p->bytes, p->to->last_len = p->len);
            lm_sctp_input(p->to->assoc, now, p->bytes, p->len);
        }
        free(p);
    }
}

static void pass_time(lm_ms ms)
{
    for (lm_ms until = now + ms; now < until; now += 20) {
        lm_sctp_timeout(now);
        pump();
    }
}

static end *make_end(void)
{
    end *e = calloc(1, sizeof *e);
    assert_non_null(e);
    assert_int_equal(lm_sctp_open(&e->assoc, &handler, e), LM_OK);
    return e;
}

/* An established association: the active end; its peer is the passive one. */
static end *make_pair(void)
{
    end *a = make_end(), *b = make_end();
    a->peer = b;
    b->peer = a;
    assert_int_equal(lm_sctp_connect(a->assoc), LM_OK);
    pump();
    assert_int_equal(a->up, 1);
    assert_int_equal(b->up, 1);
    return a;
}

static void free_pair(end *a)
{
    end *b = a->peer;
    lm_sctp_close(a->assoc);
    lm_sctp_close(b->assoc);
    a->assoc = b->assoc = NULL;
    pump();
    free(a);
    free(b);
}

static int setup(void **state)
{
    (void)state;
    now = 1000;
    return lm_sctp_start();
}

static int teardown(void **state)
{
    (void)state;
    pump();
    lm_sctp_stop();
    return 0;
}

static void seal(uint8_t *data, size_t len)
{
    memset(data + 8, 0, 4);
    uint32_t crc = usrsctp_crc32c(data, len);
    memcpy(data + 8, &crc, 4);
}

static uint32_t associations(void)
{
    struct sctpstat stat;
    usrsctp_get_stat(&stat);
    return stat.sctps_currestab;
}

static void sixteen_streams_keep_boundaries_order_and_ppid(void **state)
{
    end *a = make_pair();
    (void)state;
    for (unsigned round = 0; round < 10; round++) {
        for (uint16_t stream = 0; stream < LM_SCTP_STREAMS; stream++) {
            uint8_t message[300];
            size_t len = 1 + stream * 17 + round;
            memset(message, (int)round, sizeof message);
            assert_int_equal(lm_sctp_send(a->assoc, now, stream, LM_PPID_STRING + round % 3, message, len),
                             LM_OK);
            pump();
            assert_int_equal(a->peer->messages, round * LM_SCTP_STREAMS + stream + 1u);
            assert_int_equal(a->peer->stream, stream);
            assert_int_equal(a->peer->ppid, LM_PPID_STRING + round % 3);
            assert_int_equal(a->peer->len, len);
            assert_memory_equal(a->peer->data, message, len);
        }
    }
    for (unsigned i = 0; i < LM_SCTP_STREAMS; i++)
        assert_int_equal(a->peer->in_order[i], 10);
    assert_int_equal(lm_sctp_send(a->assoc, now, LM_SCTP_STREAMS, LM_PPID_STRING, (const uint8_t *)"x", 1),
                     LM_ECLOSED);
    free_pair(a);
}

static void no_packet_is_longer_than_a_dtls_record_carries(void **state)
{
    static uint8_t message[10000];
    end *a = make_pair();
    size_t longest = 0;
    (void)state;
    assert_int_equal(lm_sctp_send(a->assoc, now, 0, LM_PPID_STRING, message, sizeof message), LM_OK);
    for (packet *p = first; p != NULL; p = p->next)
        longest = p->len > longest ? p->len : longest;
    assert_in_range(longest, 1100, 1200 - 37);
    pump();
    assert_int_equal(a->peer->len, sizeof message);
    free_pair(a);
}

static void a_message_of_65536_bytes_arrives_whole(void **state)
{
    static uint8_t message[LM_WEBRTC_MESSAGE_MAX];
    end *a = make_pair();
    (void)state;
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)(i * 7 + i / 256);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(lm_sctp_send(a->assoc, now, 3, LM_PPID_BINARY, message, sizeof message), LM_OK);
        pump();
        pass_time(1000);
        assert_int_equal(a->peer->messages, i + 1);
        assert_int_equal(a->peer->len, sizeof message);
        assert_memory_equal(a->peer->data, message, sizeof message);
    }
    assert_int_equal(a->peer->too_big, 0);
    free_pair(a);
}

static void a_longer_message_is_told_once_and_nothing_after_it(void **state)
{
    static const size_t lengths[] = {LM_WEBRTC_MESSAGE_MAX + 1, LM_WEBRTC_MESSAGE_MAX + 100, 100000, 131000};
    static uint8_t message[131000];
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        end *a = make_pair();
        assert_int_equal(lm_sctp_send(a->assoc, now, 0, LM_PPID_STRING, message, lengths[i]), LM_OK);
        pump();
        lm_sctp_send(a->assoc, now, 0, LM_PPID_STRING, message, 10);
        pump();
        pass_time(1000);
        assert_int_equal(a->peer->too_big, 1);
        assert_int_equal(a->peer->messages, 0);
        assert_int_equal(lm_sctp_input(a->peer->assoc, now, a->sent, a->sent_len), LM_ECLOSED);
        free_pair(a);
    }
}

static void a_full_buffer_says_again_and_writable_comes_when_there_is_room(void **state)
{
    static uint8_t message[50000];
    end *a = make_pair();
    int error, sent = 0;
    (void)state;
    while ((error = lm_sctp_send(a->assoc, now, 0, LM_PPID_STRING, message, sizeof message)) == LM_OK &&
           sent < 100)
        sent++;
    assert_int_equal(error, LM_EAGAIN);
    assert_int_equal(sent, 2); /* 128 kB of buffer */
    assert_int_equal(a->writable, 0);
    pump();
    pass_time(500);
    assert_true(a->writable > 0);
    assert_int_equal(a->peer->messages, 2);
    assert_int_equal(lm_sctp_send(a->assoc, now, 0, LM_PPID_STRING, message, sizeof message), LM_OK);

    static uint8_t huge[200 * 1024]; /* more than the buffer will ever take */
    assert_int_equal(lm_sctp_send(a->assoc, now, 0, LM_PPID_STRING, huge, sizeof huge), LM_ETOOBIG);
    free_pair(a);
}

static void nothing_can_be_sent_before_it_is_up(void **state)
{
    end *a = make_end();
    (void)state;
    assert_int_equal(lm_sctp_send(a->assoc, now, 0, LM_PPID_STRING, (const uint8_t *)"x", 1), LM_ECLOSED);
    assert_int_equal(lm_sctp_reset_stream(a->assoc, 0), LM_EIO);
    lm_sctp_abort(a->assoc); /* of nothing */
    assert_int_equal(a->packets, 0);
    lm_sctp_close(a->assoc);
    free(a);
}

static void a_reset_is_told_to_the_peer_alone(void **state)
{
    end *a = make_pair();
    (void)state;
    assert_int_equal(lm_sctp_reset_stream(a->assoc, 5), LM_OK);
    pump();
    pass_time(500);
    assert_int_equal(a->peer->resets, 1);
    assert_int_equal(a->peer->reset_streams, 1u << 5);
    assert_int_equal(a->resets, 0);
    /* The stream can be used again. */
    assert_int_equal(lm_sctp_send(a->assoc, now, 5, LM_PPID_STRING, (const uint8_t *)"x", 1), LM_OK);
    pump();
    assert_int_equal(a->peer->stream, 5);
    /* All at once: what cannot be asked in one request follows in the next. */
    a->peer->reset_streams = 0;
    for (uint16_t stream = 0; stream < LM_SCTP_STREAMS; stream++)
        assert_int_equal(lm_sctp_reset_stream(a->assoc, stream), LM_OK);
    pump();
    pass_time(500);
    assert_int_equal(a->peer->reset_streams, 0xFFFF);
    assert_int_equal(lm_sctp_reset_stream(a->assoc, LM_SCTP_STREAMS), LM_EIO);
    free_pair(a);
}

static void abort_is_told_to_the_peer_and_ends_both(void **state)
{
    end *a = make_pair();
    (void)state;
    lm_sctp_abort(a->assoc);
    lm_sctp_abort(a->assoc); /* once is enough */
    assert_int_equal(a->sent[CHUNK_TYPE_OFFSET], 6);
    pump();
    assert_int_equal(a->peer->down, 1);
    assert_int_equal(a->down, 0);
    assert_int_equal(lm_sctp_send(a->peer->assoc, now, 0, LM_PPID_STRING, (const uint8_t *)"x", 1),
                     LM_ECLOSED);
    unsigned packets = a->peer->packets;
    lm_sctp_abort(a->peer->assoc); /* nobody is there to be told */
    assert_int_equal(a->peer->packets, packets);
    assert_int_equal(lm_sctp_input(a->assoc, now, a->sent, a->sent_len), LM_ECLOSED);
    assert_int_equal(lm_sctp_input(a->peer->assoc, now, a->sent, a->sent_len), LM_ECLOSED);
    free_pair(a);
    assert_int_equal(associations(), 0);
}

/* usrsctp itself refuses to abort then. */
static void abort_works_while_every_stream_is_being_reset(void **state)
{
    end *a = make_pair();
    (void)state;
    a->peer->deaf = true;
    for (uint16_t stream = 0; stream < LM_SCTP_STREAMS; stream++)
        lm_sctp_reset_stream(a->assoc, stream);
    pump();
    a->peer->deaf = false;
    lm_sctp_abort(a->assoc);
    pump();
    assert_int_equal(a->peer->down, 1);
    free_pair(a);
    assert_int_equal(associations(), 0);
}

static void abort_works_while_the_send_buffer_is_full(void **state)
{
    end *a = make_pair();
    int sent = 0;
    (void)state;
    a->peer->deaf = true;
    while (lm_sctp_send(a->assoc, now, 0, LM_PPID_STRING, (const uint8_t *)"x", 1) == LM_OK)
        assert_in_range(++sent, 1, 200000);
    pump();
    a->peer->deaf = false;
    lm_sctp_abort(a->assoc);
    pump();
    assert_int_equal(a->peer->down, 1);
    free_pair(a);
    assert_int_equal(associations(), 0);
}

static void close_frees_the_association_without_a_word(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        end *a = make_pair();
        unsigned packets = a->packets;
        lm_sctp_close(a->assoc);
        a->assoc = NULL;
        assert_int_equal(a->packets, packets);
        assert_int_equal(associations(), 1);
        lm_sctp_close(a->peer->assoc);
        assert_int_equal(associations(), 0);
        free(a->peer);
        free(a);
    }
    assert_int_equal(lm_sctp_next_timeout(), LM_MS_NEVER);
}

static void an_unanswered_connect_can_be_closed(void **state)
{
    end *a = make_end();
    (void)state;
    assert_int_equal(lm_sctp_connect(a->assoc), LM_OK);
    assert_int_equal(a->sent[CHUNK_TYPE_OFFSET], 1); /* INIT */
    lm_sctp_abort(a->assoc);                         /* no tag of the peer is known: nothing to say */
    assert_int_equal(a->packets, 1);
    lm_sctp_close(a->assoc);
    pass_time(5000);
    assert_int_equal(a->packets, 1);
    free(a);
}

static void what_is_not_of_the_association_is_malformed_and_harmless(void **state)
{
    end *a = make_pair(), *b = a->peer, *other = make_pair();
    uint8_t bytes[2048];
    size_t len;
    (void)state;
    lm_sctp_send(a->assoc, now, 0, LM_PPID_STRING, (const uint8_t *)"hello", 5);
    assert_non_null(first);
    memcpy(bytes, first->bytes, len = first->len);
    packet *lost = first;
    first = NULL;
    last = &first;
    free(lost);

    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(lm_sctp_input(b->assoc, now, bytes, cut), LM_EMALFORMED);
    for (size_t bit = 0; bit < 8 * len; bit++) { /* the checksum finds every flipped bit */
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(lm_sctp_input(b->assoc, now, bytes, len), LM_EMALFORMED);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t offset = 0; offset < 8;
         offset++) { /* ports and tag are wrong even if the checksum is right */
        bytes[offset] ^= 1;
        seal(bytes, len);
        assert_int_equal(lm_sctp_input(b->assoc, now, bytes, len), LM_EMALFORMED);
        bytes[offset] ^= 1;
    }
    seal(bytes, len);
    assert_int_equal(lm_sctp_input(other->assoc, now, bytes, len), LM_EMALFORMED);
    uint8_t longest[2049] = {0};
    assert_int_equal(lm_sctp_input(b->assoc, now, longest, sizeof longest), LM_EMALFORMED);
    assert_int_equal(b->messages, 0);

    assert_int_equal(lm_sctp_input(b->assoc, now, bytes, len), LM_OK);
    assert_int_equal(b->messages, 1);
    assert_memory_equal(b->data, "hello", 5);
    assert_int_equal(lm_sctp_input(b->assoc, now, bytes, len), LM_OK); /* a duplicate */
    assert_int_equal(b->messages, 1);
    pump();
    free_pair(a);
    free_pair(other);
}

static void captured_inits_are_answered_and_the_rest_of_their_session_is_not(void **state)
{
    static const char *const rest[] = {"sack",      "heartbeat",  "reconfig",   "abort",
                                       "dcep-open", "text-hello", "cookie-echo"};
    static const char *const browsers[] = {"chromium156", "firefox153"};
    char path[512];
    size_t len;
    (void)state;
    for (size_t b = 0; b < 2; b++) {
        end *e = make_end();
        for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) {
            snprintf(path, sizeof path, CAPTURES "%s-sctp-%s.hex", browsers[b], rest[i]);
            uint8_t *data = test_read_hex(path, &len);
            int result = lm_sctp_input(e->assoc, now, data, len);
            if (strcmp(rest[i], "cookie-echo") !=
                0) /* usrsctp has no counter for a cookie that it did not make */
                assert_int_equal(result, LM_EMALFORMED);
            assert_int_equal(e->packets, 0);
            free(data);
        }
        snprintf(path, sizeof path, CAPTURES "%s-sctp-init.hex", browsers[b]);
        uint8_t *data = test_read_hex(path, &len);
        assert_int_equal(lm_sctp_input(e->assoc, now, data, len), LM_OK);
        assert_int_equal(e->packets, 1);
        assert_int_equal(e->sent[CHUNK_TYPE_OFFSET], 2); /* INIT ACK */
        assert_memory_equal(e->sent, data, 4);           /* both ports are 5000 */
        assert_memory_equal(e->sent + 4, data + 16, 4);  /* under the initiate tag of the INIT */
        assert_int_equal(e->sent[24] << 8 | e->sent[25], LM_SCTP_STREAMS); /* outbound */
        assert_int_equal(e->sent[26] << 8 | e->sent[27], LM_SCTP_STREAMS); /* and inbound */
        assert_int_equal(e->up, 0);
        free(data);
        lm_sctp_close(e->assoc);
        free(e);
    }
}

static void a_started_association_is_not_started_over(void **state)
{
    end *a = make_pair();
    size_t len;
    uint8_t *init = test_read_hex(CAPTURES "chromium156-sctp-init.hex", &len);
    unsigned packets = a->peer->packets;
    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(lm_sctp_input(a->peer->assoc, now, init, len), LM_EMALFORMED);
    assert_int_equal(a->peer->packets, packets);
    assert_int_equal(a->peer->up, 1);
    assert_int_equal(a->peer->down, 0);
    assert_int_equal(associations(), 2);
    free(init);
    free_pair(a);
}

static void an_abort_with_the_t_bit_and_the_peers_own_tag_counts(void **state)
{
    end *a = make_pair();
    uint8_t abort_packet[16] = {0x13, 0x88, 0x13, 0x88, [12] = 6, 1, 0, 4};
    (void)state;
    memcpy(abort_packet + 4, a->peer->sent + 4, 4); /* the tag that b's packets carry */
    abort_packet[4] ^= 1;
    seal(abort_packet, sizeof abort_packet);
    assert_int_equal(lm_sctp_input(a->peer->assoc, now, abort_packet, sizeof abort_packet), LM_EMALFORMED);
    assert_int_equal(a->peer->down, 0);
    abort_packet[4] ^= 1;
    seal(abort_packet, sizeof abort_packet);
    assert_int_equal(lm_sctp_input(a->peer->assoc, now, abort_packet, sizeof abort_packet), LM_OK);
    assert_int_equal(a->peer->down, 1);
    free_pair(a);
}

/*
 * One client must not be able to hold up all others: packets of no use cost the same however many
 * associations there are.
 */
static void refused_packets_cost_little_among_many_associations(void **state)
{
    enum { PAIRS = 300, PACKETS = 2000 };
    static end *pairs[PAIRS];
    size_t len;
    uint8_t *init = test_read_hex(CAPTURES "chromium156-sctp-init.hex", &len);
    (void)state;
    for (int i = 0; i < PAIRS; i++)
        pairs[i] = make_pair();
    for (int which = 0; which < PAIRS; which += PAIRS - 1) {
        end *b = pairs[which]->peer;
        clock_t start = clock();
        b->last[4] ^= 1;
        seal(b->last, b->last_len);
        for (int i = 0; i < PACKETS; i++) {
            assert_int_equal(lm_sctp_input(b->assoc, now, b->last, b->last_len), LM_EMALFORMED);
            assert_int_equal(lm_sctp_input(b->assoc, now, init, len), LM_EMALFORMED);
        }
        assert_in_range((uint64_t)(clock() - start) / (CLOCKS_PER_SEC / 1000), 0, 1000); /* ms; it was 8 s */
    }
    end *fresh = make_end(); /* one that is not up yet has to let packets through to usrsctp */
    clock_t start = clock();
    for (int i = 0; i < PACKETS; i++) {
        lm_sctp_input(fresh->assoc, now, init, len);
        lm_sctp_input(fresh->assoc, now, pairs[0]->peer->last, pairs[0]->peer->last_len);
        pump();
    }
    assert_in_range((uint64_t)(clock() - start) / (CLOCKS_PER_SEC / 1000), 0, 2000);
    lm_sctp_close(fresh->assoc);
    free(fresh);
    for (int i = 0; i < PAIRS; i++)
        free_pair(pairs[i]);
    assert_int_equal(associations(), 0);
    free(init);
}

static void lost_packets_are_sent_again_by_the_timer(void **state)
{
    end *a = make_pair();
    (void)state;
    a->peer->deaf = true;
    lm_sctp_send(a->assoc, now, 0, LM_PPID_STRING, (const uint8_t *)"again", 5);
    pump();
    a->peer->deaf = false;
    /*
     * usrsctp takes a chunk as outstanding by the wall clock: without waiting it has not been out for long
     * enough.
     */
    nanosleep(&(struct timespec){.tv_nsec = 400 * 1000 * 1000}, NULL);
    assert_true(lm_sctp_next_timeout() <= now + 20);
    pass_time(3000);
    assert_int_equal(a->peer->messages, 1);
    free_pair(a);
}

static void timers_run_seldom_when_all_is_quiet_and_never_without_associations(void **state)
{
    (void)state;
    assert_int_equal(lm_sctp_next_timeout(), LM_MS_NEVER);
    end *a = make_pair();
    lm_sctp_timeout(now);
    assert_int_equal(lm_sctp_next_timeout(), now + 20);
    now += 5000;
    lm_sctp_timeout(now);
    pump();
    now += 5000;
    lm_sctp_timeout(now);
    assert_int_equal(lm_sctp_next_timeout(), now + 500);
    free_pair(a);
    assert_int_equal(lm_sctp_next_timeout(), LM_MS_NEVER);
}

static void there_is_room_for_65535_associations_and_their_names_are_used_again(void **state)
{
    static lm_sctp_assoc *all[UINT16_MAX];
    end *a = make_pair();
    size_t n = 0;
    int error;
    (void)state;
    for (int i = 0; i < 70000; i++) {
        assert_int_equal(lm_sctp_open(&all[0], &handler, NULL), LM_OK);
        lm_sctp_close(all[0]);
    }
    while ((error = lm_sctp_open(&all[n], &handler, NULL)) == LM_OK)
        assert_in_range(++n, 1, UINT16_MAX - 1);
    assert_int_equal(error, LM_ENOMEM);
    assert_int_equal(n, UINT16_MAX - 2);
    assert_int_equal(lm_sctp_send(a->assoc, now, 0, LM_PPID_STRING, (const uint8_t *)"x", 1), LM_OK);
    pump();
    assert_int_equal(a->peer->messages, 1);
    while (n > 0)
        lm_sctp_close(all[--n]);
    free_pair(a);
}

static void the_endpoint_starts_again_after_its_last_user(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        lm_sctp_stop();      /* setup() started it */
        now = 10 + (lm_ms)i; /* on a clock that is behind the last one's */
        assert_int_equal(lm_sctp_start(), LM_OK);
        end *a = make_pair();
        assert_int_equal(lm_sctp_send(a->assoc, now, 0, LM_PPID_STRING, (const uint8_t *)"x", 1), LM_OK);
        pump();
        assert_int_equal(a->peer->messages, 1);
        free_pair(a);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sixteen_streams_keep_boundaries_order_and_ppid),
        TEST(no_packet_is_longer_than_a_dtls_record_carries),
        TEST(a_message_of_65536_bytes_arrives_whole),
        TEST(a_longer_message_is_told_once_and_nothing_after_it),
        TEST(a_full_buffer_says_again_and_writable_comes_when_there_is_room),
        TEST(nothing_can_be_sent_before_it_is_up),
        TEST(a_reset_is_told_to_the_peer_alone),
        TEST(abort_is_told_to_the_peer_and_ends_both),
        TEST(abort_works_while_every_stream_is_being_reset),
        TEST(abort_works_while_the_send_buffer_is_full),
        TEST(close_frees_the_association_without_a_word),
        TEST(an_unanswered_connect_can_be_closed),
        TEST(what_is_not_of_the_association_is_malformed_and_harmless),
        TEST(captured_inits_are_answered_and_the_rest_of_their_session_is_not),
        TEST(a_started_association_is_not_started_over),
        TEST(an_abort_with_the_t_bit_and_the_peers_own_tag_counts),
        TEST(refused_packets_cost_little_among_many_associations),
        TEST(lost_packets_are_sent_again_by_the_timer),
        TEST(timers_run_seldom_when_all_is_quiet_and_never_without_associations),
        TEST(there_is_room_for_65535_associations_and_their_names_are_used_again),
        TEST(the_endpoint_starts_again_after_its_last_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
