/* Floods of the TURN server: by users with good credentials, and by strangers without. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/error.h"
#include "test/support/turn_socket.h"
#include "test/tools/flood.h"
#include "webrtc/turn.h"

#define REQUESTS_A_SECOND 10000
#define HELD_MAX 4096

/* --- users with credentials --- */

/* A socket for each allocation, here as in the relay. */
static void allow_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/*
 * As many channels as an allocation may have. In open mode each is to a peer with an address of its own, and
 * so takes a permission, too; in closed mode there is no other address than the relay's.
 */
static void bind_all(flood *f, turn_socket *s)
{
    static bool closed;
    for (unsigned i = 0; i < LM_TURN_CHANNELS_MAX; i++) {
        const uint16_t channel = (uint16_t)(0x4000 + i);
        lm_addr peer = s->client.relayed;
        int result = 403;
        peer.port = (uint16_t)(50000 + i);
        if (!closed) {
            flood_source(peer.ip, 0x10000 + i);
            result = turn_socket_bind(s, channel, &peer);
            closed = result == 403;
        }
        if (closed) {
            memcpy(peer.ip, s->client.relayed.ip, 4);
            result = turn_socket_bind(s, channel, &peer);
        }
        f->counts.bound += result == 0;
        f->counts.unexpected += result != 0;
    }
}

/* One more allocation of `user`, kept in *s; the error's number if it is refused. */
static int allocate(flood *f, turn_socket *s, uint32_t number, const char *user)
{
    uint8_t source[4];
    flood_source(source, number);
    if (turn_socket_open(s, &f->addr, number % 2 == 0 ? LM_UDP : LM_TCP, source, f->secret, user) != LM_OK) {
        f->counts.unexpected++;
        return LM_EIO;
    }
    f->counts.asked++;
    int result = turn_socket_allocate(s);
    f->counts.allocated += result == 0;
    f->counts.user_quota += result == 486;
    f->counts.capacity += result == 508;
    f->counts.unexpected += result != 0 && result != 486 && result != 508;
    if (result != 0)
        turn_socket_close(s);
    return result;
}

void flood_allocations(flood *f)
{
    static turn_socket held[HELD_MAX];
    const uint32_t first = randombytes_uniform(1u << 24);
    uint32_t number = first;
    unsigned count = 0, users = 0;
    char user[32] = "one";
    allow_files();
    while (flood_now() < f->end && count < HELD_MAX) {
        int result = allocate(f, &held[count], number++, user);
        if (result == 0)
            bind_all(f, &held[count++]);
        else if (result == 486 || result == 508)
            snprintf(user, sizeof user, "user %u", users++);
        else
            break;
    }
    while (count > 0)
        turn_socket_close(&held[--count]);
}

/* --- strangers --- */

typedef struct strangers {
    flood *flood;
    flood_sources sources;
    uint32_t count; /* requests so far */
    bool insist;    /* they come again with the nonce, and a credential of another secret */
} strangers;

static void ask(strangers *s, const uint8_t source[4], const uint8_t *request, size_t len)
{
    flood_sources_send(&s->sources, source, request, len);
    s->flood->counts.asked++;
    s->flood->counts.asked_bytes += len;
}

/* Each stranger is his transaction alone, in which his address and whether he has a nonce stand. */
static void begin(turn_client *c, const uint8_t source[4], bool again)
{
    turn_client_init(c, "127.0.0.1:1", "127.0.0.1:2", "no secret of this relay", "stranger", 4000000000u);
    c->address.port = again ? 2 : 1;
    memcpy(&c->transactions, source, 4);
}

static void ask_first(strangers *s, const uint8_t source[4])
{
    uint8_t request[TURN_CLIENT_REQUEST_MAX];
    turn_client c;
    begin(&c, source, false);
    c.fingerprint = s->count % 3 == 0; /* longer requests, longer answers */
    size_t len =
        s->count % 4 == 3 ? turn_client_refresh(&c, request, 600) : turn_client_allocate(&c, request, NULL);
    s->count++;
    ask(s, source, request, len);
}

static void take(void *user, const uint8_t source[4], const uint8_t *data, size_t len)
{
    strangers *s = user;
    turn_client_answer answer;
    turn_client c;
    uint8_t request[TURN_CLIENT_REQUEST_MAX];
    s->flood->counts.answers++;
    s->flood->counts.answer_bytes += len;
    if (len < LM_STUN_HEADER_LEN) {
        s->flood->counts.unexpected++;
        return;
    }
    begin(&c, source, false);
    const bool again = data[11] == 2;
    memcpy(c.transaction, data + 8, sizeof c.transaction);
    if (turn_client_read(&c, &answer, data, len) != LM_OK || answer.error != 401 || c.nonce[0] == '\0') {
        s->flood->counts.unexpected++;
    } else if (s->insist && !again) {
        c.address.port = 2;
        ask(s, source, request, turn_client_allocate(&c, request, NULL));
    }
}

static void run(flood *f, bool insist)
{
    strangers s = {.flood = f, .insist = insist};
    const lm_ms start = flood_now();
    flood_sources_open(&s.sources, f);
    while (flood_now() < f->end) {
        unsigned rate = f->rate > 0 ? f->rate : REQUESTS_A_SECOND;
        for (unsigned n = flood_allowance(start, rate, s.count); n > 0; n--) {
            uint8_t source[4];
            flood_source(source, s.sources.first + (f->count > 0 ? s.count % f->count : s.count));
            ask_first(&s, source);
        }
        flood_sources_receive(&s.sources, take, &s);
    }
    flood_sources_close(&s.sources);
}

void flood_spoofed(flood *f)
{
    run(f, false);
}

void flood_wrong(flood *f)
{
    run(f, true);
}
