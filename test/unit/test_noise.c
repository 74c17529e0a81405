#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/noise.h"

#define KEY_LEN LM_NOISE_KEY_LEN
#define MESSAGES 3
#define SPARE 64 /* bytes around a buffer in which places overlap */

enum { INITIATOR, RESPONDER, SIDES };

static const lm_noise_pattern patterns[] = {LM_NOISE_XX, LM_NOISE_XXPSK3};

/* The overhead of each message by the token lists: e; e, s and a tag; s with a tag; a tag behind each
 * payload. */
static const size_t overheads[][MESSAGES] = {[LM_NOISE_XX] = {32, 96, 64}, [LM_NOISE_XXPSK3] = {48, 96, 64}};

static uint8_t *copy_of(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

/* Reads an exact copy of msg into an exact buffer, so that a sanitizer sees every byte too far. */
static int read_exact(lm_noise *n, const uint8_t *msg, size_t len, uint8_t *payload)
{
    size_t overhead = lm_noise_overhead(n), cap = len > overhead ? len - overhead : 0;
    uint8_t *in = copy_of(msg, len), *out = malloc(cap > 0 ? cap : 1);
    assert_non_null(out);
    int result = lm_noise_read_message(n, in, len, cap > 0 ? out : NULL, cap);
    if (result > 0 && payload != NULL)
        memcpy(payload, out, (size_t)result);
    free(in);
    free(out);
    return result;
}

static const uint8_t secrets[SIDES][KEY_LEN] = {"the static key of the initiator",
                                                "the static key of the responder"};
static const uint8_t psk_right[KEY_LEN] = "what both sides know beforehand",
                     psk_wrong[KEY_LEN] = "something else";

static lm_noise_config config_of(lm_noise_pattern pattern, int side)
{
    return (lm_noise_config){.pattern = pattern,
                             .initiator = side == INITIATOR,
                             .prologue = "test",
                             .prologue_len = 4,
                             .static_secret = secrets[side],
                             .psk = pattern == LM_NOISE_XXPSK3 ? psk_right : NULL,
                             .random = lm_random_system()};
}

typedef struct pair {
    lm_noise side[SIDES];
} pair;

static pair make_pair(lm_noise_pattern pattern)
{
    pair p;
    for (int i = 0; i < SIDES; i++) {
        lm_noise_config config = config_of(pattern, i);
        assert_int_equal(lm_noise_init(&p.side[i], &config), LM_OK);
    }
    return p;
}

static lm_noise *writer(pair *p)
{
    return &p->side[lm_noise_is_writing(&p->side[INITIATOR]) ? INITIATOR : RESPONDER];
}

static lm_noise *reader(pair *p)
{
    return &p->side[lm_noise_is_writing(&p->side[INITIATOR]) ? RESPONDER : INITIATOR];
}

/* Passes the next message on, with a payload; returns what the reader said. */
static int step(pair *p)
{
    uint8_t message[256];
    lm_noise *from = writer(p), *to = reader(p);
    int len = lm_noise_write_message(from, (const uint8_t *)"payload", 7, message, sizeof message);
    return len < 0 ? len : read_exact(to, message, (size_t)len, NULL);
}

/* The state before message i. */
static pair make_pair_at(lm_noise_pattern pattern, int i)
{
    pair p = make_pair(pattern);
    while (i-- > 0)
        assert_int_equal(step(&p), 7);
    return p;
}

/* Nothing works any more, and nothing secret is left. */
static void assert_dead(lm_noise *n)
{
    uint8_t buf[256] = {0};
    lm_noise_cipher send, receive;
    lm_noise nothing;
    assert_true(n->dead);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lm_noise_write_message(n, NULL, 0, buf, sizeof buf), LM_ECLOSED);
        assert_int_equal(lm_noise_read_message(n, buf, sizeof buf, buf, sizeof buf), LM_ECLOSED);
        assert_int_equal(lm_noise_split(n, &send, &receive), LM_ECLOSED);
    }
    assert_false(lm_noise_is_done(n));
    assert_false(lm_noise_is_writing(n));
    assert_int_equal(lm_noise_overhead(n), 0);
    assert_null(lm_noise_remote_static(n));
    assert_null(lm_noise_handshake_hash(n));
    memset(&nothing, 0, sizeof nothing);
    nothing.dead = true;
    assert_memory_equal(n, &nothing, sizeof nothing);
}

