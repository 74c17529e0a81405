/*
 * A crowd of clients against a real relay, over real sockets: opens N sessions, says hello on each,
 * optionally has them chat in rooms, closes them, and does so for some rounds. With the relay's process id it
 * reads how much memory the relay holds at each stage. Ends with status 0 only if every session opened and
 * was welcomed.
 *
 *     lumamesh-crowd RELAY-BLOB [--clients N] [--rounds N] [--warm-up N] [--pid PID] [--join] [--seconds N]
 *                                [--ping MS] [--signal MS] [--tcp]
 *
 * prints one JSON object a line:
 * {"stage":"open","round":1,"clients":300,"rss_kb":…,"private_dirty_kb":…,"ms":…}. A warm-up is a round 0 of
 * so many clients, in which the relay touches its static memory and grows its tables.
 *
 * With --ping each client pings the relay every MS ms while the sessions are held, one ping at a time, and a
 * line tells how the answers came:
 * {"stage":"pings",…,"sent":…,"answered":…,"p50_us":…,"p99_us":…,"max_us":…}. With --signal, which joins too,
 * each signals to the next one likewise, and {"stage":"signals",…} has how many came, in the order of
 * sending.
 * {"stage":"held",…,"closed":…} tells how many sessions were over before it was time.
 *
 * With --tcp they come by ICE-TCP, to the port that the blob names for it, else to that of UDP.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base64url.h"
#include "common/error.h"
#include "common/sockaddr.h"
#include "mesh/node_config.h"
#include "test/support/client.h"
#include "test/support/process_memory.h"
#include "webrtc/sctp.h"
#include "webrtc/stream.h"

/* Clients that are under way at once while a round opens: more would only measure this program. */
#define OPENING_AT_ONCE 16

typedef struct member {
    test_client *client;
    int fd;
    lm_stream stream; /* with --tcp */
    char ufrag[9];
    bool welcomed;
    bool joined;
    uint64_t pinged;      /* when the ping that is under way was sent, in us; 0: none is */
    uint64_t next_ping;   /* us */
    char id[32];          /* that the relay gave */
    uint64_t next_signal; /* us */
    uint64_t signals;     /* sent to the next member */
    uint64_t heard;       /* come from the one before, in order */
} member;

/* How long answers took. */
typedef struct times {
    uint64_t asked;
    uint32_t *us;
    size_t count;
    size_t cap;
} times;

static struct {
    lm_node_config relay;
    lm_addr relay_addr;
    int clients; /* of the current round */
    int rounds;
    int warm_up;
    int pid;
    bool join;
    int seconds;
    int ping;   /* ms between pings; 0: none */
    int signal; /* ms between signals; 0: none */
    times pings;
    times signals;
    bool tcp;
    member *members;
} crowd = {.clients = 300, .rounds = 3};

static lm_ms now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (lm_ms)ts.tv_sec * 1000 + (lm_ms)ts.tv_nsec / 1000000;
}

static uint64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void die(const char *what)
{
    fprintf(stderr, "lumamesh-crowd: %s\n", what);
    exit(1);
}

/* What the relay holds now; -1 without --pid. */
static process_memory relay_memory(void)
{
    process_memory m = {.rss = -1, .private_dirty = -1};
    if (crowd.pid != 0 && !process_memory_read(&m, crowd.pid))
        die("the relay's memory cannot be read");
    return m;
}

static void report(const char *stage, int round, lm_ms since)
{
    process_memory m = relay_memory();
    printf("{\"stage\":\"%s\",\"round\":%d,\"clients\":%d,\"rss_kb\":%ld,\"private_dirty_kb\":%ld,\"ms\":%"
           "llu}\n",
           stage, round, crowd.clients, m.rss, m.private_dirty, (unsigned long long)(now_ms() - since));
    fflush(stdout);
}

static void take_time(times *t, uint64_t since)
{
    if (t->count < t->cap)
        t->us[t->count++] = (uint32_t)(now_us() - since);
}

static const char a_room[] = "0000000000000000000000000000000000000000000000000000000000000000";

/* A signal from the member before: its data is "<its number> <when it was sent>". */
static void take_signal(member *m, const char *data)
{
    unsigned long long number, sent;
    if (data == NULL || sscanf(data, "%llu %llu", &number, &sent) != 2 || number != m->heard)
        return; /* not in order: it and all that follow are missing from the count */
    m->heard++;
    take_time(&crowd.signals, sent);
}

