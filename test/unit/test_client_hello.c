/* Reassembly of the ClientHello, with the fragments that browsers sent and with fragments of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/error.h"
#include "test/support/data.h"
#include "webrtc/client_hello.h"

#define HEADERS_LEN (LM_DTLS_RECORD_HEADER_LEN + LM_DTLS_HANDSHAKE_HEADER_LEN)

typedef struct datagram {
    uint8_t *data;
    size_t len;
} datagram;

static datagram read_capture(const char *name)
{
    char path[512];
    datagram d;
    snprintf(path, sizeof path, LM_TEST_DATA "/captures/%s.hex", name);
    d.data = test_read_hex(path, &d.len);
    return d;
}

/*
 * The two datagrams of a browser's ClientHello, and the record that they have to become when `completing`
 * comes last.
 */
typedef struct hello {
    datagram parts[2];
    uint8_t record[2048];
    size_t record_len;
} hello;

static void expect(hello *h, const datagram *completing)
{
    const datagram *a = &h->parts[0], *b = &h->parts[1];
    size_t total = a->len + b->len - 2 * (size_t)HEADERS_LEN;
    lm_writer w = lm_writer_init(h->record, sizeof h->record);
    lm_write_bytes(&w, completing->data, 11); /* type, version, epoch, sequence number of the last record */
    lm_write_u16(&w, (uint16_t)(12 + total)); /* length of the record */
    lm_write_u8(&w, 1);                       /* client_hello */
    lm_write_u24(&w, (uint32_t)total);        /* length of the message */
    lm_write_bytes(&w, a->data + 17, 2);      /* message_seq */
    lm_write_u24(&w, 0);                      /* fragment_offset */
    lm_write_u24(&w, (uint32_t)total);        /* fragment_length */
    lm_write_bytes(&w, a->data + HEADERS_LEN, a->len - HEADERS_LEN);
    lm_write_bytes(&w, b->data + HEADERS_LEN, b->len - HEADERS_LEN);
    assert_false(w.failed);
    h->record_len = w.len;
}

static void read_hello(hello *h, const char *browser)
{
    char name[64];
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "%s-clienthello-%d", browser, i + 1);
        h->parts[i] = read_capture(name);
    }
}

static void free_hello(hello *h)
{
    free(h->parts[0].data);
    free(h->parts[1].data);
}

static const uint8_t *out;
static size_t out_len;

static int input(lm_client_hello *ch, const datagram *d)
{
    out = NULL;
    out_len = 0;
    assert_true(lm_client_hello_is(d->data, d->len));
    return lm_client_hello_input(ch, d->data, d->len, &out, &out_len);
}

static void assert_whole(lm_client_hello *ch, hello *h, const datagram *completing)
{
    assert_int_equal(input(ch, completing), 1);
    expect(h, completing);
    assert_int_equal(out_len, h->record_len);
    assert_memory_equal(out, h->record, out_len);
}

static const char *const browsers[] = {"chromium156", "firefox153"};

static void fragments_in_order_become_one_record(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        lm_client_hello ch = {0};
        hello h;
        read_hello(&h, browsers[i]);
        assert_int_equal(input(&ch, &h.parts[0]), 0);
        assert_whole(&ch, &h, &h.parts[1]);
        assert_int_equal(out_len, i == 0 ? 25 + 1413 : 25 + 1461);
        lm_client_hello_clear(&ch);
        free_hello(&h);
    }
}

static void fragments_in_reverse_become_one_record(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        lm_client_hello ch = {0};
        hello h;
        read_hello(&h, browsers[i]);
        assert_int_equal(input(&ch, &h.parts[1]), 0);
        assert_whole(&ch, &h, &h.parts[0]);
        lm_client_hello_clear(&ch);
        free_hello(&h);
    }
}

static void duplicates_change_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        lm_client_hello ch = {0};
        hello h;
        read_hello(&h, browsers[i]);
        for (int n = 0; n < 5; n++)
            assert_int_equal(input(&ch, &h.parts[0]), 0);
        assert_whole(&ch, &h, &h.parts[1]);
        assert_int_equal(input(&ch, &h.parts[1]), 0); /* late; the next transmission needs both again */
        assert_int_equal(input(&ch, &h.parts[1]), 0);
        assert_whole(&ch, &h, &h.parts[0]);
        lm_client_hello_clear(&ch);
        free_hello(&h);
    }
}

