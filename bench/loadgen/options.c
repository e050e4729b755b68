#include "options.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "usage: loadgen --interface IFACE --target MAC [--outstanding N] [--size BYTES] [--ethertype 0xHHHH]\n"
    "               [--eapol] [--vlan VID] [--pcp PCP] [--peers N] [--icmp OWN_IPV4] [--spin]\n"
    "               [--duration S] [--warmup S] [--timeout S] [--watch PID]\n";

static void usage(const char *why)
{
    fprintf(stderr, "loadgen: %s\n%s", why, USAGE);
    exit(2);
}

static unsigned whole(const char *text, unsigned low, unsigned high, const char *why)
{
    char *end;
    unsigned long value = strtoul(text, &end, 0);

    if (*text == '\0' || *end != '\0' || value < low || value > high)
        usage(why);
    return (unsigned)value;
}

static double seconds(const char *text, const char *why)
{
    char *end;
    double value = strtod(text, &end);

    if (*text == '\0' || *end != '\0' || !(value >= 0 && value <= 3600))
        usage(why);
    return value;
}

static void target(struct options *options, const char *text)
{
    struct ether_addr *address = ether_aton(text);

    if (address == NULL)
        usage("--target must be a MAC");
    memcpy(options->target, address->ether_addr_octet, ETH_ALEN);
}

static uint32_t address(const char *text)
{
    struct in_addr value;

    if (inet_pton(AF_INET, text, &value) != 1)
        usage("--icmp must be our IPv4 address");
    return ntohl(value.s_addr);
}

static void take(struct options *o, int letter, const char *value)
{
    switch (letter) {
    case 'I': o->interface = value; break;
    case 'T': target(o, value); break;
    case 'o': o->outstanding = whole(value, 1, 16384, "--outstanding must be 1..16384"); break;
    case 's': o->size = whole(value, 60, 9014, "--size must be 60..9014"); break;
    case 'e': o->ethertype = (uint16_t)whole(value, 0x600, 0xffff, "--ethertype must be 0x600..0xffff"); break;
    case 'E': o->eapol = true; o->ethertype = 0x888E; break;
    case 'v': o->tagged = true; o->tci |= (uint16_t)whole(value, 0, 4094, "--vlan must be 0..4094"); break;
    case 'p': o->tagged = true; o->tci |= (uint16_t)(whole(value, 0, 7, "--pcp must be 0..7") << 13); break;
    case 'P': o->peers = whole(value, 1, 1000000, "--peers must be 1..1000000"); break;
    case 'i': o->icmp = address(value); o->ethertype = ETHERTYPE_IP; break;
    case 'W': o->watch = (int)whole(value, 1, 1 << 22, "--watch must be a process id"); break;
    case 'S': o->spin = true; break;
    case 'd': o->duration_s = seconds(value, "--duration must be seconds"); break;
    case 'w': o->warmup_s = seconds(value, "--warmup must be seconds"); break;
    case 't': o->timeout_s = seconds(value, "--timeout must be seconds"); break;
    default: usage("unknown option");
    }
}

struct options options_parse(int argc, char **argv)
{
    static const struct option known[] = {
        {"interface", 1, NULL, 'I'}, {"target", 1, NULL, 'T'},   {"outstanding", 1, NULL, 'o'},
        {"size", 1, NULL, 's'},      {"ethertype", 1, NULL, 'e'}, {"eapol", 0, NULL, 'E'},
        {"vlan", 1, NULL, 'v'},      {"pcp", 1, NULL, 'p'},      {"spin", 0, NULL, 'S'},
        {"duration", 1, NULL, 'd'},  {"warmup", 1, NULL, 'w'},   {"timeout", 1, NULL, 't'},
        {"peers", 1, NULL, 'P'},     {"icmp", 1, NULL, 'i'},      {"watch", 1, NULL, 'W'},
        {NULL, 0, NULL, 0},
    };
    struct options options = {.outstanding = 1, .ethertype = 0x88B5, .peers = 1,
                              .duration_s = 1, .warmup_s = 0.2, .timeout_s = 0.1};
    bool addressed = false;
    int letter;

    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        take(&options, letter, optarg);
        addressed |= letter == 'T';
    }
    if (optind != argc || options.interface == NULL || !addressed)
        usage("--interface and --target are needed");
    if (options.size == 0)
        options.size = options.eapol ? 64 : 60;
    if (options.eapol && options.size < 64)
        usage("--size must be 64..9014 with --eapol");
    return options;
}
