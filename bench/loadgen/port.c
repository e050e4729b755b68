#define _GNU_SOURCE
#include "port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define PACKET_IGNORE_OUTGOING_OPTION 23
#define RING_HEADROOM 128 /* tpacket2_hdr, sockaddr_ll and alignment before the frame */
#define BLOCK_SIZE (1u << 16)

static void fail(const char *what)
{
    fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void set_option(int fd, int name, const void *value, socklen_t size, const char *what)
{
    if (setsockopt(fd, SOL_PACKET, name, value, size) < 0)
        fail(what);
}

static void set_number(int fd, int name, int value, const char *what)
{
    set_option(fd, name, &value, sizeof value, what);
}

/* A small ring stays in the cache; it must hold the answers to all requests that are on their way. */
static void make_ring(struct port *port, const struct options *options)
{
    unsigned frame_size = 256;
    while (frame_size < options->size + RING_HEADROOM)
        frame_size *= 2;
    unsigned blocks = 1;
    while (blocks * (BLOCK_SIZE / frame_size) < 2 * options->outstanding)
        blocks++;
    struct tpacket_req request = {
        .tp_block_size = BLOCK_SIZE,
        .tp_block_nr = blocks,
        .tp_frame_size = frame_size,
        .tp_frame_nr = blocks * (BLOCK_SIZE / frame_size),
    };
    set_number(port->fd, PACKET_VERSION, TPACKET_V2, "PACKET_VERSION");
    set_option(port->fd, PACKET_RX_RING, &request, sizeof request, "PACKET_RX_RING");
    port->frame_size = frame_size;
    port->frames = request.tp_frame_nr;
    port->ring = mmap(NULL, (size_t)blocks * BLOCK_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, port->fd, 0);
    if (port->ring == MAP_FAILED)
        fail("mmap");
}

/* Hear this session alone: another generator's answers on the same interface are none of our business. */
static void attach_filter(const struct port *port, unsigned pdu, uint32_t session)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, pdu + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, session, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0x40000),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};

    if (setsockopt(port->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
        fail("SO_ATTACH_FILTER");
}

static void bind_to(const struct port *port, const struct options *options)
{
    /* A tag reaches only a socket that is bound to everything. */
    uint16_t protocol = options->tagged ? ETH_P_ALL : options->ethertype;
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(protocol),
        .sll_ifindex = (int)if_nametoindex(options->interface),
    };

    if (address.sll_ifindex == 0 || bind(port->fd, (struct sockaddr *)&address, sizeof address) < 0)
        fail(options->interface);
}

struct port port_open(const struct options *options, uint32_t session)
{
    struct port port = {.fd = socket(AF_PACKET, SOCK_RAW, 0)};
    struct ifreq request = {0};
    int buffer = 4 << 20;

    if (port.fd < 0)
        fail("socket");
    make_ring(&port, options);
    set_number(port.fd, PACKET_IGNORE_OUTGOING_OPTION, 1, "PACKET_IGNORE_OUTGOING");
    set_number(port.fd, PACKET_QDISC_BYPASS, 1, "PACKET_QDISC_BYPASS");
    if (setsockopt(port.fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer) < 0)
        fail("SO_SNDBUF");
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", options->interface);
    if (ioctl(port.fd, SIOCGIFHWADDR, &request) < 0)
        fail(options->interface);
    memcpy(port.own, request.ifr_hwaddr.sa_data, ETH_ALEN);
    if (options->icmp == 0)
        attach_filter(&port, ETH_HLEN + (options->eapol ? 4 : 0), session);
    bind_to(&port, options);
    return port;
}

static struct tpacket2_hdr *slot(const struct port *port)
{
    return (struct tpacket2_hdr *)(void *)(port->ring + (size_t)port->next * port->frame_size);
}

bool port_peek(struct port *port, struct received *received)
{
    struct tpacket2_hdr *header = slot(port);

    uint32_t status = __atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE);
    if (!(status & TP_STATUS_USER))
        return false;
    received->frame = (const uint8_t *)header + header->tp_mac;
    received->length = header->tp_snaplen;
    received->tagged = status & TP_STATUS_VLAN_VALID;
    received->tci = header->tp_vlan_tci;
    return true;
}

void port_release(struct port *port)
{
    __atomic_store_n(&slot(port)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    port->next = (port->next + 1) % port->frames;
}

void port_wait(const struct port *port, int timeout_ms)
{
    struct pollfd waited = {.fd = port->fd, .events = POLLIN};

    if (poll(&waited, 1, timeout_ms) < 0 && errno != EINTR)
        fail("poll");
}

unsigned port_send(const struct port *port, uint8_t *const *frames, unsigned count, size_t length)
{
    struct mmsghdr messages[PORT_BATCH];
    struct iovec pieces[PORT_BATCH];

    for (unsigned i = 0; i < count; i++) {
        pieces[i] = (struct iovec){.iov_base = frames[i], .iov_len = length};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &pieces[i], .msg_iovlen = 1}};
    }
    int sent = sendmmsg(port->fd, messages, count, 0);
    if (sent >= 0)
        return (unsigned)sent;
    if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
        fail("sendmmsg");
    return 0;
}

unsigned port_drops(const struct port *port)
{
    struct tpacket_stats stats;
    socklen_t size = sizeof stats;

    if (getsockopt(port->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) < 0)
        fail("PACKET_STATISTICS");
    return stats.tp_drops;
}
