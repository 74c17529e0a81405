/*
 * The churn against a relay that runs as a process, over UDP sockets: each member has an IPv4 loopback
 * address and a socket of its own, and takes another of both when it moves. The network that loses, doubles
 * and reorders lies between members and sockets, in both directions.
 *
 *     member -- test_network -- socket 127.1.0.1 --+
 *     member -- test_network -- socket 127.1.0.2 --+-- lumamesh-relay
 *     ...                                          --+
 *
 *     lumamesh-soak RELAY-BLOB --pid PID [--seed N] [--clients N] [--rounds N] [--seconds N, of churn in a
 * round]
 *                   [--warm-up N, clients of the first warm-up] [--no-bound]
 *
 * Two short rounds warm the relay up. Its memory, as the kernel counts it: after each round everybody has
 * left, and it has to come back to what it was when warm; and it must not grow while the same clients churn
 * on.
 * --no-bound: it may.
 */
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "common/deadlines.h"
#include "common/error.h"
#include "common/sockaddr.h"
#include "mesh/node_config.h"
#include "test/soak/soak.h"
#include "test/support/process_memory.h"
#include "webrtc/sctp.h"

/*
 * How much more the relay may hold, in percent. When all have left, of private dirty memory than when it was
 * warm, in percent of what was resident then: of some 6 MB, a third of them private. Up to 2.5 % were seen,
 * in pages where little is left among much that went; a leak of 1 kB for each session came to 7 % in a round.
 * While they churn, resident at the most in the second half than in the first: up to 1.5 % were seen.
 */
#define GROWTH_LEFT 4
#define GROWTH_CHURNING 5

#define WARM_UP_SECONDS 8 /* of churn */
#define LINGER 500        /* ms that a socket stays open for what its member has sent */
#define LOOK_INTERVAL 250 /* ms from one look at the relay's memory to the next */
#define SETTLE_LIMIT                                                                                 \
    75 /* s for the relay to give its memory back: it waits 30 s for who fell silent, and 60 s for a \
          tombstone */
#define DATAGRAM_MAX 2048

typedef struct member_socket {
    struct member_socket *next, *prev;
    int fd;
    lm_addr address;
    lm_deadline closes; /* set when its member has left it */
} member_socket;

typedef struct world {
    soak *soak;
    int pid;
    int epoll;
    lm_addr relay;
    member_socket *sockets[SOAK_CLIENTS_MAX]; /* by the member's number */
    lm_deadlines closing;
    lm_ms next_look;
    soak_part part;         /* of the round */
    long peaks[SOAK_PARTS]; /* kB resident at the most in each */
} world;

static lm_ms now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (lm_ms)ts.tv_sec * 1000 + (lm_ms)ts.tv_nsec / 1000000;
}

static process_memory look(world *w)
{
    process_memory memory;
    soak_must(process_memory_read(&memory, w->pid), "the relay has ended");
    return memory;
}

/* --- sockets --- */

static member_socket **sockets_at(world *w, const lm_addr *address)
{
    return &w->sockets[(unsigned)address->ip[2] << 8 | address->ip[3]];
}

static member_socket *find_socket(world *w, const lm_addr *address)
{
    member_socket *found = *sockets_at(w, address);
    while (found != NULL && !lm_addr_equal(&found->address, address))
        found = found->next;
    return found;
}

/* Takes a socket on the address given, on a free port. */
static void open_socket(void *ctx, lm_addr *address)
{
    world *w = ctx;
    struct sockaddr_storage name, peer;
    member_socket *s = calloc(1, sizeof *s);
    soak_must(s != NULL, "out of memory");
    address->port = 0;
    socklen_t len = lm_sockaddr_from_addr(&name, address);
    socklen_t peer_len = lm_sockaddr_from_addr(&peer, &w->relay);
    s->fd = socket(name.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    soak_must(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&name, len) == 0 &&
                  connect(s->fd, (struct sockaddr *)&peer, peer_len) == 0 &&
                  getsockname(s->fd, (struct sockaddr *)&name, &len) == 0 &&
                  lm_sockaddr_to_addr(address, (struct sockaddr *)&name) == LM_OK,
              "no socket");
    s->address = *address;
    s->closes.owner = s;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    soak_must(epoll_ctl(w->epoll, EPOLL_CTL_ADD, s->fd, &event) == 0, "no socket");
    DL_APPEND(*sockets_at(w, address), s);
}

/* What its member has sent is on its way to the socket yet. */
static void close_socket(void *ctx, lm_ms now, const lm_addr *address)
{
    world *w = ctx;
    soak_must(lm_deadlines_set(&w->closing, &find_socket(w, address)->closes, now + LINGER) == LM_OK,
              "out of memory");
}

static void free_socket(world *w, member_socket *s)
{
    lm_deadlines_remove(&w->closing, &s->closes);
    DL_DELETE(*sockets_at(w, &s->address), s);
    close(s->fd);
    free(s);
}

static void send_datagram(void *ctx, lm_ms now, const lm_dgram *d)
{
    const member_socket *s = find_socket(ctx, &d->remote);
    (void)now;
    if (s != NULL && send(s->fd, d->data, d->len, 0) < 0) /* full: lost, as on any way */
        soak_must(errno == EAGAIN || errno == ENOBUFS || errno == ECONNREFUSED, strerror(errno));
}

static void receive(world *w, const member_socket *s)
{
    uint8_t buf[DATAGRAM_MAX];
    for (ssize_t n; (n = recv(s->fd, buf, sizeof buf, 0)) >= 0;)
        soak_hear(w->soak, now_ms(),
                  &(lm_dgram){.remote = s->address, .local = w->relay, .data = buf, .len = (size_t)n});
}

/* --- time --- */