static void on_message(void *user, test_client *client, const char *data, size_t len)
{
    member *m = user;
    cJSON *message = cJSON_ParseWithLength(data, len);
    const char *action = cJSON_GetStringValue(cJSON_GetObjectItem(message, "action"));
    if (action != NULL && strcmp(action, "welcome") == 0) {
        const char *id = cJSON_GetStringValue(cJSON_GetObjectItem(message, "id"));
        snprintf(m->id, sizeof m->id, "%s", id != NULL ? id : "");
        m->welcomed = true;
        if (crowd.join) {
            char join[128];
            int n = snprintf(join, sizeof join, "{\"action\":\"join\",\"room\":\"%s\"}", a_room);
            test_client_send(client, now_ms(), join, (size_t)n);
        }
    } else if (action != NULL && strcmp(action, "joined") == 0) {
        m->joined = true;
    } else if (action != NULL && strcmp(action, "pong") == 0 && m->pinged != 0) {
        take_time(&crowd.pings, m->pinged);
        m->pinged = 0;
    } else if (action != NULL && strcmp(action, "signal") == 0) {
        take_signal(m, cJSON_GetStringValue(cJSON_GetObjectItem(message, "data")));
    } else if (action != NULL && strcmp(action, "error") == 0) {
        fprintf(stderr, "lumamesh-crowd: %.*s\n", (int)len, data);
    }
    cJSON_Delete(message);
}

