/* Sends frames that nobody is to answer, as fast as it can, and prints nanoseconds a frame.
 *
 * On a veth pair the receiving host's work runs in the sender's system call: so this time holds it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64
#define SIZE 60

static void fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static int open_socket(const char *interface)
{
    int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1;
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};

    if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) < 0)
        fail("socket");
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail(interface);
    return fd;
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

int main(int argc, char **argv)
{
    static struct ether_header frame[SIZE];
    struct iovec piece = {.iov_base = frame, .iov_len = SIZE};
    struct mmsghdr messages[BATCH];
    unsigned long frames = 0;

    if (argc != 5)
        return fprintf(stderr, "usage: %s INTERFACE MAC ETHERTYPE SECONDS\n", argv[0]), 2;
    int fd = open_socket(argv[1]);
    memcpy(frame->ether_dhost, ether_aton(argv[2]), ETH_ALEN);
    memcpy(frame->ether_shost, "\2\0\0\0\0\x0a", ETH_ALEN);
    frame->ether_type = htons((unsigned short)strtoul(argv[3], NULL, 0));
    for (unsigned i = 0; i < BATCH; i++)
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &piece, .msg_iovlen = 1}};
    double start = now(), end = start + strtod(argv[4], NULL) * 1e9;
    while (now() < end) {
        int sent = sendmmsg(fd, messages, BATCH, 0);
        if (sent < 0 && errno != ENOBUFS)
            fail("sendmmsg");
        frames += sent > 0 ? (unsigned)sent : 0;
    }
    printf("%.2f\n", (now() - start) / (double)frames);
    return 0;
}