static void refuses_wrong_configs(void **state)
{
    lm_noise n;
    (void)state;
    lm_noise_config config = config_of(LM_NOISE_XX, INITIATOR);
    config.psk = psk_right;
    assert_int_equal(lm_noise_init(&n, &config), LM_EINVAL);
    config = config_of(LM_NOISE_XXPSK3, INITIATOR);
    config.psk = NULL;
    assert_int_equal(lm_noise_init(&n, &config), LM_EINVAL);
    config = config_of(LM_NOISE_XX, INITIATOR);
    config.static_secret = NULL;
    assert_int_equal(lm_noise_init(&n, &config), LM_EINVAL);
    config = config_of(LM_NOISE_XX, INITIATOR);
    config.pattern = (lm_noise_pattern)2;
    assert_int_equal(lm_noise_init(&n, &config), LM_EINVAL);
    config = config_of(LM_NOISE_XX, INITIATOR);
    config.prologue = NULL;
    config.prologue_len = 0;
    assert_int_equal(lm_noise_init(&n, &config), LM_OK);
}

static void both_sides_learn_the_same(void **state)
{
    uint8_t hash[LM_NOISE_HASH_LEN] = {0}, key[KEY_LEN], out[32];
    lm_noise_cipher cipher[SIDES][2];
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        pair p = make_pair_at(patterns[k], MESSAGES);
        lm_noise *const a = &p.side[INITIATOR], *const b = &p.side[RESPONDER];
        assert_memory_equal(lm_noise_handshake_hash(a), lm_noise_handshake_hash(b), LM_NOISE_HASH_LEN);
        assert_memory_not_equal(lm_noise_handshake_hash(a), hash, LM_NOISE_HASH_LEN);
        memcpy(hash, lm_noise_handshake_hash(a), LM_NOISE_HASH_LEN);
        crypto_scalarmult_base(key, secrets[RESPONDER]);
        assert_memory_equal(lm_noise_remote_static(a), key, KEY_LEN);
        crypto_scalarmult_base(key, secrets[INITIATOR]);
        assert_memory_equal(lm_noise_remote_static(b), key, KEY_LEN);

        /* What is done needs no private keys any more, and after the split no secrets at all. */
        for (int i = 0; i < SIDES; i++) {
            lm_noise *n = &p.side[i];
            assert_true(sodium_is_zero(n->s_secret, KEY_LEN) && sodium_is_zero(n->e_secret, KEY_LEN));
            assert_true(sodium_is_zero(n->psk, KEY_LEN) && sodium_is_zero(n->cipher.key, KEY_LEN));
            assert_int_equal(lm_noise_split(n, &cipher[i][0], &cipher[i][1]), LM_OK);
            assert_true(sodium_is_zero(n->chaining_key, sizeof n->chaining_key));
            assert_int_equal(lm_noise_split(n, &cipher[i][0], &cipher[i][1]), LM_ECLOSED);
            assert_true(lm_noise_is_done(n));
            assert_memory_equal(lm_noise_handshake_hash(n), hash, LM_NOISE_HASH_LEN);
            assert_non_null(lm_noise_remote_static(n));
        }
        assert_memory_equal(cipher[INITIATOR][0].key, cipher[RESPONDER][1].key, KEY_LEN);
        assert_memory_equal(cipher[INITIATOR][1].key, cipher[RESPONDER][0].key, KEY_LEN);
        assert_memory_not_equal(cipher[INITIATOR][0].key, cipher[INITIATOR][1].key, KEY_LEN);
        assert_int_equal(lm_noise_encrypt(&cipher[INITIATOR][0], NULL, 0, NULL, 0, out, sizeof out), 16);
        assert_int_equal(lm_noise_decrypt(&cipher[RESPONDER][1], NULL, 0, out, 16, NULL, 0), 0);
    }
}