static void start_member(member *m)
{
    struct sockaddr_storage name;
    socklen_t len = lm_sockaddr_from_addr(&name, &crowd.relay_addr);
    uint32_t id = randombytes_random();
    *m = (member){.fd = -1};
    snprintf(m->ufrag, sizeof m->ufrag, "%08x", (unsigned)id);
    m->fd = socket(name.ss_family, (crowd.tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0);
    if (m->fd < 0 || connect(m->fd, (struct sockaddr *)&name, len) != 0)
        die(strerror(errno));
    test_client_config config = {.relay_ufrag = crowd.relay.ufrag,
                                 .relay_pwd = crowd.relay.pwd,
                                 .ufrag = m->ufrag,
                                 .relay = crowd.relay_addr,
                                 .local = crowd.relay_addr,
                                 .random = lm_random_system(),
                                 .fingerprint = crowd.relay.fingerprint,
                                 .large_hello = id % 2 == 0,
                                 .message = on_message,
                                 .user = m};
    m->client = test_client_create(&config);
}

static void say_hello(member *m)
{
    uint8_t nonce[32];
    char text[LM_BASE64URL_SIZE(sizeof nonce)], hello[256];
    randombytes_buf(nonce, sizeof nonce);
    lm_base64url_encode(text, sizeof text, nonce, sizeof nonce);
    int len = snprintf(hello, sizeof hello, "{\"action\":\"hello\",\"v\":1,\"nonce\":\"%s\"}", text);
    test_client_send(m->client, now_ms(), hello, (size_t)len);
}

/* In a stream each datagram stands behind its length (RFC 4571), and none may be cut short. */
static ssize_t send_framed(const member *m, const lm_dgram *d)
{
    uint8_t framed[LM_STREAM_ICE_MAX] = {(uint8_t)(d->len >> 8), (uint8_t)d->len};
    memcpy(framed + LM_STREAM_PREFIX_MAX, d->data, d->len);
    return send(m->fd, framed, d->len + LM_STREAM_PREFIX_MAX, MSG_NOSIGNAL);
}

static void flush(member *m)
{
    lm_dgram d;
    while (test_client_poll(m->client, &d) == 1)
        if ((crowd.tcp ? send_framed(m, &d) : send(m->fd, d.data, d.len, MSG_DONTWAIT)) < 0 &&
            errno != EAGAIN && errno != ECONNREFUSED)
            die(strerror(errno));
}

static void take(member *m, const uint8_t *data, size_t len)
{
    test_client_state before = test_client_get_state(m->client);
    lm_dgram d = {.remote = crowd.relay_addr, .local = crowd.relay_addr, .data = data, .len = len};
    test_client_input(m->client, now_ms(), &d);
    if (before != TEST_CLIENT_OPEN && test_client_get_state(m->client) == TEST_CLIENT_OPEN)
        say_hello(m);
    flush(m);
}

static void receive(member *m)
{
    static lm_stream_buffer buffer;
    for (;;) {
        uint8_t *data = lm_stream_begin(&buffer, &m->stream);
        ssize_t n = recv(m->fd, data, LM_STREAM_READ, MSG_DONTWAIT);
        size_t len = (size_t)n;
        if (n == 0 && crowd.tcp)
            die("the relay has closed a stream");
        if (n < 0)
            return;
        if (!crowd.tcp) {
            take(m, data, len);
            continue;
        }
        lm_stream_input(&buffer, len);
        while ((n = lm_stream_next(&buffer, &data, &len)) == 1)
            take(m, data, len);
        if (n < 0)
            die("the relay's stream is malformed");
    }
}

/* One turn over the first `count` members: waits for datagrams or the next deadline, at most 20 ms. */
static void turn(int count)
{
    static struct pollfd *fds;
    if (fds == NULL && (fds = calloc((size_t)(crowd.clients + crowd.warm_up), sizeof *fds)) == NULL)
        die("out of memory");
    for (int i = 0; i < count; i++)
        fds[i] = (struct pollfd){.fd = crowd.members[i].fd, .events = POLLIN};
    poll(fds, (nfds_t)count, count > 0 ? 5 : 20);
    lm_ms now = now_ms();
    if (now >= lm_sctp_next_timeout())
        lm_sctp_timeout(now);
    for (int i = 0; i < count; i++) {
        member *m = &crowd.members[i];
        if (fds[i].revents != 0)
            receive(m);
        if (now >= test_client_next_timeout(m->client))
            test_client_timeout(m->client, now);
        flush(m);
    }
}

static bool done(const member *m)
{
    return m->welcomed && (!crowd.join || m->joined);
}

static void open_all(void)
{
    lm_ms deadline = now_ms() + 60000 + (lm_ms)crowd.clients * 20;
    int started = 0, ready = 0;
    while (ready < crowd.clients) {
        while (started < crowd.clients && started - ready < OPENING_AT_ONCE)
            start_member(&crowd.members[started++]);
        turn(started);
        ready = 0;
        for (int i = 0; i < started; i++)
            ready += done(&crowd.members[i]);
        if (now_ms() > deadline) {
            fprintf(stderr, "lumamesh-crowd: only %d of %d were welcomed\n", ready, crowd.clients);
            exit(1);
        }
    }
}

static void close_all(void)
{
    for (int i = 0; i < crowd.clients; i++) {
        member *m = &crowd.members[i];
        test_client_close(m->client, now_ms());
        flush(m);
        test_client_destroy(m->client);
        close(m->fd);
        lm_stream_clear(&m->stream);
    }
}

static void ping_all(void)
{
    static const char ping[] = "{\"action\":\"ping\",\"t\":1}";
    uint64_t now = now_us();
    for (int i = 0; i < crowd.clients; i++) {
        member *m = &crowd.members[i];
        if (m->pinged != 0 || now < m->next_ping)
            continue;
        m->pinged = now;
        m->next_ping = now + (uint64_t)crowd.ping * 1000;
        crowd.pings.asked += test_client_send(m->client, now_ms(), ping, sizeof ping - 1);
        flush(m);
    }
}

/* Each to the next one, the last to the first. */
static void signal_all(void)
{
    uint64_t now = now_us();
    for (int i = 0; i < crowd.clients; i++) {
        member *m = &crowd.members[i];
        char text[256];
        if (now < m->next_signal)
            continue;
        m->next_signal = now + (uint64_t)crowd.signal * 1000;
        int len = snprintf(text, sizeof text,
                           "{\"action\":\"signal\",\"room\":\"%s\",\"to\":\"%s\",\"data\":\"%llu %llu\"}",
                           a_room, crowd.members[(i + 1) % crowd.clients].id, (unsigned long long)m->signals,
                           (unsigned long long)now_us());
        if (!test_client_send(m->client, now_ms(), text, (size_t)len))
            continue;
        m->signals++;
        crowd.signals.asked++;
        flush(m);
    }
}

static bool all_answered(void)
{
    return crowd.pings.count == crowd.pings.asked && crowd.signals.count == crowd.signals.asked;
}

static void hold(lm_ms ms)
{
    for (lm_ms end = now_ms() + ms; now_ms() < end;) {
        if (crowd.ping > 0)
            ping_all();
        if (crowd.signal > 0)
            signal_all();
        turn(crowd.clients);
    }
    for (lm_ms end = now_ms() + 1000; !all_answered() && now_ms() < end;)
        turn(crowd.clients); /* the last answers */
}

static int compare_times(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void report_times(const char *stage, int round, times *t)
{
    if (t->count == 0)
        return;
    qsort(t->us, t->count, sizeof *t->us, compare_times);
    printf("{\"stage\":\"%s\",\"round\":%d,\"clients\":%d,\"sent\":%llu,\"answered\":%zu,\"p50_us\":%u,"
           "\"p99_us\":%u,\"max_us\":%u}\n",
           stage, round, crowd.clients, (unsigned long long)t->asked, t->count, (unsigned)t->us[t->count / 2],
           (unsigned)t->us[t->count * 99 / 100], (unsigned)t->us[t->count - 1]);
    fflush(stdout);
}

static void report_held(int round)
{
    int closed = 0;
    for (int i = 0; i < crowd.clients; i++)
        closed += test_client_get_state(crowd.members[i].client) == TEST_CLIENT_CLOSED;
    printf("{\"stage\":\"held\",\"round\":%d,\"clients\":%d,\"closed\":%d}\n", round, crowd.clients, closed);
    fflush(stdout);
}

static void make_times(times *t)
{
    t->cap = 1000000;
    t->us = calloc(t->cap, sizeof *t->us);
    if (t->us == NULL)
        die("out of memory");
}

static void parse_options(int argc, char **argv)
{
    static const struct option options[] = {
        {"clients", required_argument, NULL, 'c'}, {"rounds", required_argument, NULL, 'r'},
        {"warm-up", required_argument, NULL, 'w'}, {"pid", required_argument, NULL, 'p'},
        {"join", no_argument, NULL, 'j'},          {"seconds", required_argument, NULL, 's'},
        {"ping", required_argument, NULL, 'i'},    {"signal", required_argument, NULL, 'g'},
        {"tcp", no_argument, NULL, 't'},           {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'c':
            crowd.clients = atoi(optarg);
            break;
        case 'r':
            crowd.rounds = atoi(optarg);
            break;
        case 'w':
            crowd.warm_up = atoi(optarg);
            break;
        case 'p':
            crowd.pid = atoi(optarg);
            break;
        case 'j':
            crowd.join = true;
            break;
        case 's':
            crowd.seconds = atoi(optarg);
            break;
        case 'i':
            crowd.ping = atoi(optarg);
            break;
        case 'g':
            crowd.signal = atoi(optarg);
            crowd.join = true;
            break;
        case 't':
            crowd.tcp = true;
            break;
        default:
            exit(2);
        }
    }
    if (optind + 1 != argc || crowd.clients < 1)
        die("usage: lumamesh-crowd RELAY-BLOB [--clients N] [--rounds N] [--warm-up N] [--pid PID] [--join] "
            "[--seconds N] [--ping MS] [--signal MS] [--tcp]");
    if (lm_node_config_parse_blob(&crowd.relay, argv[optind], strlen(argv[optind])) != LM_OK)
        die("that is no relay blob");
    crowd.relay_addr = crowd.relay.ip.family != LM_AF_NONE ? crowd.relay.ip : crowd.relay.ip6;
    crowd.relay_addr.port = crowd.tcp && crowd.relay.tcp != 0 ? crowd.relay.tcp : crowd.relay.port;
}

int main(int argc, char **argv)
{
    if (sodium_init() < 0)
        die("libsodium does not start");
    parse_options(argc, argv);
    crowd.members = calloc((size_t)(crowd.clients + crowd.warm_up), sizeof *crowd.members);
    if (crowd.members == NULL || lm_sctp_start() != LM_OK)
        die("out of memory");
    if (crowd.ping > 0)
        make_times(&crowd.pings);
    if (crowd.signal > 0)
        make_times(&crowd.signals);
    int clients = crowd.clients;
    long idle = relay_memory().private_dirty;
    report("idle", 0, now_ms());
    for (int round = crowd.warm_up > 0 ? 0 : 1; round <= crowd.rounds; round++) {
        lm_ms start = now_ms();
        crowd.clients = round == 0 ? crowd.warm_up : clients;
        open_all();
        hold(500 + (lm_ms)crowd.seconds * 1000);
        report("open", round, start);
        report_times("pings", round, &crowd.pings);
        report_times("signals", round, &crowd.signals);
        report_held(round);
        long open = relay_memory().private_dirty;
        start = now_ms();
        close_all();
        process_memory settled;
        if (crowd.pid != 0)
            process_memory_settle(&settled, crowd.pid, (idle + open) / 2 + 1, 30);
        report("closed", round, start);
    }
    lm_sctp_stop();
    free(crowd.pings.us);
    free(crowd.signals.us);
    free(crowd.members);
    return 0;
}
