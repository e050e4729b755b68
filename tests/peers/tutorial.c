/* The set-up and the frames of the tutorial's pair; see tutorial.h. */
#include "tutorial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef ETH_P_PAE
#define ETH_P_PAE 0x888E
#endif

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [-I INTERFACE] [-p ETH_P_ALL|ETH_P_PAE] [-f AF_PACKET|PF_PACKET] [-H] [-n ROUNDS]\n"
            "  -H  put an Ethernet header with 0x888E before the text\n",
            program);
    exit(2);
}

static int protocol_by_name(const char *name, const char *program)
{
    if (strcmp(name, "ETH_P_ALL") == 0)
        return ETH_P_ALL;
    if (strcmp(name, "ETH_P_PAE") == 0)
        return ETH_P_PAE;
    usage(program);
    return 0;
}

static int family_by_name(const char *name, const char *program)
{
    if (strcmp(name, "AF_PACKET") == 0)
        return AF_PACKET;
    if (strcmp(name, "PF_PACKET") == 0)
        return PF_PACKET;
    usage(program);
    return 0;
}

struct options parse_options(int argc, char **argv)
{
    struct options options = {.interface = "lo", .family = AF_PACKET, .protocol = ETH_P_ALL};
    int letter;

    while ((letter = getopt(argc, argv, "I:p:f:Hn:")) != -1) {
        switch (letter) {
        case 'I': options.interface = optarg; break;
        case 'p': options.protocol = protocol_by_name(optarg, argv[0]); break;
        case 'f': options.family = family_by_name(optarg, argv[0]); break;
        case 'H': options.header = true; break;
        case 'n': options.rounds = strtol(optarg, NULL, 10); break;
        default: usage(argv[0]);
        }
    }
    if (optind != argc || options.rounds < 0)
        usage(argv[0]);
    return options;
}

static int open_packet_socket(const struct options *options)
{
    int fd = socket(options->family, SOCK_RAW, htons((uint16_t)options->protocol));
    if (fd < 0)
        fail("socket");
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons((uint16_t)options->protocol),
        .sll_ifindex = (int)if_nametoindex(options->interface),
    };
    if (address.sll_ifindex == 0)
        fail(options->interface);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail("bind");
    return fd;
}

/* A descriptor, not a handler: a flag that a handler sets just before epoll_wait is missed for as
 * long as no frame comes. */
static int open_signal_fd(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        fail("sigprocmask");
    int fd = signalfd(-1, &set, SFD_CLOEXEC);
    if (fd < 0)
        fail("signalfd");
    return fd;
}

static void watch(int epoll_fd, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        fail("epoll_ctl");
}

struct endpoint open_endpoint(const struct options *options)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* a test reads the lines while the program runs */
    struct endpoint endpoint = {
        .signal_fd = open_signal_fd(),
        .packet_fd = open_packet_socket(options),
        .epoll_fd = epoll_create1(0),
        .header = options->header,
    };
    if (endpoint.epoll_fd < 0)
        fail("epoll_create1");
    watch(endpoint.epoll_fd, endpoint.packet_fd);
    watch(endpoint.epoll_fd, endpoint.signal_fd);
    return endpoint;
}

bool wait_for_frame(const struct endpoint *endpoint)
{
    struct epoll_event events[2];
    int ready = epoll_wait(endpoint->epoll_fd, events, 2, -1);

    if (ready < 0 && errno != EINTR)
        fail("epoll_wait");
    for (int i = 0; i < ready; i++) {
        if (events[i].data.fd == endpoint->signal_fd) {
            printf("Caught sigINT!\n");
            return false;
        }
    }
    return true;
}

const char *receive_text(const struct endpoint *endpoint)
{
    static char buffer[HEADER_SIZE + MESSAGE_SIZE + 1];
    ssize_t length = recv(endpoint->packet_fd, buffer, sizeof buffer - 1, MSG_DONTWAIT);

    if (length < 0 && errno != EAGAIN && errno != EINTR)
        fail("recv");
    ssize_t text = endpoint->header ? HEADER_SIZE : 0;
    if (length < text)
        return NULL;
    buffer[length] = '\0';
    return buffer + text;
}

void send_text(const struct endpoint *endpoint, const char *text)
{
    /* On lo both addresses are zero, and so the header is its EtherType alone. */
    char frame[HEADER_SIZE + MESSAGE_SIZE] = {[12] = (char)(ETH_P_PAE >> 8), [13] = (char)(ETH_P_PAE & 0xff)};
    char *start = frame + HEADER_SIZE;

    strncpy(start, text, MESSAGE_SIZE - 1);
    size_t length = MESSAGE_SIZE;
    if (endpoint->header) {
        start = frame;
        length += HEADER_SIZE;
    }
    if (send(endpoint->packet_fd, start, length, 0) < 0)
        fail("send");
}

void close_endpoint(const struct endpoint *endpoint)
{
    close(endpoint->epoll_fd);
    close(endpoint->signal_fd);
    close(endpoint->packet_fd);
}
