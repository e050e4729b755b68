/* What to send, how much of it, for how long. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <net/ethernet.h>
#include <stdbool.h>
#include <stdint.h>

struct options {
    const char *interface;
    uint8_t target[ETH_ALEN];
    unsigned outstanding; /* requests on their way at any time */
    unsigned size;        /* bytes on the wire without FCS and without tag, as rawechoctl's -s */
    uint16_t ethertype;
    bool eapol;  /* the PDU sits behind an EAPOL header */
    bool tagged; /* an 802.1Q tag with vid and pcp */
    uint16_t tci;
    unsigned peers; /* source MACs that take turns; 1 = the interface's own */
    uint32_t icmp;  /* our IPv4 address (host order): ICMP echo requests to the next one instead; 0 = echo PDUs */
    bool spin; /* poll the ring without sleeping: no wake-up of ours is in the RTT */
    int watch; /* the responder's process id; 0 = none */
    double duration_s;
    double warmup_s;   /* sent and answered, not counted */
    double timeout_s;  /* after this an unanswered request is lost and its slot is used again */
};

/* Read the command line; on a wrong one say what is wrong and exit 2. */
struct options options_parse(int argc, char **argv);

#endif
