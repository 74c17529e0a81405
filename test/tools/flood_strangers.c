/* Floods of those who never get as far as a session with a channel: checks, ClientHellos, half handshakes. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "test/support/short_hello.h"
#include "test/tools/flood.h"
#include "webrtc/hello_cookie.h"
#include "webrtc/stun.h"

#define UFRAGS_A_SECOND 10000
#define HANDSHAKES_A_SECOND 600
#define HANDSHAKE_BURST 60 /* that come together: a relay that takes them all at once is busy for long */

/* Types of DTLS records and of handshake messages (RFC 5246 section 6.2.1 and 7.4). */
enum { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, SERVER_HELLO = 2, HELLO_VERIFY_REQUEST = 3 };

typedef struct strangers {
    flood *flood;
    flood_sources sources;
    uint32_t count; /* that have come so far */
    bool hello;     /* they go on with a ClientHello, */
    bool alert;     /* and then an alert */
} strangers;

static void start(strangers *s, flood *f)
{
    *s = (strangers){.flood = f};
    flood_sources_open(&s->sources, f);
}

static void send_check(strangers *s, const uint8_t source[4])
{
    uint8_t buf[512], transaction[LM_STUN_TRANSACTION_LEN];
    char username[300];
    lm_stun_builder b;
    uint64_t tie_breaker;
    randombytes_buf(transaction, sizeof transaction);
    randombytes_buf(&tie_breaker, sizeof tie_breaker);
    snprintf(username, sizeof username, "%.256s:%08x", s->flood->relay.ufrag, (unsigned)randombytes_random());
    lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_REQUEST, transaction);
    lm_stun_add(&b, LM_STUN_USERNAME, username, strlen(username));
    lm_stun_add_uint(&b, LM_STUN_PRIORITY, 0x6E7F1EFF, 4);
    lm_stun_add_uint(&b, LM_STUN_ICE_CONTROLLING, tie_breaker, 8);
    lm_stun_add_integrity(&b, s->flood->relay.pwd);
    flood_sources_send(&s->sources, source, buf, (size_t)lm_stun_finish(&b));
    s->flood->counts.checks++;
}

static void send_hello(strangers *s, const uint8_t source[4])
{
    flood_sources_send(&s->sources, source, test_short_hello, sizeof test_short_hello);
    s->flood->counts.hellos++;
}

/* The same ClientHello as the second message and record, with the cookie of a HelloVerifyRequest. */
static void send_cookie(strangers *s, const uint8_t source[4], const uint8_t *request, size_t len)
{
    uint8_t hello[sizeof test_short_hello + LM_HELLO_COOKIE_LEN];
    const size_t head = TEST_SHORT_HELLO_COOKIE + 1;
    if (len != LM_HELLO_VERIFY_LEN)
        return;
    memcpy(hello, test_short_hello, head);
    memcpy(hello + head, request + LM_HELLO_VERIFY_LEN - LM_HELLO_COOKIE_LEN, LM_HELLO_COOKIE_LEN);
    memcpy(hello + head + LM_HELLO_COOKIE_LEN, test_short_hello + head, sizeof test_short_hello - head);
    hello[head - 1] = LM_HELLO_COOKIE_LEN;
    hello[10] = 1;                    /* the record's sequence number, */
    hello[12] += LM_HELLO_COOKIE_LEN; /* its length, */
    hello[16] += LM_HELLO_COOKIE_LEN; /* the message's, */
    hello[18] = 1;                    /* its sequence number, */
    hello[24] += LM_HELLO_COOKIE_LEN; /* and the length of its only fragment */
    flood_sources_send(&s->sources, source, hello, sizeof hello);
    s->flood->counts.cookies++;
}

static void send_alert(strangers *s, const uint8_t source[4])
{
    static const uint8_t alert[] = {RECORD_ALERT, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
    flood_sources_send(&s->sources, source, alert, sizeof alert); /* fatal, handshake_failure */
}

static void take(void *user, const uint8_t source[4], const uint8_t *data, size_t len)
{
    strangers *s = user;
    lm_stun_msg answer;
    if (lm_stun_parse(&answer, data, len) == LM_OK) {
        if (answer.class == LM_STUN_SUCCESS) {
            s->flood->counts.successes++;
            if (s->hello)
                send_hello(s, source);
        } else if (lm_stun_error_number(&answer) == 486) {
            s->flood->counts.refused++;
        }
    } else if (len > 13 && data[0] == RECORD_HANDSHAKE && data[13] == HELLO_VERIFY_REQUEST) {
        send_cookie(s, source, data, len);
    } else if (len > 13 && data[0] == RECORD_HANDSHAKE && data[13] == SERVER_HELLO) {
        s->flood->counts.flights++;
        if (s->alert)
            send_alert(s, source);
    }
}

/* `burst` at a time, or more if the machine is slow. */
static void run(strangers *s, unsigned rate, unsigned burst)
{
    const lm_ms begin = flood_now();
    while (flood_now() < s->flood->end) {
        unsigned n = flood_allowance(begin, rate, s->count);
        for (n = n >= burst ? n : 0; n > 0; n--) {
            uint8_t source[4];
            flood_source(source, s->sources.first + s->count++);
            send_check(s, source);
        }
        flood_sources_receive(&s->sources, take, s);
    }
    flood_sources_close(&s->sources);
}

void flood_ufrags(flood *f)
{
    strangers s;
    start(&s, f);
    run(&s, f->rate > 0 ? f->rate : UFRAGS_A_SECOND, 1);
}

void flood_hellos(flood *f)
{
    strangers s;
    start(&s, f);
    s.hello = s.alert = true;
    run(&s, f->rate > 0 ? f->rate : HANDSHAKES_A_SECOND, HANDSHAKE_BURST);
}

void flood_half_open(flood *f)
{
    strangers s;
    start(&s, f);
    s.hello = true;
    run(&s, f->rate > 0 ? f->rate : HANDSHAKES_A_SECOND, HANDSHAKE_BURST);
}