static void a_retransmission_gives_the_record_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        lm_client_hello ch = {0};
        hello h = {0};
        for (int n = 1; n <= 4; n += 2) {
            char name[64];
            for (int k = 0; k < 2; k++) {
                snprintf(name, sizeof name, "%s-clienthello-unanswered-%d", browsers[i], n + k);
                free(h.parts[k].data);
                h.parts[k] = read_capture(name);
            }
            assert_int_equal(input(&ch, &h.parts[0]), 0);
            assert_whole(&ch, &h, &h.parts[1]);
            assert_int_equal(
                out[10], n); /* the sequence number is the last record's: n and n - 1 came with this pair */
        }
        lm_client_hello_clear(&ch);
        free_hello(&h);
    }
}

/* Firefox's fourth transmission is split at 1,163 where the earlier ones were split at 1,383 of 1,461. */
static void transmissions_that_are_split_elsewhere_complete_each_other(void **state)
{
    lm_client_hello ch = {0};
    hello h;
    datagram p7 = read_capture("firefox153-clienthello-unanswered-7");
    datagram p8 = read_capture("firefox153-clienthello-unanswered-8");
    (void)state;
    h.parts[0] = read_capture("firefox153-clienthello-unanswered-1");
    h.parts[1] = read_capture("firefox153-clienthello-unanswered-2");

    assert_int_equal(input(&ch, &h.parts[0]), 0); /* 0 to 1,382 and 1,163 to 1,460 overlap */
    assert_whole(&ch, &h, &p8);
    assert_int_equal(input(&ch, &p7), 0); /* 0 to 1,162 and 1,383 to 1,460 leave a gap */
    assert_int_equal(input(&ch, &h.parts[1]), 0);
    assert_whole(&ch, &h, &p8);
    assert_int_equal(input(&ch, &h.parts[1]), 0);
    assert_int_equal(input(&ch, &p7), 0);
    assert_whole(&ch, &h, &h.parts[0]);
    assert_int_equal(input(&ch, &p8), 0);
    assert_whole(&ch, &h, &p7);
    lm_client_hello_clear(&ch);
    free_hello(&h);
    free(p7.data);
    free(p8.data);
}

static void unfragmented_ones_pass_as_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char name[64];
        lm_client_hello ch = {0};
        snprintf(name, sizeof name, "%s-clienthello-unfragmented", browsers[i]);
        datagram d = read_capture(name);
        for (int n = 0; n < 3; n++) {
            assert_int_equal(input(&ch, &d), 1);
            assert_int_equal(out_len, d.len);
            assert_memory_equal(out, d.data, d.len);
        }
        lm_client_hello_clear(&ch);
        free(d.data);
    }
}

static void several_records_of_one_datagram_count(void **state)
{
    lm_client_hello ch = {0};
    hello h;
    uint8_t both[4096];
    (void)state;
    read_hello(&h, "firefox153");
    memcpy(both, h.parts[0].data, h.parts[0].len);
    memcpy(both + h.parts[0].len, h.parts[1].data, h.parts[1].len);
    datagram d = {both, h.parts[0].len + h.parts[1].len};
    assert_int_equal(input(&ch, &d), 1);
    expect(&h, &h.parts[1]);
    assert_int_equal(out_len, h.record_len);
    assert_memory_equal(out, h.record, out_len);
    lm_client_hello_clear(&ch);
    free_hello(&h);
}

/* --- fragments of our own --- */

typedef struct piece {
    uint32_t total;
    uint16_t message_seq;
    uint32_t offset;
    uint32_t len;
    uint8_t fill;
} piece;

static void write_fragment(lm_writer *w, const piece *p)
{
    lm_write_u8(w, 1);
    lm_write_u24(w, p->total);
    lm_write_u16(w, p->message_seq);
    lm_write_u24(w, p->offset);
    lm_write_u24(w, p->len);
    uint8_t *body = lm_write_reserve(w, p->len);
    assert_non_null(body);
    memset(body, p->fill, p->len);
}

static uint8_t made[20000];