/* The third message tells the responder; the initiator is done by then. */
static void a_wrong_psk_fails(void **state)
{
    pair p = make_pair(LM_NOISE_XXPSK3);
    lm_noise_config config = config_of(LM_NOISE_XXPSK3, RESPONDER);
    (void)state;
    config.psk = psk_wrong;
    assert_int_equal(lm_noise_init(&p.side[RESPONDER], &config), LM_OK);
    assert_int_equal(step(&p), 7);
    assert_int_equal(step(&p), 7);
    assert_int_equal(step(&p), LM_EAUTH);
    assert_dead(&p.side[RESPONDER]);
    assert_true(lm_noise_is_done(&p.side[INITIATOR]));
}

static void another_prologue_fails(void **state)
{
    static const char *const prologues[] = {"Test", "tes", "test\0", ""};
    static const size_t lens[] = {4, 3, 5, 0};
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
            pair p = make_pair(patterns[k]);
            lm_noise_config config = config_of(patterns[k], RESPONDER);
            config.prologue = prologues[i];
            config.prologue_len = lens[i];
            assert_int_equal(lm_noise_init(&p.side[RESPONDER], &config), LM_OK);
            /* In XX nothing is authentic before the second message. */
            if (patterns[k] == LM_NOISE_XX)
                assert_int_equal(step(&p), 7);
            lm_noise *to = reader(&p);
            assert_int_equal(step(&p), LM_EAUTH);
            assert_dead(to);
        }
    }
}

static void another_pattern_fails(void **state)
{
    (void)state;
    for (int side = 0; side < SIDES; side++) {
        pair p = make_pair(LM_NOISE_XX), psk = make_pair(LM_NOISE_XXPSK3);
        p.side[side] = psk.side[side];
        int result = step(&p);
        if (result >= 0)
            result = step(&p);
        assert_int_equal(result, side == INITIATOR ? LM_EAUTH : LM_EMALFORMED);
    }
}

/* A message on its way: the state after it was written and before it is read. */
typedef struct passage {
    pair p;
    lm_noise *from, *to;
    uint8_t message[256];
    size_t len;
} passage;

static void begin_passage(passage *t, lm_noise_pattern pattern, int i)
{
    t->p = make_pair_at(pattern, i);
    t->from = writer(&t->p);
    t->to = reader(&t->p);
    int len = lm_noise_write_message(t->from, (const uint8_t *)"payload", 7, t->message, sizeof t->message);
    assert_int_equal(len, 7 + overheads[pattern][i]);
    t->len = (size_t)len;
}

/*
 * Another message arrives instead: it is refused with the error. Only the first message of XX is taken as it
 * comes, if it has a key; then the answer shows what was done to it. Leaves t as it was.
 */
static void assert_refused(passage *t, const uint8_t *message, size_t len, int error)
{
    const pair saved = t->p;
    uint8_t answer[256];
    int result = read_exact(t->to, message, len, NULL);
    if (saved.side[RESPONDER].step == 0 && t->to->pattern == LM_NOISE_XX && len >= KEY_LEN && !t->to->dead) {
        assert_int_equal(result, len - KEY_LEN);
        int answer_len = lm_noise_write_message(t->to, NULL, 0, answer, sizeof answer);
        assert_int_equal(answer_len, 96);
        assert_int_equal(read_exact(t->from, answer, (size_t)answer_len, NULL), LM_EAUTH);
        assert_dead(t->from);
    } else {
        assert_int_equal(result, error);
        assert_dead(t->to);
    }
    t->p = saved;
}

