/* Two ends of a link: the handshake, who proves what, and bytes in both directions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "mesh/noise_stream.h"

#define SALT "a salt of some length"

typedef struct pair {
    lm_mesh_keys keys[2];
    lm_noise_stream ends[2];
} pair;

static void make(pair *p, const char *salt, const char *other_salt)
{
    uint8_t seed[32];
    lm_random random = lm_random_system();
    for (unsigned i = 0; i < 2; i++) {
        memset(seed, (int)i + 1, sizeof seed);
        assert_int_equal(lm_mesh_keys_make(&p->keys[i], seed, i == 0 ? salt : other_salt), LM_OK);
        assert_int_equal(lm_noise_stream_init(&p->ends[i], &p->keys[i], i == 0, &random), LM_OK);
    }
}

static void clear(pair *p)
{
    lm_noise_stream_clear(&p->ends[0]);
    lm_noise_stream_clear(&p->ends[1]);
}

/* Carries bytes, `piece` at a time, until nothing is left. The first error, and whose it is. */
static int carry(pair *p, size_t piece, unsigned *whose)
{
    static uint8_t out[LM_NOISE_RECORD_MAX];
    for (bool moved = true; moved;) {
        moved = false;
        for (unsigned i = 0; i < 2; i++) {
            int len = lm_noise_stream_take(&p->ends[i], out);
            assert_true(len >= 0);
            for (size_t at = 0; at < (size_t)len; at += piece) {
                size_t n = (size_t)len - at < piece ? (size_t)len - at : piece;
                int result = lm_noise_stream_input(&p->ends[!i], out + at, n);
                if (result != LM_OK) {
                    *whose = !i;
                    return result;
                }
            }
            moved = moved || len > 0;
        }
    }
    return LM_OK;
}

static void both_learn_each_others_key(void **state)
{
    static const size_t pieces[] = {1, 7, 70000};
    unsigned whose;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        pair p;
        make(&p, SALT, SALT);
        assert_int_equal(carry(&p, pieces[i], &whose), LM_OK);
        assert_true(p.ends[0].open && p.ends[1].open);
        assert_memory_equal(p.ends[0].nk, p.keys[1].nk, 32);
        assert_memory_equal(p.ends[1].nk, p.keys[0].nk, 32);
        clear(&p);
    }
}

static void long_streams_arrive_whole(void **state)
{
    const size_t len = 300000;
    uint8_t *bytes = malloc(len);
    unsigned whose;
    pair p;
    (void)state;
    make(&p, SALT, SALT);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(lm_byte_queue_append(&p.ends[i].out, bytes, len), LM_OK);
    assert_int_equal(carry(&p, 1000, &whose), LM_OK);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(p.ends[i].in.len, len);
        assert_memory_equal(lm_byte_queue_head(&p.ends[i].in), bytes, len);
    }
    free(bytes);
    clear(&p);
}

static void another_salt_fails_at_the_one_that_was_dialled(void **state)
{
    unsigned whose;
    pair p;
    (void)state;
    make(&p, SALT, "another salt, as long");
    assert_int_equal(carry(&p, 100, &whose), LM_EAUTH);
    assert_int_equal(whose, 1);
    assert_false(p.ends[1].open);
    assert_true(p.ends[0].open && !p.ends[0].heard); /* the dialling side has to wait and see */
    clear(&p);
}

static void a_key_that_is_not_its_own_is_refused(void **state)
{
    unsigned whose;
    for (unsigned liar = 0; liar < 2; liar++) {
        pair p;
        (void)state;
        make(&p, SALT, SALT);
        p.ends[liar].nk[0] ^= 1;                                 /* what it will send */
        assert_int_equal(carry(&p, 100, &whose), LM_EMALFORMED); /* the salt is no question here */
        assert_int_equal(whose, !liar);
        assert_false(p.ends[!liar].open);
        clear(&p);
    }
}

static void a_changed_byte_ends_it(void **state)
{
    static uint8_t out[LM_NOISE_RECORD_MAX];
    unsigned whose;
    pair p;
    (void)state;
    make(&p, SALT, SALT);
    assert_int_equal(carry(&p, 100, &whose), LM_OK);
    assert_int_equal(lm_byte_queue_append(&p.ends[0].out, "hello", 5), LM_OK);
    int len = lm_noise_stream_take(&p.ends[0], out);
    out[len - 1] ^= 1;
    assert_int_equal(lm_noise_stream_input(&p.ends[1], out, (size_t)len), LM_EAUTH);
    assert_int_equal(p.ends[1].in.len, 0);
    clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_learn_each_others_key),
        cmocka_unit_test(long_streams_arrive_whole),
        cmocka_unit_test(another_salt_fails_at_the_one_that_was_dialled),
        cmocka_unit_test(a_key_that_is_not_its_own_is_refused),
        cmocka_unit_test(a_changed_byte_ends_it),
    };
    return sodium_init() < 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
