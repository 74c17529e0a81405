/*
 * The whole stack, from datagrams on. The input is a row of steps, each an operation's byte and its operands:
 *
 *     0 address, length (2), bytes                  a datagram as it is
 *     1 address, flags                              a check of a client, with the right integrity
 *     2 milliseconds (2)                            time passes
 *     3 address, which                              a datagram of a captured ClientHello
 *     4 address, type, epoch, length (2), bytes     a DTLS record with a fitting header
 *     5 session                                     the relay closes it
 *     6 session, length (2)                         the relay sends on it
 *     7 address, flags, type (2), length, bytes     a check with one more attribute
 */
#undef NDEBUG
#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/certificate.h"
#include "common/error.h"
#include "test/support/data.h"
#include "webrtc/dtls.h"
#include "webrtc/handshake_backlog.h"
#include "webrtc/sctp.h"
#include "webrtc/stack.h"
#include "webrtc/stun.h"

#define PWD "0123456789abcdef0123456789abcdef"
#define STEPS_MAX 64
#define DATAGRAM_MAX 2048
#define MAX_SESSIONS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *const hello_names[] = {
    "chromium156-clienthello-1",
    "chromium156-clienthello-2",
    "chromium156-clienthello-unfragmented",
    "firefox153-clienthello-1",
    "firefox153-clienthello-2",
    "firefox153-clienthello-unfragmented",
    "firefox153-clienthello-unanswered-7",
    "firefox153-clienthello-unanswered-8",
    "chromium156-clientkeyexchange",
    "firefox153-appdata-init",
    "firefox153-alert-close",
};
#define HELLOS (sizeof hello_names / sizeof hello_names[0])

/* Made once. */
static lm_certificate cert;
static lm_private_key key;
static uint8_t *hellos[HELLOS];
static size_t hello_lens[HELLOS];

static uint64_t random_state;

static void fill_random(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)buf)[i] = (uint8_t)(random_state >> 56);
    }
}

static const lm_random seeded = {.fill = fill_random};

static void prepare(void)
{
    char cert_pem[LM_CERTIFICATE_PEM_SIZE], key_pem[LM_CERTIFICATE_PEM_SIZE];
    const char *why;
    assert(sodium_init() >= 0);
    assert(lm_certificate_make(cert_pem, key_pem, &seeded) == LM_OK);
    assert(lm_certificate_parse(&cert, cert_pem, strlen(cert_pem), &why) == LM_OK);
    assert(lm_private_key_parse(&key, key_pem, strlen(key_pem), &cert, &seeded, &why) == LM_OK);
    for (size_t i = 0; i < HELLOS; i++) {
        char path[512];
        snprintf(path, sizeof path, LM_TEST_DATA "/captures/%s.hex", hello_names[i]);
        hellos[i] = test_read_hex(path, &hello_lens[i]);
    }
    assert(lm_sctp_start() == LM_OK); /* once, so that not every input starts and stops usrsctp */
}

typedef struct run {
    lm_webrtc *stack;
    lm_ms now;
    unsigned opened, closed;
} run;

static lm_addr client_address(uint8_t n)
{
    static const char *const addresses[] = {"192.0.2.1:1000", "192.0.2.1:1001", "198.51.100.1:1000",
                                            "[2001:db8::1]:1000", "[2001:db8::2]:1000"};
    lm_addr addr;
    assert(lm_addr_parse(&addr, addresses[n % 5]) == LM_OK);
    return addr;
}

static void drain(run *r)
{
    lm_webrtc_output out;
    while (lm_webrtc_poll(r->stack, &out) == 1) {
        switch (out.kind) {
        case LM_WEBRTC_SEND:
            assert(out.send.len > 0 && out.send.len <= LM_DTLS_MTU);
            assert(out.send.remote.family != LM_AF_NONE && out.send.local.family != LM_AF_NONE);
            break;
        case LM_WEBRTC_OPEN:
            r->opened++;
            break;
        case LM_WEBRTC_MESSAGE:
            assert(out.message.len <= LM_WEBRTC_MESSAGE_MAX);
            break;
        case LM_WEBRTC_CLOSED:
            r->closed++;
            break;
        }
    }
    const lm_webrtc_stats *stats = lm_webrtc_get_stats(r->stack);
    assert(stats->sessions <= MAX_SESSIONS && stats->sessions_open <= stats->sessions);
    assert(r->opened - r->closed == stats->sessions_open);
}

/* What is due again and again at one time has to come to an end: no more than what a backlog can hold. */
static void pass_time(run *r, lm_ms ms)
{
    lm_ms end = r->now + ms;
    unsigned at_once = 0;
    for (lm_ms next; (next = lm_webrtc_next_timeout(r->stack)) <= end;) {
        at_once = next > r->now ? 0 : at_once + 1;
        assert(at_once <= LM_HANDSHAKE_BACKLOG_MAX + 2);
        r->now = next > r->now ? next : r->now;
        lm_webrtc_timeout(r->stack, r->now);
        drain(r);
    }
    r->now = end;
}

static void input(run *r, uint8_t address, const uint8_t *data, size_t len)
{
    lm_dgram d = {.remote = client_address(address), .len = len};
    uint8_t *exact = malloc(len + 1); /* so that a sanitizer sees a read behind its end */
    assert(exact != NULL &&
           lm_addr_parse(&d.local, address & 0x80 ? "203.0.113.2:3478" : "203.0.113.1:3478") == LM_OK);
    if (len > 0)
        memcpy(exact + 1, data, len);
    d.data = exact + 1;
    assert(lm_webrtc_input(r->stack, r->now, &d) == LM_OK);
    free(exact);
    pass_time(r, 0); /* a step of a handshake is taken at once, when its turn has come */
}

