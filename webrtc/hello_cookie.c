#include "webrtc/hello_cookie.h"

#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "common/bytes.h"
#include "webrtc/client_hello.h"

#define CONTENT_HANDSHAKE 22
#define HANDSHAKE_CLIENT_HELLO 1
#define HANDSHAKE_HELLO_VERIFY_REQUEST 3
#define CLIENT_RANDOM_LEN 32

/* RFC 6347 section 4.2.1: a server should say DTLS 1.0 here, whatever version it will choose. */
#define VERIFY_VERSION 0xFEFF

#define MINUTE_LEN 4
#define MAC_LEN (LM_HELLO_COOKIE_LEN - MINUTE_LEN)

/* What a first fragment says. */
typedef struct hello {
    const uint8_t *record_seq; /* 6 bytes */
    const uint8_t *random;     /* CLIENT_RANDOM_LEN */
    const uint8_t *cookie;
    size_t cookie_len;
} hello;

void lm_hello_cookie_init(lm_hello_cookie *cookie, const lm_random *random)
{
    lm_random_fill(random, cookie->secret, sizeof cookie->secret);
}

static bool parse(hello *h, const uint8_t *data, size_t len)
{
    lm_reader r = lm_reader_init(data, len);
    if (lm_read_u8(&r) != CONTENT_HANDSHAKE)
        return false;
    lm_read_u16(&r); /* version */
    if (lm_read_u16(&r) != 0)
        return false; /* epoch */
    h->record_seq = lm_read_bytes(&r, 6);
    lm_read_u16(&r); /* length of the record; the reader's bound is that of the datagram */
    if (lm_read_u8(&r) != HANDSHAKE_CLIENT_HELLO)
        return false;
    lm_read_u24(&r); /* length of the message */
    lm_read_u16(&r); /* message_seq */
    uint32_t offset = lm_read_u24(&r);
    uint32_t body_len = lm_read_u24(&r);
    const uint8_t *start = lm_read_bytes(&r, body_len);
    if (r.failed || offset != 0)
        return false;
    lm_reader body = lm_reader_init(start, body_len);
    lm_read_u16(&body); /* client_version */
    h->random = lm_read_bytes(&body, CLIENT_RANDOM_LEN);
    lm_read_bytes(&body, lm_read_u8(&body)); /* session_id */
    h->cookie_len = lm_read_u8(&body);
    h->cookie = lm_read_bytes(&body, h->cookie_len);
    return !body.failed;
}

/* The cookie for this client in a minute, counted in lifetimes since the clock's zero. */
static void make(const lm_hello_cookie *cookie, uint32_t minute, const lm_addr *remote, const uint8_t *random,
                 uint8_t out[LM_HELLO_COOKIE_LEN])
{
    crypto_generichash_state state;
    lm_writer w = lm_writer_init(out, LM_HELLO_COOKIE_LEN);
    lm_write_u32(&w, minute);
    crypto_generichash_init(&state, cookie->secret, sizeof cookie->secret, MAC_LEN);
    crypto_generichash_update(&state, out, MINUTE_LEN);
    crypto_generichash_update(&state, (const uint8_t *)remote, sizeof *remote);
    crypto_generichash_update(&state, random, CLIENT_RANDOM_LEN);
    crypto_generichash_final(&state, out + MINUTE_LEN, MAC_LEN);
}

static bool is_good(const lm_hello_cookie *cookie, uint32_t minute, const lm_addr *remote, const hello *h)
{
    uint8_t expected[LM_HELLO_COOKIE_LEN];
    lm_reader r = lm_reader_init(h->cookie, h->cookie_len);
    uint32_t issued = lm_read_u32(&r);
    if (h->cookie_len != LM_HELLO_COOKIE_LEN || (issued != minute && issued + 1 != minute))
        return false;
    make(cookie, issued, remote, h->random, expected);
    return sodium_memcmp(expected, h->cookie, sizeof expected) == 0;
}

static void write_request(const uint8_t *record_seq, const uint8_t *cookie,
                          uint8_t answer[LM_HELLO_VERIFY_LEN])
{
    const size_t body_len = 2 + 1 + LM_HELLO_COOKIE_LEN;
    lm_writer w = lm_writer_init(answer, LM_HELLO_VERIFY_LEN);
    lm_write_u8(&w, CONTENT_HANDSHAKE);
    lm_write_u16(&w, VERIFY_VERSION);
    lm_write_u16(&w, 0);
    lm_write_bytes(&w, record_seq, 6); /* RFC 6347 section 4.2.1: the record's number is the ClientHello's */
    lm_write_u16(&w, (uint16_t)(LM_DTLS_HANDSHAKE_HEADER_LEN + body_len));
    lm_write_u8(&w, HANDSHAKE_HELLO_VERIFY_REQUEST);
    lm_write_u24(&w, (uint32_t)body_len);
    lm_write_u16(&w, 0); /* message_seq: always the first */
    lm_write_u24(&w, 0);
    lm_write_u24(&w, (uint32_t)body_len);
    lm_write_u16(&w, VERIFY_VERSION);
    lm_write_u8(&w, LM_HELLO_COOKIE_LEN);
    lm_write_bytes(&w, cookie, LM_HELLO_COOKIE_LEN);
}

lm_hello_cookie_verdict lm_hello_cookie_judge(const lm_hello_cookie *cookie, lm_ms now, const lm_addr *remote,
                                              const uint8_t *data, size_t len,
                                              uint8_t answer[LM_HELLO_VERIFY_LEN])
{
    uint8_t fresh[LM_HELLO_COOKIE_LEN];
    uint32_t minute = (uint32_t)(now / LM_HELLO_COOKIE_LIFETIME);
    hello h;
    if (!parse(&h, data, len))
        return LM_HELLO_COOKIE_DROP;
    if (is_good(cookie, minute, remote, &h))
        return LM_HELLO_COOKIE_GOOD;
    make(cookie, minute, remote, h.random, fresh);
    write_request(h.record_seq, fresh, answer);
    return LM_HELLO_COOKIE_ASK;
}