static void look_at_peak(world *w, lm_ms now)
{
    if (now < w->next_look)
        return;
    long rss = look(w).rss;
    if (rss > w->peaks[w->part])
        w->peaks[w->part] = rss;
    w->next_look = now + LOOK_INTERVAL;
}

static lm_ms let_time_pass(void *ctx, lm_ms now, lm_ms until)
{
    world *w = ctx;
    struct epoll_event events[64];
    until = lm_ms_min(until, lm_sctp_next_timeout());
    int count = epoll_wait(w->epoll, events, 64, until > now ? (int)(until - now) : 0);
    for (int i = 0; i < count; i++)
        receive(w, events[i].data.ptr);
    now = now_ms();
    if (now >= lm_sctp_next_timeout()) {
        lm_sctp_timeout(now);
        soak_settle(w->soak, now);
    }
    for (lm_deadline *due; (due = lm_deadlines_pop(&w->closing, now)) != NULL;)
        free_socket(w, due->owner);
    look_at_peak(w, now);
    return now;
}

static void begin_part(void *ctx, unsigned round, soak_part part)
{
    world *w = ctx;
    (void)round;
    w->part = part;
    w->peaks[part] = 0;
}

/* --- rounds --- */

/* One round, with its line; returns what the relay holds when everybody has left, at most `below` kB if it
 * can. Nobody waits for that where it is not looked at. */
static process_memory play(world *w, unsigned round, unsigned clients, unsigned seconds, long below)
{
    process_memory memory;
    soak_play(w->soak, now_ms(), round, clients, seconds);
    soak_must(process_memory_settle(&memory, w->pid, below, SETTLE_LIMIT), "the relay has ended");
    soak_print(w->soak, round);
    printf("the relay holds %ld kB of private dirty memory, %ld kB resident; at the most %ld kB in the first "
           "half, %ld kB in the second, %ld kB when all were heard\n",
           memory.private_dirty, memory.rss, w->peaks[SOAK_FIRST_HALF], w->peaks[SOAK_SECOND_HALF],
           w->peaks[SOAK_CHECK]);
    fflush(stdout);
    return memory;
}

/* kB of private dirty memory that the relay may hold when all have left. */
static long allowed(const process_memory *warm)
{
    return warm->private_dirty + warm->rss * GROWTH_LEFT / 100;
}

static void check_memory(world *w, const process_memory *warm, const process_memory *memory)
{
    if (memory->private_dirty > allowed(warm))
        soak_fault(w->soak, "private dirty memory has grown from %ld to %ld kB", warm->private_dirty,
                   memory->private_dirty);
    long first = w->peaks[SOAK_FIRST_HALF], second = w->peaks[SOAK_SECOND_HALF];
    if (second > first + first * GROWTH_CHURNING / 100)
        soak_fault(w->soak, "resident memory has grown within the round, from %ld to %ld kB", first, second);
}

/*
 * The relay is warm when its tables have grown, and its heap has the holes that rounds leave, of which a few
 * more come with each for a while: a soak of many rounds takes a quarter of them for it.
 */
static void play_all(world *w, const soak_config *config)
{
    play(w, 0, config->warm_up, WARM_UP_SECONDS, LONG_MAX);
    process_memory warm = play(w, 1, config->clients, WARM_UP_SECONDS, LONG_MAX);
    for (unsigned round = 2; round < config->rounds + 2; round++) {
        long below = config->no_memory_bound ? LONG_MAX : allowed(&warm) + 1;
        process_memory memory = play(w, round, config->clients, config->seconds, below);
        if (round < 2 + config->rounds / 4)
            warm = memory;
        else if (!config->no_memory_bound)
            check_memory(w, &warm, &memory);
    }
}

int main(int argc, char **argv)
{
    soak_config config = {.clients = 200,
                          .rounds = 1,
                          .seconds = 45,
                          .warm_up = 240,
                          .silence = 10000,
                          .calm = 4000,
                          .give_up = 36000,
                          .gone = 1000};
    lm_node_config node;
    static world w;
    soak_must(sodium_init() >= 0, "libsodium does not start");
    config.seed = 1 + randombytes_uniform(1000000);
    if (!soak_config_read(&config, argc, argv) || config.blob == NULL || config.pid == 0) {
        fprintf(stderr, "usage: lumamesh-soak RELAY-BLOB --pid PID [--seed N] [--clients N] [--rounds N] "
                        "[--seconds N] [--warm-up N] [--no-bound]\n");
        return 2;
    }
    soak_must(lm_node_config_parse_blob(&node, config.blob, strlen(config.blob)) == LM_OK &&
                  node.ip.family == LM_AF_INET,
              "that is no blob of a relay with an IPv4 address");
    w.pid = config.pid;
    w.relay = node.ip;
    w.relay.port = node.port;
    w.epoll = epoll_create1(EPOLL_CLOEXEC);
    soak_must(w.epoll >= 0 && lm_sctp_start() == LM_OK, "cannot start");
    w.soak = soak_create(&config, &(soak_relay){.ufrag = node.ufrag,
                                                .pwd = node.pwd,
                                                .fingerprint = node.fingerprint,
                                                .address = w.relay,
                                                .net = 127,
                                                .ctx = &w,
                                                .open = open_socket,
                                                .close = close_socket,
                                                .send = send_datagram,
                                                .wait = let_time_pass,
                                                .begin = begin_part});
    play_all(&w, &config);
    int status = soak_verdict(w.soak);
    soak_destroy(w.soak);
    lm_sctp_stop();
    for (lm_deadline *due; (due = lm_deadlines_pop(&w.closing, LM_MS_NEVER)) != NULL;)
        free_socket(&w, due->owner);
    lm_deadlines_clear(&w.closing);
    close(w.epoll);
    return status;
}
