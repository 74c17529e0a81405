/*
 * Load for a TURN server, its own or coturn: clients with an allocation each pass ChannelData on, to peers
 * that are plain UDP sockets or to one another, and what comes back is counted, checked and timed. Prints one
 * line:
 *
 *     packets=N pps=N lost=N corrupt=N p50_us=N p99_us=N cpu_us=N.NNN
 *
 * A packet is one that the server has passed on; cpu_us is what the server's process took for each of them.
 *
 *     lumamesh-turn-load --server 127.0.0.1:3478 --secret SECRET [--pid PID] [--allocations 50] [--size 172]
 *         [--case peer|pair] [--window 4 | --rate 20000] [--seconds 5] [--gso]
 *
 * With --window each client has so many packets under way, and whoever gets one sends it back: as fast as the
 * server goes. With --rate so many packets a second are sent, one way. Each packet is a datagram of its own
 * to the server, as a browser's; --gso hands those of one client to the kernel as one message.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/sockaddr.h"
#include "test/bench/turn_session.h"

#define ENDS_MAX 1024
#define BATCH 64
#define PACKET_MAX 2048
#define CHANNEL 0x4001
#define CHANNEL_HEADER 4
#define UDP_SEGMENT_OPTION 103
#define LATENCIES_MAX (8 * 1024 * 1024)

/* Nothing came for so long: what is under way is lost. */
#define STALL_NS (1000 * 1000 * 1000)

/* The beginning of a payload. */
typedef struct stamp {
    uint64_t sent_ns;
    uint32_t number;
    uint32_t sender;
} stamp;

/* A socket: a client's or a peer's. */
typedef struct end {
    int fd;
    bool client; /* speaks ChannelData */
    struct sockaddr_storage to;
    socklen_t to_len;
    uint32_t next; /* number of the next packet */
    struct end *other;
    unsigned expected_next;
    unsigned waiting; /* to be sent in this turn */
} end;

static struct {
    lm_addr server;
    const char *secret;
    long pid;
    unsigned allocations, size, window, rate, seconds;
    bool pair, gso;
} options = {.allocations = 50, .size = 172, .window = 4, .seconds = 5};

static end ends[ENDS_MAX];
static unsigned end_count;
static uint32_t *latencies; /* ns */
static size_t latency_count;
static uint64_t sent, received, corrupt, reordered;
static uint8_t out_bytes[BATCH][PACKET_MAX], in_bytes[BATCH][PACKET_MAX];

