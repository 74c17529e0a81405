/* Floods of those who have a session: of joins, and of signals to members who do not read. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base64url.h"
#include "common/error.h"
#include "relay/rooms.h"
#include "test/support/client.h"
#include "test/tools/flood.h"
#include "webrtc/sctp.h"

#define SESSIONS_MAX 256

/* Requests a second and session stay under MESSAGE_RATE: who is over it is only refused. */
#define JOINERS 40
#define JOINS_A_SECOND 4000
#define ROOMS_AT_ONCE 60 /* under MAX_ROOMS_PER_SESSION */

#define SENDERS 5
#define READERS 25
#define SIGNALS_A_SECOND 500
#define SIGNAL_BYTES 40000

typedef struct session {
    flood *flood;
    test_client *client;
    int fd;
    char ufrag[9];
    char id[32];  /* that the relay gave; empty before the welcome */
    bool reader;  /* or rather, one that does not read */
    bool entered; /* is in the room of the flood, if it is one with such */
    uint32_t rooms;
} session;

static session sessions[SESSIONS_MAX];
static unsigned count;
static char the_room[65];

static void request(session *s, const char *text, size_t len)
{
    s->flood->counts.requests += test_client_send(s->client, flood_now(), text, len);
}

/* With as much info as a member may have. */
static void enter(session *s, const char *room)
{
    static char info[LM_MEMBER_INFO_MAX + 1];
    char text[LM_MEMBER_INFO_MAX + 160];
    memset(info, 'x', LM_MEMBER_INFO_MAX);
    int len =
        snprintf(text, sizeof text, "{\"action\":\"join\",\"room\":\"%s\",\"info\":\"%s\"}", room, info);
    request(s, text, (size_t)len);
}

static void leave(session *s, const char *room)
{
    char text[160];
    int len = snprintf(text, sizeof text, "{\"action\":\"leave\",\"room\":\"%s\"}", room);
    request(s, text, (size_t)len);
}

static void on_message(void *user, test_client *client, const char *data, size_t len)
{
    session *s = user;
    cJSON *message = cJSON_ParseWithLength(data, len);
    const char *action = cJSON_GetStringValue(cJSON_GetObjectItem(message, "action"));
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(message, "id"));
    (void)client;
    if (action == NULL) {
        flood_die("a message without an action");
    } else if (strcmp(action, "welcome") == 0 && id != NULL) {
        snprintf(s->id, sizeof s->id, "%s", id);
        if (the_room[0] != '\0')
            enter(s, the_room);
    } else if (strcmp(action, "joined") == 0) {
        s->flood->counts.joined++;
        s->entered = true;
        if (s->reader)
            test_client_fall_deaf(s->client);
    } else if (strcmp(action, "error") == 0) {
        s->flood->counts.errors++;
    }
    cJSON_Delete(message);
}

static void open_session(flood *f, session *s, bool reader)
{
    *s = (session){.flood = f, .reader = reader};
    snprintf(s->ufrag, sizeof s->ufrag, "%08x", (unsigned)randombytes_random());
    s->fd = flood_socket(f, randombytes_uniform(1u << 24));
    s->client = test_client_create(&(test_client_config){.relay_ufrag = f->relay.ufrag,
                                                         .relay_pwd = f->relay.pwd,
                                                         .ufrag = s->ufrag,
                                                         .relay = f->addr,
                                                         .local = f->addr,
                                                         .random = lm_random_system(),
                                                         .fingerprint = f->relay.fingerprint,
                                                         .message = on_message,
                                                         .user = s});
}

static void close_session(session *s)
{
    lm_dgram d;
    test_client_close(s->client, flood_now());
    while (test_client_poll(s->client, &d) == 1)
        (void)send(s->fd, d.data, d.len, 0);
    test_client_destroy(s->client);
    close(s->fd);
}

static void say_hello(session *s)
{
    uint8_t nonce[32];
    char text[LM_BASE64URL_SIZE(sizeof nonce)], hello[256];
    randombytes_buf(nonce, sizeof nonce);
    lm_base64url_encode(text, sizeof text, nonce, sizeof nonce);
    int len = snprintf(hello, sizeof hello, "{\"action\":\"hello\",\"v\":1,\"nonce\":\"%s\"}", text);
    request(s, hello, (size_t)len);
    s->flood->counts.sessions++;
}

static void flush(session *s)
{
    lm_dgram d;
    while (test_client_poll(s->client, &d) == 1)
        if (send(s->fd, d.data, d.len, 0) < 0 && errno != EAGAIN && errno != ECONNREFUSED)
            flood_die(strerror(errno));
}