static void for_each_message(void (*check)(passage *t))
{
    for (size_t k = 0; k < 2; k++) {
        for (int i = 0; i < MESSAGES; i++) {
            passage t;
            begin_passage(&t, patterns[k], i);
            check(&t);
            /* What was made of a copy has not spoilt the message itself. */
            assert_int_equal(read_exact(t.to, t.message, t.len, NULL), 7);
        }
    }
}

static void check_flips(passage *t)
{
    uint8_t message[256];
    for (size_t i = 0; i < t->len; i++) {
        memcpy(message, t->message, t->len);
        message[i] ^= (uint8_t)(1 << i % 8);
        assert_refused(t, message, t->len, LM_EAUTH);
        /* X25519 does not look at a key's highest bit, but the hash does. */
        memcpy(message, t->message, t->len);
        message[i] ^= 0x80;
        assert_refused(t, message, t->len, LM_EAUTH);
    }
}

static void every_changed_byte_is_noticed(void **state)
{
    (void)state;
    for_each_message(check_flips);
}

static void check_lengths(passage *t)
{
    static uint8_t longer[LM_NOISE_MESSAGE_MAX + 1];
    size_t overhead = t->len - 7;
    memcpy(longer, t->message, t->len);
    for (size_t len = 0; len < t->len; len++)
        assert_refused(t, t->message, len, len < overhead ? LM_EMALFORMED : LM_EAUTH);
    assert_refused(t, longer, t->len + 1, LM_EAUTH);
    assert_refused(t, longer, LM_NOISE_MESSAGE_MAX, LM_EAUTH);
    assert_refused(t, longer, LM_NOISE_MESSAGE_MAX + 1, LM_EMALFORMED);
}

static void other_lengths_are_noticed(void **state)
{
    (void)state;
    for_each_message(check_lengths);
}

/* Nothing below changes a side, to the byte. */
static void check_order_and_room(passage *t)
{
    const pair saved = t->p;
    uint8_t buf[256];
    lm_noise_cipher send, receive;
    assert_int_equal(lm_noise_write_message(t->to, NULL, 0, buf, sizeof buf), LM_EAGAIN);
    int own = lm_noise_is_done(t->from)             ? LM_ECLOSED
              : t->len < lm_noise_overhead(t->from) ? LM_EMALFORMED
                                                    : LM_EAUTH;
    assert_int_equal(lm_noise_read_message(t->from, t->message, t->len, buf, sizeof buf), own);
    t->p = saved;
    assert_int_equal(lm_noise_split(t->to, &send, &receive), LM_EAGAIN);
    assert_int_equal(lm_noise_read_message(t->to, t->message, t->len, buf, 6), LM_ETOOBIG);
    assert_int_equal(lm_noise_read_message(t->to, t->message, t->len, NULL, 0), LM_ETOOBIG);
    assert_memory_equal(&t->p, &saved, sizeof saved);
    assert_int_equal(lm_noise_read_message(t->to, t->message, t->len, buf, 7), 7);
    assert_memory_equal(buf, "payload", 7);

    /* It is the reader's turn now, unless that was all. */
    size_t overhead = lm_noise_overhead(t->to);
    const pair turn = t->p;
    int closed = lm_noise_is_done(t->to) ? LM_ECLOSED : LM_EAGAIN;
    assert_int_equal(lm_noise_read_message(t->to, t->message, t->len, buf, sizeof buf), closed);
    if (closed == LM_ECLOSED) {
        assert_int_equal(lm_noise_write_message(t->to, NULL, 0, buf, sizeof buf), LM_ECLOSED);
    } else {
        static uint8_t big[LM_NOISE_MESSAGE_MAX + 1];
        assert_int_equal(lm_noise_write_message(t->to, big, 10, buf, overhead + 9), LM_ETOOBIG);
        assert_int_equal(lm_noise_write_message(t->to, NULL, 0, NULL, 0), LM_ETOOBIG);
        assert_int_equal(
            lm_noise_write_message(t->to, big, LM_NOISE_MESSAGE_MAX - overhead + 1, big, sizeof big),
            LM_ETOOBIG);
        assert_int_equal(lm_noise_write_message(t->to, big, SIZE_MAX, big, sizeof big), LM_ETOOBIG);
    }
    assert_memory_equal(&t->p, &turn, sizeof turn);
    t->p = saved;
}