static void die(const char *what)
{
    fprintf(stderr, "lumamesh-turn-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* CPU time of all threads of the server, in ns. */
static uint64_t server_cpu(void)
{
    char path[300];
    uint64_t sum = 0;
    if (options.pid == 0)
        return 0;
    snprintf(path, sizeof path, "/proc/%ld/task", options.pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        die(path);
    for (struct dirent *e; (e = readdir(tasks)) != NULL;) {
        unsigned long long ns;
        snprintf(path, sizeof path, "/proc/%ld/task/%s/schedstat", options.pid, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (f != NULL && fscanf(f, "%llu", &ns) == 1)
            sum += ns;
        if (f != NULL)
            fclose(f);
    }
    closedir(tasks);
    return sum;
}

/* --- the ends --- */

static end *open_end(bool client)
{
    const int size = 4 * 1024 * 1024;
    lm_addr any;
    struct sockaddr_storage name;
    if (end_count == ENDS_MAX)
        exit(2);
    end *e = &ends[end_count++];
    e->client = client;
    /* Peers are elsewhere: what goes to the server's own address stays inside it. */
    lm_addr_parse_ip(&any, client ? "127.0.0.1" : "127.0.0.2", 0);
    socklen_t len = lm_sockaddr_from_addr(&name, &any);
    e->fd = socket(name.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (e->fd < 0 || bind(e->fd, (struct sockaddr *)&name, len) != 0)
        die("socket");
    setsockopt(e->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(e->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return e;
}

static lm_addr address_of(const end *e)
{
    lm_addr addr = {0};
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    if (getsockname(e->fd, (struct sockaddr *)&name, &len) != 0 ||
        lm_sockaddr_to_addr(&addr, (struct sockaddr *)&name) != 0)
        die("getsockname");
    return addr;
}

static void point(end *e, const lm_addr *to)
{
    e->to_len = lm_sockaddr_from_addr(&e->to, to);
}

static void allocate(end *e, turn_session *session)
{
    char user[32];
    snprintf(user, sizeof user, "load%u", (unsigned)(e - ends));
    point(e, &options.server);
    if (!turn_session_allocate(session, e->fd, &options.server, options.secret, user))
        exit(1);
}

static void bind_channel(turn_session *session, const lm_addr *peer)
{
    if (!turn_session_bind(session, CHANNEL, peer))
        exit(1);
}

static void open_ends(void)
{
    for (unsigned i = 0; i < options.allocations; i++) {
        turn_session a, b;
        end *client = open_end(true), *other;
        allocate(client, &a);
        if (options.pair) {
            if (++i == options.allocations)
                exit(2);
            other = open_end(true);
            allocate(other, &b);
            bind_channel(&a, &b.relayed);
            bind_channel(&b, &a.relayed);
        } else {
            lm_addr addr;
            other = open_end(false);
            addr = address_of(other);
            point(other, &a.relayed);
            bind_channel(&a, &addr);
        }
        client->other = other;
        other->other = client;
    }
}

/* --- packets --- */

static size_t make(end *e, uint8_t *packet, uint64_t now)
{
    size_t header = e->client ? CHANNEL_HEADER : 0;
    stamp s = {.sent_ns = now, .number = e->next++, .sender = (uint32_t)(e - ends)};
    if (e->client) {
        packet[0] = CHANNEL >> 8;
        packet[1] = CHANNEL & 0xff;
        packet[2] = (uint8_t)(options.size >> 8);
        packet[3] = (uint8_t)options.size;
    }
    memcpy(packet + header, &s, sizeof s);
    packet[header + options.size - 1] = (uint8_t)s.number;
    return header + options.size;
}

static void send_waiting(end *e, uint64_t now)
{
    static struct mmsghdr messages[BATCH];
    static struct iovec vectors[BATCH];
    union {
        struct cmsghdr header;
        uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
    } control = {
        .header = {.cmsg_len = CMSG_LEN(2), .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT_OPTION}};
    while (e->waiting > 0) {
        unsigned n = e->waiting < BATCH ? e->waiting : BATCH;
        uint16_t len = 0;
        for (unsigned i = 0; i < n; i++) {
            len = (uint16_t)make(e, out_bytes[i], now);
            vectors[i] = (struct iovec){.iov_base = out_bytes[i], .iov_len = len};
            messages[i].msg_hdr = (struct msghdr){
                .msg_name = &e->to, .msg_namelen = e->to_len, .msg_iov = &vectors[i], .msg_iovlen = 1};
        }
        e->waiting -= n;
        sent += n;
        if (options.gso && n > 1 && (size_t)n * len < 65000) {
            memcpy(CMSG_DATA(&control.header), &len, sizeof len);
            messages[0].msg_hdr.msg_iovlen = n;
            messages[0].msg_hdr.msg_control = &control;
            messages[0].msg_hdr.msg_controllen = sizeof control;
            n = 1;
        }
        for (unsigned done = 0; done < n;) {
            int r = sendmmsg(e->fd, messages + done, n - done, 0);
            if (r < 0)
                die("sendmmsg");
            done += (unsigned)r;
        }
    }
}

static bool take(end *e, const uint8_t *packet, size_t len, uint64_t now)
{
    size_t header = e->client ? CHANNEL_HEADER : 0;
    stamp s;
    if (len < header + options.size) {
        corrupt++;
        return false;
    }
    memcpy(&s, packet + header, sizeof s);
    if (s.sender != (uint32_t)(e->other - ends) || packet[header + options.size - 1] != (uint8_t)s.number ||
        (e->client && (packet[0] != CHANNEL >> 8 || packet[1] != (CHANNEL & 0xff)))) {
        corrupt++;
        return false;
    }
    if (s.number < e->expected_next)
        reordered++;
    e->expected_next = s.number + 1;
    received++;
    if (latency_count < LATENCIES_MAX)
        latencies[latency_count++] = (uint32_t)(now - s.sent_ns);
    return true;
}

/* Takes what has come for an end; returns how many. */
static unsigned receive(end *e)
{
    static struct mmsghdr messages[BATCH];
    static struct iovec vectors[BATCH];
    unsigned sum = 0;
    for (;;) {
        for (unsigned i = 0; i < BATCH; i++) {
            vectors[i] = (struct iovec){.iov_base = in_bytes[i], .iov_len = PACKET_MAX};
            messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
        }
        int n = recvmmsg(e->fd, messages, BATCH, MSG_DONTWAIT, NULL);
        uint64_t now = now_ns();
        for (int i = 0; i < n; i++)
            sum += take(e, in_bytes[i], messages[i].msg_len, now);
        if (n < BATCH)
            return sum;
    }
}

/* --- the two loads --- */

static void start_windows(uint64_t now)
{
    for (unsigned i = 0; i < end_count; i++) {
        if (!ends[i].client)
            continue;
        ends[i].waiting = options.window;
        send_waiting(&ends[i], now);
    }
}

/* What comes goes back, until `until`. */
static void run_windows(int epoll, uint64_t until)
{
    struct epoll_event events[ENDS_MAX];
    uint64_t last = now_ns();
    for (uint64_t now = last; now < until; now = now_ns()) {
        int n = epoll_wait(epoll, events, ENDS_MAX, 0);
        for (int i = 0; i < n; i++) {
            end *e = events[i].data.ptr;
            e->waiting += receive(e);
            now = now_ns();
            send_waiting(e, now);
            last = now;
        }
        if (now - last > STALL_NS) {
            start_windows(now);
            last = now;
        }
    }
}

static void run_rate(int epoll, uint64_t until)
{
    struct epoll_event events[ENDS_MAX];
    const uint64_t gap = 1000000000u / options.rate;
    unsigned turn = 0;
    for (uint64_t now = now_ns(), at = now; now < until; now = now_ns()) {
        for (; at <= now; at += gap) {
            end *e = &ends[turn++ % end_count];
            e->waiting = 1;
            send_waiting(e, now_ns());
        }
        int n = epoll_wait(epoll, events, ENDS_MAX, 0);
        for (int i = 0; i < n; i++)
            receive(events[i].data.ptr);
    }
}

/* What is still under way. */
static void collect(int epoll)
{
    struct epoll_event events[ENDS_MAX];
    for (int n; (n = epoll_wait(epoll, events, ENDS_MAX, 1000)) > 0;)
        for (int i = 0; i < n; i++)
            receive(events[i].data.ptr);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile(double share)
{
    return latency_count == 0 ? 0 : latencies[(size_t)((double)(latency_count - 1) * share)] / 1000.0;
}

static void run(void)
{
    int epoll = epoll_create1(0);
    for (unsigned i = 0; i < end_count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &ends[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, ends[i].fd, &event);
    }
    uint64_t cpu = server_cpu(), start = now_ns(), until = start + (uint64_t)options.seconds * 1000000000;
    if (options.rate > 0) {
        run_rate(epoll, until);
    } else {
        start_windows(start);
        run_windows(epoll, until);
    }
    double seconds = (double)(now_ns() - start) / 1e9;
    uint64_t in_time = received;
    collect(epoll);
    cpu = server_cpu() - cpu;
    qsort(latencies, latency_count, sizeof latencies[0], by_value);
    printf(
        "packets=%llu pps=%.0f lost=%llu corrupt=%llu reordered=%llu p50_us=%.1f p99_us=%.1f cpu_us=%.3f\n",
        (unsigned long long)received, (double)in_time / seconds, (unsigned long long)(sent - received),
        (unsigned long long)corrupt, (unsigned long long)reordered, percentile(0.5), percentile(0.99),
        received > 0 ? (double)cpu / 1000 / (double)received : 0.0);
    close(epoll);
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {{"server", 1, NULL, 's'},
                                          {"secret", 1, NULL, 'k'},
                                          {"pid", 1, NULL, 'p'},
                                          {"size", 1, NULL, 'l'},
                                          {"allocations", 1, NULL, 'n'},
                                          {"case", 1, NULL, 'c'},
                                          {"window", 1, NULL, 'w'},
                                          {"rate", 1, NULL, 'r'},
                                          {"seconds", 1, NULL, 't'},
                                          {"gso", 0, NULL, 'g'},
                                          {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        unsigned number = optarg != NULL ? (unsigned)strtoul(optarg, NULL, 10) : 0;
        switch (c) {
        case 's':
            if (lm_addr_parse(&options.server, optarg) != 0)
                exit(2);
            break;
        case 'k':
            options.secret = optarg;
            break;
        case 'p':
            options.pid = number;
            break;
        case 'l':
            options.size = number;
            break;
        case 'n':
            options.allocations = number;
            break;
        case 'c':
            options.pair = strcmp(optarg, "pair") == 0;
            break;
        case 'w':
            options.window = number;
            break;
        case 'r':
            options.rate = number;
            break;
        case 't':
            options.seconds = number;
            break;
        case 'g':
            options.gso = true;
            break;
        default:
            exit(2);
        }
    }
    if (options.server.family != LM_AF_INET || options.secret == NULL || options.size <= sizeof(stamp) ||
        options.size > PACKET_MAX - CHANNEL_HEADER || options.allocations * 2 > ENDS_MAX) {
        fprintf(stderr, "lumamesh-turn-load: see the top of turn_load.c for options\n");
        exit(2);
    }
}

int main(int argc, char **argv)
{
    read_options(argc, argv);
    latencies = malloc(LATENCIES_MAX * sizeof latencies[0]);
    if (latencies == NULL)
        die("malloc");
    open_ends();
    run();
    free(latencies);
    return corrupt > 0;
}