static void check(run *r, uint8_t address, uint8_t flags, uint16_t type, const uint8_t *value, size_t len)
{
    static const char *const usernames[] = {"luma:aaaa", "luma:bbbb", "luma:cccc", "luma:dddd",
                                            "luma:eeee", "luma:ffff", "luma:gggg", "luma:hhhh"};
    uint8_t buf[512], transaction[LM_STUN_TRANSACTION_LEN];
    lm_stun_builder b;
    fill_random(NULL, transaction, sizeof transaction);
    lm_stun_begin(&b, buf, sizeof buf, LM_STUN_BINDING, LM_STUN_REQUEST, transaction);
    lm_stun_add(&b, LM_STUN_USERNAME, usernames[flags & 7], 9);
    lm_stun_add_uint(&b, LM_STUN_ICE_CONTROLLING, flags >> 6, 8);
    if (flags & 8)
        lm_stun_add(&b, LM_STUN_USE_CANDIDATE, "", 0);
    if (value != NULL)
        lm_stun_add(&b, type, value, len);
    lm_stun_add_integrity(&b, flags & 16 ? "not the password, by no means at all" : PWD);
    int built = lm_stun_finish(&b);
    if (built > 0)
        input(r, address, buf, (size_t)built);
}

/* Bytes behind their length in two bytes; fewer where the input ends. */
static const uint8_t *read_sized(lm_reader *in, size_t *len)
{
    *len = lm_read_u16(in);
    if (*len > lm_reader_left(in))
        *len = lm_reader_left(in);
    if (*len > DATAGRAM_MAX)
        *len = DATAGRAM_MAX;
    return lm_read_bytes(in, *len);
}

static void send_record(run *r, lm_reader *in)
{
    uint8_t record[DATAGRAM_MAX + LM_DTLS_RECORD_OVERHEAD];
    lm_writer w = lm_writer_init(record, sizeof record);
    uint8_t address = lm_read_u8(in), type = lm_read_u8(in), epoch = lm_read_u8(in);
    size_t len;
    const uint8_t *body = read_sized(in, &len);
    lm_write_u8(&w, type);
    lm_write_u16(&w, 0xFEFD);
    lm_write_u16(&w, epoch);
    lm_write_u16(&w, 0);
    fill_random(NULL, lm_write_reserve(&w, 4), 4); /* a fresh record number, most likely */
    lm_write_u16(&w, (uint16_t)len);
    lm_write_bytes(&w, body, len);
    input(r, address, record, w.len);
}

static void step(run *r, lm_reader *in)
{
    static const char zeros[4096];
    size_t len;
    uint8_t op = lm_read_u8(in), a, b;
    const uint8_t *bytes;
    switch (op % 8) {
    case 0:
        a = lm_read_u8(in);
        bytes = read_sized(in, &len);
        input(r, a, bytes, len);
        break;
    case 1:
        a = lm_read_u8(in);
        check(r, a, lm_read_u8(in), 0, NULL, 0);
        break;
    case 2:
        pass_time(r, lm_read_u16(in));
        break;
    case 3:
        a = lm_read_u8(in);
        b = lm_read_u8(in);
        input(r, a, hellos[b % HELLOS], hello_lens[b % HELLOS]);
        break;
    case 4:
        send_record(r, in);
        break;
    case 5:
        lm_webrtc_close(r->stack, r->now, lm_read_u8(in));
        break;
    case 6:
        a = lm_read_u8(in);
        lm_webrtc_send(r->stack, r->now, a, zeros, lm_read_u16(in) % sizeof zeros);
        break;
    case 7:
        a = lm_read_u8(in);
        b = lm_read_u8(in);
        uint16_t type = lm_read_u16(in);
        len = lm_read_u8(in);
        bytes = lm_read_bytes(in, len);
        if (bytes != NULL)
            check(r, a, b, type, bytes, len);
        break;
    }
    drain(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static bool prepared;
    random_state = 1;
    if (!prepared)
        prepare();
    prepared = true;
    random_state = 1;

    lm_stack_config config = {
        .identity.ufrag = "luma",
        .identity.pwd = PWD,
        .identity.cert_der = cert.der,
        .identity.cert_len = cert.der_len,
        .identity.key_der = key.der,
        .identity.key_len = key.der_len,
        .limits.max_sessions = MAX_SESSIONS,
        .limits.session_rate = 5,
        .limits.session_burst = 10,
        .cookie_threshold = 2, /* the third client under way needs a cookie */
        .random = seeded,
    };
    run r = {.now = 1000};
    assert(lm_stack_create(&r.stack, &config) == LM_OK);
    lm_reader in = lm_reader_init(data, len);
    for (int i = 0; i < STEPS_MAX && lm_reader_left(&in) > 0; i++)
        step(&r, &in);
    if (len % 2 == 0) { /* one half is destroyed as it is, the other is given up in time */
        pass_time(&r, 100000);
        assert(lm_webrtc_get_stats(r.stack)->sessions == 0);
    }
    lm_webrtc_destroy(r.stack);
    return 0;
}
