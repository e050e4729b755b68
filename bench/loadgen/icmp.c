#include "icmp.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#define BODY (sizeof(struct iphdr) + sizeof(struct icmphdr))

struct body {
    uint32_t session, seq, complement;
};

static uint16_t checksum(const uint8_t *at, size_t length)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < length; i++)
        sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

void icmp_template(uint32_t own, uint32_t session, uint8_t *at, size_t length)
{
    struct iphdr ip = {
        .version = 4,
        .ihl = 5,
        .tot_len = htons((uint16_t)length),
        .ttl = 64,
        .protocol = IPPROTO_ICMP,
        .saddr = htonl(own),
        .daddr = htonl(own + 1),
    };
    struct icmphdr icmp = {.type = ICMP_ECHO};
    struct body body = {.session = htonl(session)};

    ip.check = checksum((uint8_t *)&ip, sizeof ip);
    memset(at, 0, length);
    memcpy(at, &ip, sizeof ip);
    memcpy(at + BODY, &body, sizeof body);
    icmp_number(at, 0);
    icmp.checksum = 0;
    memcpy(at + sizeof ip, &icmp, sizeof icmp);
    icmp.checksum = checksum(at + sizeof ip, length - sizeof ip);
    memcpy(at + sizeof ip, &icmp, sizeof icmp);
}

void icmp_number(uint8_t *at, uint32_t seq)
{
    uint32_t pair[2] = {htonl(seq), htonl(~seq)};

    memcpy(at + BODY + offsetof(struct body, seq), pair, sizeof pair);
}

enum verdict icmp_judge(const uint8_t *at, size_t length, size_t expected, uint32_t session, uint32_t *seq)
{
    struct body body;

    if (length < BODY + sizeof body || at[offsetof(struct iphdr, protocol)] != IPPROTO_ICMP)
        return FOREIGN;
    memcpy(&body, at + BODY, sizeof body);
    if (at[sizeof(struct iphdr)] != ICMP_ECHOREPLY || ntohl(body.session) != session)
        return FOREIGN;
    *seq = ntohl(body.seq);
    return length == expected ? ECHOED : MANGLED;
}
