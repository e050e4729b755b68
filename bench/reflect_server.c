/* The yardstick: a tutorial-style server that is fair to measure.
 *
 * The same loop as the tutorial's server: socket(AF_PACKET, SOCK_RAW, ETH_P_ALL), bind, epoll_wait,
 * one recv, one send of a whole frame, for ever. What differs, and why:
 *  - it prints nothing: a terminal would be measured, not the loop;
 *  - it sends back the frame that it read, addresses swapped, not 1024 bytes that begin with HELLO:
 *    over a wire an answer needs a header, and requests of one size need answers of that size;
 *  - it answers only frames to its own address: what else the hosts say must not be part of the load.
 * It has no policy: no checks of the PDU, no limits, no counters, no time stamps, no VLAN tags. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void own_address(int fd, const char *interface, unsigned char *mac)
{
    struct ifreq request = {0};

    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
    if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
        fail("SIOCGIFHWADDR");
    memcpy(mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
}

static int open_socket(const char *interface)
{
    int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    if (fd < 0)
        fail("socket");
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = (int)if_nametoindex(interface),
    };
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("bind");
    return fd;
}

static void answer(int fd, const unsigned char *own)
{
    static unsigned char frame[65536];
    ssize_t length = recv(fd, frame, sizeof frame, 0);

    if (length < ETH_HLEN || memcmp(frame, own, ETH_ALEN) != 0)
        return;
    memcpy(frame, frame + ETH_ALEN, ETH_ALEN);
    memcpy(frame + ETH_ALEN, own, ETH_ALEN);
    if (send(fd, frame, (size_t)length, 0) < 0 && errno != ENOBUFS)
        fail("send");
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s INTERFACE\n", argv[0]);
        return 2;
    }
    unsigned char own[ETH_ALEN];
    int fd = open_socket(argv[1]);
    int epoll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};

    own_address(fd, argv[1], own);
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll");
    for (;;) {
        if (epoll_wait(epoll_fd, &event, 1, -1) == 1)
            answer(fd, own);
    }
}
