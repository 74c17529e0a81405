/*
 * Stands in for a service manager: hears datagrams at a Unix socket and prints them, until it is killed.
 *
 *     lumamesh-manager PATH
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    char text[4096];
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (argc != 2 || strlen(argv[1]) >= sizeof addr.sun_path)
        return 2;
    memcpy(addr.sun_path, argv[1], strlen(argv[1]) + 1);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0) {
        perror(argv[1]);
        return 1;
    }
    for (ssize_t n; (n = recv(fd, text, sizeof text, 0)) >= 0;) {
        printf("%.*s\n", (int)n, text);
        fflush(stdout);
    }
    close(fd);
    return 0;
}