static void receive(session *s)
{
    uint8_t buf[2048];
    for (ssize_t n; (n = recv(s->fd, buf, sizeof buf, 0)) >= 0;) {
        test_client_state before = test_client_get_state(s->client);
        lm_dgram d = {.remote = s->flood->addr, .local = s->flood->addr, .data = buf, .len = (size_t)n};
        test_client_input(s->client, flood_now(), &d);
        if (before != TEST_CLIENT_OPEN && test_client_get_state(s->client) == TEST_CLIENT_OPEN)
            say_hello(s);
    }
}

/* One turn over all sessions. */
static void turn(void)
{
    static struct pollfd fds[SESSIONS_MAX];
    for (unsigned i = 0; i < count; i++)
        fds[i] = (struct pollfd){.fd = sessions[i].fd, .events = POLLIN};
    poll(fds, count, 1);
    lm_ms now = flood_now();
    if (now >= lm_sctp_next_timeout())
        lm_sctp_timeout(now);
    for (unsigned i = 0; i < count; i++) {
        session *s = &sessions[i];
        if (fds[i].revents != 0)
            receive(s);
        if (now >= test_client_next_timeout(s->client))
            test_client_timeout(s->client, now);
        flush(s);
    }
}

static void run(flood *f, unsigned rate, void (*next)(session *s))
{
    uint64_t sent = 0;
    const lm_ms begin = flood_now();
    if (lm_sctp_start() != LM_OK)
        flood_die("out of memory");
    for (unsigned i = 0; i < count; i++)
        open_session(f, &sessions[i], sessions[i].reader);
    while (flood_now() < f->end) {
        for (unsigned n = flood_allowance(begin, rate, sent); n > 0; n--)
            next(&sessions[sent++ % count]);
        turn();
    }
    for (unsigned i = 0; i < count; i++)
        close_session(&sessions[i]);
    lm_sctp_stop();
}

/* --- joins to new rooms --- */

/* Enters a room that nobody ever was in, and leaves the one entered longest ago once it is in many. */
static void join_next(session *s)
{
    char room[65];
    uint32_t oldest = s->rooms - ROOMS_AT_ONCE;
    if (s->id[0] == '\0' || test_client_get_state(s->client) != TEST_CLIENT_OPEN)
        return;
    snprintf(room, sizeof room, "%s%056x", s->ufrag, s->rooms);
    enter(s, room);
    if (s->rooms++ >= ROOMS_AT_ONCE) {
        snprintf(room, sizeof room, "%s%056x", s->ufrag, oldest);
        leave(s, room);
    }
}

void flood_rooms(flood *f)
{
    count = f->count > 0 && f->count <= SESSIONS_MAX ? f->count : JOINERS;
    run(f, (f->rate > 0 ? f->rate : JOINS_A_SECOND) / 2, join_next);
}

/* --- signals to members who do not read --- */

/* A reader's turn: it gets one signal more, from the next sender. One that was cut off makes way for another.
 */
static void signal_next(session *s)
{
    static char text[SIGNAL_BYTES + 256];
    static unsigned next;
    session *sender = &sessions[next++ % SENDERS];
    if (!s->reader)
        return;
    if (test_client_get_state(s->client) == TEST_CLIENT_CLOSED) {
        flood *f = s->flood;
        f->counts.cut_off++;
        close_session(s);
        open_session(f, s, true);
        return;
    }
    if (!s->entered || !sender->entered)
        return;
    int len = snprintf(text, sizeof text, "{\"action\":\"signal\",\"room\":\"%s\",\"to\":\"%s\",\"data\":\"",
                       the_room, s->id);
    memset(text + len, 'x', SIGNAL_BYTES);
    memcpy(text + len + SIGNAL_BYTES, "\"}", 2);
    request(sender, text, (size_t)len + SIGNAL_BYTES + 2);
    s->flood->counts.signals++;
}

void flood_slow_reader(flood *f)
{
    unsigned readers = f->count > 0 && f->count <= SESSIONS_MAX - SENDERS ? f->count : READERS;
    uint8_t random[32];
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(the_room, sizeof the_room, random, sizeof random);
    count = SENDERS + readers;
    for (unsigned i = SENDERS; i < count; i++)
        sessions[i].reader = true;
    run(f, f->rate > 0 ? f->rate : SIGNALS_A_SECOND, signal_next);
}