/* One datagram with one record that holds the pieces. */
static datagram make(const piece *pieces, size_t n)
{
    lm_writer w = lm_writer_init(made, sizeof made);
    lm_write_bytes(&w, "\x16\xFE\xFD\0\0\0\0\0\0\0\x07\0\0", LM_DTLS_RECORD_HEADER_LEN);
    for (size_t i = 0; i < n; i++)
        write_fragment(&w, &pieces[i]);
    assert_false(w.failed);
    made[11] = (uint8_t)((w.len - LM_DTLS_RECORD_HEADER_LEN) >> 8);
    made[12] = (uint8_t)(w.len - LM_DTLS_RECORD_HEADER_LEN);
    return (datagram){made, w.len};
}

static int input_piece(lm_client_hello *ch, piece p)
{
    datagram d = make(&p, 1);
    return input(ch, &d);
}

static void several_fragments_of_one_record_count(void **state)
{
    static const piece pieces[] = {{30, 2, 20, 10, 'c'}, {30, 2, 0, 10, 'a'}, {30, 2, 10, 10, 'b'}};
    lm_client_hello ch = {0};
    (void)state;
    datagram d = make(pieces, 3);
    assert_int_equal(input(&ch, &d), 1);
    assert_int_equal(out_len, 25 + 30);
    assert_memory_equal(out, "\x16\xFE\xFD\0\0\0\0\0\0\0\x07\0\x2A\x01\0\0\x1E\0\x02\0\0\0\0\0\x1E", 25);
    assert_memory_equal(out + 25, "aaaaaaaaaabbbbbbbbbbcccccccccc", 30);
    lm_client_hello_clear(&ch);
}

static void fragments_of_no_length_are_taken_and_say_nothing(void **state)
{
    lm_client_hello ch = {0};
    (void)state;
    assert_int_equal(input_piece(&ch, (piece){10, 0, 0, 0, 0}), 0);
    assert_int_equal(input_piece(&ch, (piece){10, 0, 10, 0, 0}), 0);
    assert_int_equal(input_piece(&ch, (piece){10, 0, 0, 9, 'x'}), 0);
    assert_int_equal(input_piece(&ch, (piece){10, 0, 9, 0, 0}), 0);
    assert_int_equal(input_piece(&ch, (piece){10, 0, 9, 1, 'y'}), 1);
    assert_memory_equal(out + 25, "xxxxxxxxxy", 10);
    assert_int_equal(input_piece(&ch, (piece){0, 0, 0, 0, 0}), LM_EMALFORMED); /* an empty ClientHello */
    lm_client_hello_clear(&ch);
}

static void fragments_beyond_the_message_are_malformed_and_what_came_is_kept(void **state)
{
    lm_client_hello ch = {0};
    (void)state;
    assert_int_equal(input_piece(&ch, (piece){10, 0, 0, 5, 'a'}), 0);
    assert_int_equal(input_piece(&ch, (piece){10, 0, 5, 6, 'b'}), LM_EMALFORMED);
    assert_int_equal(input_piece(&ch, (piece){10, 0, 11, 0, 'b'}), LM_EMALFORMED);
    assert_int_equal(input_piece(&ch, (piece){10, 0, 0xFFFFFF, 5, 'b'}), LM_EMALFORMED);
    assert_int_equal(input_piece(&ch, (piece){10, 0, 5, 5, 'c'}), 1);
    assert_memory_equal(out + 25, "aaaaaccccc", 10);
    lm_client_hello_clear(&ch);
}

/* Another length or message_seq is another ClientHello: the client has started over. */
static void another_message_starts_over(void **state)
{
    lm_client_hello ch = {0};
    (void)state;
    assert_int_equal(input_piece(&ch, (piece){10, 0, 0, 9, 'a'}), 0);
    assert_int_equal(input_piece(&ch, (piece){11, 0, 9, 2, 'b'}), 0);
    assert_int_equal(input_piece(&ch, (piece){11, 0, 0, 9, 'c'}), 1);
    assert_int_equal(out_len, 25 + 11);
    assert_memory_equal(out + 25, "cccccccccbb", 11);
    assert_int_equal(input_piece(&ch, (piece){11, 0, 0, 9, 'd'}), 0);
    assert_int_equal(input_piece(&ch, (piece){11, 1, 9, 2, 'e'}), 0); /* as after HelloVerifyRequest */
    assert_int_equal(input_piece(&ch, (piece){11, 1, 0, 9, 'f'}), 1);
    assert_memory_equal(out + 25, "fffffffffee", 11);
    assert_memory_equal(out + 17, "\0\1", 2);
    lm_client_hello_clear(&ch);
}

