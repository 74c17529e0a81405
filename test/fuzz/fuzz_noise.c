/*
 * What a stranger, or the other side of a link, can send: handshake messages and transport messages, to both
 * roles of both patterns. The other side's honest messages are made here, since no fuzzer guesses those. The
 * input is a byte (bit 0: pattern, bit 1: the tested side is the responder), and steps of an operation's byte
 * and its operands:
 *
 *     0 shift, length (2), bytes                     these arrive as a message
 *     1 shift, length (2), cut (2), changes (1) of   the other side's next message arrives, with that much
 *       place (2) and bits (1)                       payload, cut short at its end and changed
 *     2 shift, length (2)                            the tested side writes, and the other one reads
 *
 * The payload lies `shift`, a signed byte, behind the start of the message, in the same buffer. Keys are
 * those of the published vectors, whose messages are seeds for operation 0.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/error.h"
#include "common/noise.h"

#undef NDEBUG
#include <assert.h>

#define STEPS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

typedef struct end {
    lm_noise noise;
    lm_noise_cipher send, receive;
    bool split;
} end;

typedef struct run {
    end tested, other;
    bool alone; /* the tested side took something that the other did not write, so the two have parted */
    uint8_t *room;
    uint8_t *message; /* in room */
} run;

static void count_up(void *ctx, void *buf, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = (uint8_t)(*(const uint8_t *)ctx + i);
}

static void end_init(end *e, lm_noise_pattern pattern, bool initiator)
{
    static uint8_t static_first[] = {0x01, 0x00}, ephemeral_first[] = {0x41, 0x20};
    uint8_t secret[LM_NOISE_KEY_LEN];
    memset(e, 0, sizeof *e);
    count_up(&static_first[initiator], secret, sizeof secret);
    const lm_noise_config config = {
        .pattern = pattern,
        .initiator = initiator,
        .static_secret = secret,
        .psk = pattern == LM_NOISE_XXPSK3 ? (const uint8_t *)"!verysecretverysecretverysecret!" : NULL,
        .random = {.fill = count_up, .ctx = &ephemeral_first[initiator]}};
    assert(lm_noise_init(&e->noise, &config) == LM_OK);
}

static bool may_write(const end *e)
{
    return e->split || lm_noise_is_writing(&e->noise);
}

static size_t overhead(const end *e)
{
    return e->split ? LM_NOISE_TAG_LEN : lm_noise_overhead(&e->noise);
}

static void split_if_done(end *e)
{
    if (e->split || !lm_noise_is_done(&e->noise))
        return;
    assert(lm_noise_handshake_hash(&e->noise) != NULL && lm_noise_remote_static(&e->noise) != NULL);
    assert(lm_noise_split(&e->noise, &e->send, &e->receive) == LM_OK);
    e->split = true;
}

static int end_write(end *e, const uint8_t *payload, size_t len, uint8_t *out, size_t cap)
{
    size_t expected = len + overhead(e);
    int result = e->split ? lm_noise_encrypt(&e->send, NULL, 0, payload, len, out, cap)
                          : lm_noise_write_message(&e->noise, payload, len, out, cap);
    assert(result < 0 || (size_t)result == expected);
    split_if_done(e);
    return result;
}

static int end_read(end *e, const uint8_t *msg, size_t len, uint8_t *payload, size_t cap)
{
    size_t expected = len - overhead(e);
    const end before = *e;
    bool reading = e->split || (!e->noise.dead && !lm_noise_is_writing(&e->noise));
    int result = e->split ? lm_noise_decrypt(&e->receive, NULL, 0, msg, len, payload, cap)
                          : lm_noise_read_message(&e->noise, msg, len, payload, cap);
    if (result >= 0)
        assert(reading && (size_t)result == expected);
    else if (e->split || !reading) /* nothing has changed */
        assert(memcmp(&before, e, sizeof before) == 0);
    else
        assert(e->noise.dead && lm_noise_read_message(&e->noise, msg, len, payload, cap) == LM_ECLOSED);
    split_if_done(e);
    return result;
}

/* Places a message of len bytes so that what is read or written past its end is noticed. */
static void place(run *r, int shift, size_t len, size_t payload_len)
{
    size_t behind = shift > 0 && (size_t)shift + payload_len > len ? (size_t)shift + payload_len - len : 0;
    size_t before = shift < 0 ? (size_t)-shift : 0;
    free(r->room);
    r->room = malloc(before + len + behind + 1);
    if (r->room == NULL)
        abort();
    r->message = r->room + before + 1;
}