static void keeps_the_order_and_the_bounds(void **state)
{
    (void)state;
    for_each_message(check_order_and_room);
}

/* A message with the largest payload; the payload and what is read from it lie anywhere around the message.
 */
static void check_overlaps(passage *t)
{
    static uint8_t buf[LM_NOISE_MESSAGE_MAX + 2 * SPARE], payload[LM_NOISE_MESSAGE_MAX];
    static const int shifts[] = {-SPARE, -33, -1, 0, 1, 15, 16, 17, 32, 48, SPARE};
    const pair saved = t->p;
    uint8_t *const message = buf + SPARE;
    if (!lm_noise_is_done(t->from)) {
        assert_int_equal(lm_noise_read_message(t->to, t->message, t->len, payload, sizeof payload), 7);
        size_t len = LM_NOISE_MESSAGE_MAX - lm_noise_overhead(t->to);
        randombytes_buf_deterministic(payload, sizeof payload, secrets[0]);
        const pair turn = t->p;
        for (size_t i = 0; i < sizeof shifts / sizeof shifts[0]; i++) {
            t->p = turn;
            uint8_t *in = message + shifts[i];
            size_t part = len - (shifts[i] > 0 && i % 2 == 0 ? 1000 : 0);
            memcpy(in, payload, part);
            int sent = lm_noise_write_message(t->to, in, part, message, LM_NOISE_MESSAGE_MAX);
            assert_int_equal(sent, part + LM_NOISE_MESSAGE_MAX - len);
            uint8_t *out = message + shifts[sizeof shifts / sizeof shifts[0] - 1 - i];
            assert_int_equal(lm_noise_read_message(t->from, message, (size_t)sent, out, part), part);
            assert_memory_equal(out, payload, part);
        }
    }
    t->p = saved;
}

static void buffers_may_overlap(void **state)
{
    (void)state;
    for_each_message(check_overlaps);
}

/* Points whose multiples are zero for every key: of order 1, 2, 4 and 8, and two that are no reduced numbers.
 */
static void refuses_keys_of_low_order(void **state)
{
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    (void)state;
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        uint8_t point[KEY_LEN], message[256], payload[256];
        pair p = make_pair(LM_NOISE_XX);
        assert_int_equal(sodium_hex2bin(point, sizeof point, points[i], 64, NULL, NULL, NULL), 0);
        assert_int_equal(lm_noise_read_message(&p.side[RESPONDER], point, KEY_LEN, NULL, 0), 0);
        assert_int_equal(lm_noise_write_message(&p.side[RESPONDER], NULL, 0, message, sizeof message),
                         LM_ECRYPTO);
        assert_dead(&p.side[RESPONDER]);

        for (size_t k = 0; k < 2; k++) {
            passage t;
            begin_passage(&t, patterns[k], 1);
            memcpy(t.message, point, KEY_LEN);
            assert_int_equal(lm_noise_read_message(t.to, t.message, t.len, payload, sizeof payload),
                             LM_ECRYPTO);
            assert_dead(t.to);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_wrong_configs),     cmocka_unit_test(both_sides_learn_the_same),
        cmocka_unit_test(a_wrong_psk_fails),         cmocka_unit_test(another_prologue_fails),
        cmocka_unit_test(another_pattern_fails),     cmocka_unit_test(every_changed_byte_is_noticed),
        cmocka_unit_test(other_lengths_are_noticed), cmocka_unit_test(keeps_the_order_and_the_bounds),
        cmocka_unit_test(buffers_may_overlap),       cmocka_unit_test(refuses_keys_of_low_order),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