static void the_length_is_limited(void **state)
{
    lm_client_hello ch = {0};
    (void)state;
    assert_int_equal(input_piece(&ch, (piece){LM_CLIENT_HELLO_MAX + 1, 0, 0, 100, 'a'}), LM_ETOOBIG);
    assert_int_equal(input_piece(&ch, (piece){0xFFFFFF, 0, 0, 100, 'a'}), LM_ETOOBIG);
    assert_int_equal(input_piece(&ch, (piece){0xFFFFFF, 0, 0xFFFFFF - 100, 100, 'a'}), LM_ETOOBIG);
    assert_null(ch.record); /* and nothing is set aside for it */
    assert_int_equal(input_piece(&ch, (piece){LM_CLIENT_HELLO_MAX, 0, 0, LM_CLIENT_HELLO_MAX - 1, 'a'}), 0);
    assert_int_equal(input_piece(&ch, (piece){LM_CLIENT_HELLO_MAX, 0, LM_CLIENT_HELLO_MAX - 1, 1, 'b'}), 1);
    assert_int_equal(out_len, 25 + LM_CLIENT_HELLO_MAX);
    assert_int_equal(out[25 + LM_CLIENT_HELLO_MAX - 1], 'b');
    lm_client_hello_clear(&ch);
}

static void cut_datagrams_are_malformed(void **state)
{
    hello h;
    (void)state;
    read_hello(&h, "chromium156");
    for (size_t cut = 0; cut < h.parts[0].len; cut++) {
        lm_client_hello ch = {0};
        uint8_t *exact = malloc(cut + 1);
        assert_non_null(exact);
        memcpy(exact, h.parts[0].data, cut);
        bool is = lm_client_hello_is(exact, cut);
        assert_int_equal(is, cut >= HEADERS_LEN);
        if (is)
            assert_int_equal(lm_client_hello_input(&ch, exact, cut, &out, &out_len), LM_EMALFORMED);
        free(exact);
        lm_client_hello_clear(&ch);
    }
    free_hello(&h);
}

static void records_of_another_kind_are_malformed(void **state)
{
    static const struct {
        size_t offset;
        uint8_t value;
        bool is;
    } changes[] = {
        {0, 23, false},   /* application data */
        {0, 21, false},   /* alert */
        {1, 3, true},     /* TLS, not DTLS */
        {3, 1, false},    /* epoch 256 */
        {4, 1, false},    /* epoch 1 */
        {13, 2, false},   /* server_hello */
        {13, 0x10, false} /* client_key_exchange */
    };
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        lm_client_hello ch = {0};
        datagram d = make(&(piece){10, 0, 0, 10, 'a'}, 1);
        assert_true(lm_client_hello_is(d.data, d.len));
        made[changes[i].offset] = changes[i].value;
        assert_int_equal(lm_client_hello_is(d.data, d.len), changes[i].is);
        assert_int_equal(lm_client_hello_input(&ch, d.data, d.len, &out, &out_len), LM_EMALFORMED);
        lm_client_hello_clear(&ch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fragments_in_order_become_one_record),
        cmocka_unit_test(fragments_in_reverse_become_one_record),
        cmocka_unit_test(duplicates_change_nothing),
        cmocka_unit_test(a_retransmission_gives_the_record_again),
        cmocka_unit_test(transmissions_that_are_split_elsewhere_complete_each_other),
        cmocka_unit_test(unfragmented_ones_pass_as_they_are),
        cmocka_unit_test(several_records_of_one_datagram_count),
        cmocka_unit_test(several_fragments_of_one_record_count),
        cmocka_unit_test(fragments_of_no_length_are_taken_and_say_nothing),
        cmocka_unit_test(fragments_beyond_the_message_are_malformed_and_what_came_is_kept),
        cmocka_unit_test(another_message_starts_over),
        cmocka_unit_test(the_length_is_limited),
        cmocka_unit_test(cut_datagrams_are_malformed),
        cmocka_unit_test(records_of_another_kind_are_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
