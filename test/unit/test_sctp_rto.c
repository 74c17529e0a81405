/*
 * How long lost data waits until it is sent again, on virtual time: two ends of an association, and a way
 * between them that loses what the test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "test/support/virtual_time.h"
#include "webrtc/dcep.h"
#include "webrtc/sctp.h"
#include "webrtc/webrtc.h"

#define CHUNK_TYPE_OFFSET 12
#define CHUNK_DATA 0
#define CHUNK_INIT 1
#define CHUNK_INIT_ACK 2
#define CHUNK_HEARTBEAT 4
#define CHUNK_COOKIE_ECHO 10

#define ONE_WAY 15 /* ms */
#define STEP 5
#define TICK 20 /* ms between the calls of SCTP's timers, as the stack makes them */

/*
 * RTO.Initial as webrtc/sctp.c has it, and twice as much: usrsctp's timer counts from the latest tick, and
 * when it comes before the RTO has passed by the clock, usrsctp waits once more.
 */
#define SOON (3000 + 2 * TICK)

typedef struct end {
    lm_sctp_assoc *assoc;
    struct end *peer;
    int loses; /* type of chunk whose packets it does not get; -1: none */
    unsigned up, down, messages, lost, heartbeats;
} end;

typedef struct packet {
    struct packet *next;
    end *to;
    lm_ms at;
    size_t len;
    uint8_t bytes[];
} packet;

static packet *first, **last = &first;
static lm_ms now;

static void on_output(void *user, const uint8_t *data, size_t len)
{
    end *e = user;
    packet *p = malloc(sizeof *p + len);
    assert_non_null(p);
    *p = (packet){.to = e->peer, .at = now + ONE_WAY, .len = len};
    memcpy(p->bytes, data, len);
    *last = p;
    last = &p->next;
    e->heartbeats += data[CHUNK_TYPE_OFFSET] == CHUNK_HEARTBEAT;
}

static void on_up(void *user)
{
    ((end *)user)->up++;
}

static void on_down(void *user)
{
    ((end *)user)->down++;
}

static void on_message(void *user, uint16_t stream, uint32_t ppid, const uint8_t *data, size_t len)
{
    (void)stream, (void)ppid, (void)data, (void)len;
    ((end *)user)->messages++;
}

static void on_reset(void *user, uint16_t stream)
{
    (void)user, (void)stream;
    fail();
}

static void on_nothing(void *user)
{
    (void)user;
}

static const lm_sctp_handler handler = {
    .output = on_output,
    .up = on_up,
    .message = on_message,
    .too_big = on_nothing,
    .reset = on_reset,
    .writable = on_nothing,
    .down = on_down,
};

static void land(packet *p)
{
    if (p->bytes[CHUNK_TYPE_OFFSET] == p->to->loses)
        p->to->lost++;
    else
        lm_sctp_input(p->to->assoc, now, p->bytes, p->len);
    free(p);
}

static void pass_time(lm_ms ms)
{
    for (lm_ms until = now + ms; now < until;) {
        now += STEP;
        virtual_time_set(now);
        while (first != NULL && first->at <= now) {
            packet *p = first;
            first = p->next;
            if (first == NULL)
                last = &first;
            land(p);
        }
        if (now % TICK == 0)
            lm_sctp_timeout(now);
    }
}

/* ms until the message that e now sends is there, its first packet being lost. */
static lm_ms send_and_lose(end *e)
{
    static const uint8_t data[] = "hello";
    lm_ms sent = now;
    unsigned had = e->peer->messages;
    e->peer->loses = CHUNK_DATA;
    e->peer->lost = 0;
    assert_int_equal(lm_sctp_send(e->assoc, now, 0, LM_PPID_STRING, data, sizeof data - 1), LM_OK);
    pass_time(2 * ONE_WAY);
    assert_int_equal(e->peer->lost, 1);
    e->peer->loses = -1;
    while (e->peer->messages == had && now < sent + 120000)
        pass_time(STEP);
    assert_int_equal(e->peer->messages, had + 1);
    return now - sent;
}

/* An association of which one packet's type was lost on the way to an end for so many ms; returns the active
 * end. */
static end *make_pair(lm_ms silence, bool lost_to_active, int type)
{
    end *active = calloc(2, sizeof *active), *passive = active + 1;
    assert_non_null(active);
    active->peer = passive;
    passive->peer = active;
    active->loses = lost_to_active ? type : -1;
    passive->loses = lost_to_active ? -1 : type;
    assert_int_equal(lm_sctp_open(&active->assoc, &handler, active), LM_OK);
    assert_int_equal(lm_sctp_open(&passive->assoc, &handler, passive), LM_OK);
    assert_int_equal(lm_sctp_connect(active->assoc), LM_OK);
    pass_time(silence);
    assert_int_equal(active->up, 0);
    active->loses = passive->loses = -1;
    for (lm_ms until = now + 30000; active->up == 0 && now < until;)
        pass_time(STEP);
    assert_int_equal(active->up, 1);
    assert_int_equal(passive->up, 1);
    return active;
}

static void check(end *active)
{
    assert_in_range(send_and_lose(active), 2 * ONE_WAY, SOON);
    assert_in_range(send_and_lose(active->peer), 2 * ONE_WAY, SOON);
    /* What is made up for usrsctp stays at home. */
    assert_int_equal(active->heartbeats + active->peer->heartbeats, 0);
    assert_int_equal(active->down + active->peer->down, 0);
    lm_sctp_close(active->assoc);
    lm_sctp_close(active->peer->assoc);
    for (packet *p; (p = first) != NULL; free(p))
        first = p->next;
    last = &first;
    free(active);
}

static void test_undisturbed(void **state)
{
    (void)state;
    check(make_pair(ONE_WAY, false, -1));
}

static void test_late_init(void **state)
{
    (void)state;
    check(make_pair(500, false, CHUNK_INIT));
    check(make_pair(14000, false, CHUNK_INIT));
}

static void test_late_init_ack(void **state)
{
    (void)state;
    check(make_pair(14000, true, CHUNK_INIT_ACK));
}

static void test_late_cookie(void **state)
{
    (void)state;
    check(make_pair(500, false, CHUNK_COOKIE_ECHO));
    check(make_pair(14000, false, CHUNK_COOKIE_ECHO));
    check(make_pair(30000, false, CHUNK_COOKIE_ECHO));
}

static int setup(void **state)
{
    (void)state;
    virtual_time_set(now = 1000);
    return lm_sctp_start();
}

static int teardown(void **state)
{
    (void)state;
    lm_sctp_stop();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_undisturbed),
        TEST(test_late_init),
        TEST(test_late_init_ack),
        TEST(test_late_cookie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
