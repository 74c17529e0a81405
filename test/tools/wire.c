/*
 * Long wires: pairs of Ethernet devices in two network namespaces, where a frame that enters one leaves the
 * other after a fixed time. For kernels without netem.
 *
 *     lumamesh-wire MS NAMESPACE:DEVICE:NAMESPACE:DEVICE...
 *
 * Makes the devices (TAP), prints "ready" and carries frames until it is killed; the devices go with it.
 * Needs root; namespaces are those of `ip netns`. Frames that more than FRAMES_MAX others wait before are
 * lost, as on any wire.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { ENDS_MAX = 128, FRAME_MAX = 2048, FRAMES_MAX = 8192, NAME_MAX_LENGTH = 64 };

struct frame {
    int64_t due; /* nanoseconds */
    int to;      /* file descriptor */
    uint16_t size;
    uint8_t bytes[FRAME_MAX];
};

/* All wires are equally long, so one queue in the order of arrival serves them all. */
static struct frame queue[FRAMES_MAX];
static size_t queue_first, queue_count;

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A new TAP device in a namespace; -1 and errno. It stays there when this process enters another one. */
static int end_open(const char *namespace, const char *device)
{
    char path[PATH_MAX];
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(path, sizeof path, "/run/netns/%s", namespace);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    int target = open(path, O_RDONLY | O_CLOEXEC);
    if (target < 0)
        return -1;
    bool entered = setns(target, CLONE_NEWNET) == 0;
    close(target);
    int fd = entered ? open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC) : -1;
    if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Opens both ends of a wire; false after a message. */
static bool wire_open(const char *words, int ends[2])
{
    char part[4][NAME_MAX_LENGTH];
    if (sscanf(words, "%63[^:]:%63[^:]:%63[^:]:%63[^:]", part[0], part[1], part[2], part[3]) != 4) {
        fprintf(stderr, "%s: not NAMESPACE:DEVICE:NAMESPACE:DEVICE\n", words);
        return false;
    }
    for (int i = 0; i < 2; i++) {
        ends[i] = end_open(part[2 * i], part[2 * i + 1]);
        if (ends[i] < 0) {
            fprintf(stderr, "%s in %s: %s\n", part[2 * i + 1], part[2 * i], strerror(errno));
            return false;
        }
    }
    return true;
}

/* Takes in what has come to one end. */
static void receive(int from, int to, int64_t delay)
{
    static uint8_t lost[FRAME_MAX];
    for (;;) {
        bool full = queue_count == FRAMES_MAX;
        struct frame *frame = &queue[(queue_first + queue_count) % FRAMES_MAX];
        ssize_t size = read(from, full ? lost : frame->bytes, FRAME_MAX);
        if (size <= 0)
            return;
        if (full)
            continue;
        frame->due = now() + delay;
        frame->to = to;
        frame->size = (uint16_t)size;
        queue_count++;
    }
}

/* Lets out what is due. A device that is down or full loses it. */
static void deliver(void)
{
    while (queue_count > 0 && queue[queue_first].due <= now()) {
        const struct frame *frame = &queue[queue_first];
        if (write(frame->to, frame->bytes, frame->size) < 0 && errno != EAGAIN && errno != EIO &&
            errno != ENOBUFS)
            perror("write");
        queue_first = (queue_first + 1) % FRAMES_MAX;
        queue_count--;
    }
}

int main(int argc, char **argv)
{
    static struct pollfd ends[ENDS_MAX];
    nfds_t count = 0;
    char *rest;
    long ms = argc > 2 ? strtol(argv[1], &rest, 10) : -1;
    if (ms < 0 || ms > 10000 || *rest != '\0' || (argc - 2) * 2 > ENDS_MAX) {
        fprintf(stderr, "usage: lumamesh-wire MS NAMESPACE:DEVICE:NAMESPACE:DEVICE... (at most %d)\n",
                ENDS_MAX / 2);
        return 2;
    }
    for (int i = 2; i < argc; i++, count += 2) {
        int fds[2];
        if (!wire_open(argv[i], fds))
            return 1;
        ends[count] = (struct pollfd){.fd = fds[0], .events = POLLIN};
        ends[count + 1] = (struct pollfd){.fd = fds[1], .events = POLLIN};
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        int64_t left = queue_count > 0 ? queue[queue_first].due - now() : INT64_C(1000000000);
        left = left < 0 ? 0 : left;
        struct timespec timeout = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
        if (ppoll(ends, count, &timeout, NULL) < 0 && errno != EINTR) {
            perror("ppoll");
            return 1;
        }
        for (nfds_t i = 0; i < count; i++) {
            if ((ends[i].revents & POLLERR) != 0)
                return 1; /* Its namespace has gone. */
            if (ends[i].revents != 0)
                receive(ends[i].fd, ends[i ^ 1].fd, (int64_t)ms * 1000000);
        }
        deliver();
    }
}