static int arrive(run *r, int shift, const uint8_t *msg, size_t len)
{
    size_t more = overhead(&r->tested), cap = len > more ? len - more : 0;
    place(r, shift, len, cap);
    if (len > 0)
        memcpy(r->message, msg, len);
    return end_read(&r->tested, r->message, len, r->message + shift, cap);
}

/* Operation 1: what the other side wrote is taken, and what was changed is not, but for XX's first message.
 */
static void pass_on(run *r, lm_reader *in, int shift, size_t len)
{
    static uint8_t sent[LM_NOISE_MESSAGE_MAX], got[LM_NOISE_MESSAGE_MAX];
    static const uint8_t zeros[LM_NOISE_MESSAGE_MAX];
    const end before = r->other;
    size_t cut = lm_read_u16(in), changes = lm_read_u8(in);
    bool forgeable = !r->tested.split && r->tested.noise.step == 0 && r->tested.noise.pattern == LM_NOISE_XX;
    if (r->alone || !may_write(&r->other) || (!r->tested.split && lm_noise_is_writing(&r->tested.noise)) ||
        r->tested.noise.dead != r->tested.split)
        return;
    int sent_len = end_write(&r->other, zeros, len, sent, sizeof sent);
    if (sent_len < 0) {
        assert(sent_len == LM_ETOOBIG);
        return;
    }
    memcpy(got, sent, (size_t)sent_len);
    size_t got_len = cut < (size_t)sent_len ? (size_t)sent_len - cut : 0;
    for (size_t i = 0; i < changes && !in->failed; i++) {
        size_t at = lm_read_u16(in);
        uint8_t bits = lm_read_u8(in);
        if (got_len > 0)
            got[at % got_len] ^= bits;
    }
    bool same = got_len == (size_t)sent_len && memcmp(got, sent, got_len) == 0;
    int result = arrive(r, shift, got, got_len);
    if (same) {
        assert(result >= 0 && (size_t)result == len && memcmp(r->message + shift, zeros, len) == 0);
        return;
    }
    assert(result < 0 || forgeable);
    r->alone = result >= 0;
    if (r->tested.split) /* the other side sends it once more */
        r->other = before;
}

/* Operation 2. */
static void answer(run *r, int shift, size_t len)
{
    static uint8_t got[LM_NOISE_MESSAGE_MAX];
    size_t out_len = len + overhead(&r->tested);
    place(r, shift, out_len, len);
    memset(r->message + shift, 0x5A, len);
    bool may = may_write(&r->tested), reads = r->other.split || !lm_noise_is_writing(&r->other.noise);
    int sent = end_write(&r->tested, r->message + shift, len, r->message, out_len);
    assert(may == (sent >= 0) || sent == LM_ETOOBIG || sent == LM_ECRYPTO);
    if (sent < 0 || r->alone || !reads)
        return;
    int result = end_read(&r->other, r->message, (size_t)sent, got, sizeof got);
    assert(result >= 0 && (size_t)result == len && (len == 0 || got[len - 1] == 0x5A));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    run r = {.alone = false};
    lm_reader in = lm_reader_init(data, len);
    unsigned flags = lm_read_u8(&in);
    lm_noise_pattern pattern = flags & 1 ? LM_NOISE_XXPSK3 : LM_NOISE_XX;
    if (sodium_init() < 0)
        abort();
    end_init(&r.tested, pattern, (flags & 2) == 0);
    end_init(&r.other, pattern, (flags & 2) != 0);
    for (int i = 0; i < STEPS_MAX && lm_reader_left(&in) > 0; i++) {
        unsigned operation = lm_read_u8(&in) % 3;
        int shift = (int8_t)lm_read_u8(&in);
        size_t size = lm_read_u16(&in);
        if (operation == 0) {
            const uint8_t *bytes = lm_read_bytes(&in, size);
            if (bytes != NULL && arrive(&r, shift, bytes, size) >= 0)
                r.alone = true;
        } else if (operation == 1) {
            pass_on(&r, &in, shift, size);
        } else {
            answer(&r, shift, size);
        }
        if (r.tested.split && r.other.split && !r.alone)
            assert(memcmp(r.tested.noise.hash, r.other.noise.hash, LM_NOISE_HASH_LEN) == 0);
    }
    free(r.room);
    return 0;
}
