#include "wire.h"

#include "icmp.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#define EAPOL_VERSION 3
#define EAPOL_TYPE 0xEC

static const uint8_t PREFIX[3] = {0x52, 0x45, 2}; /* "RE", version 2 */

static uint8_t *put16(uint8_t *at, uint16_t value)
{
    value = htons(value);
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return ntohl(value);
}

struct request_layout wire_template(const struct options *options, const uint8_t *own, uint32_t session,
                                    uint8_t *frame)
{
    uint8_t *at = frame;
    const uint8_t *end = frame + options->size + (options->tagged ? TAG_SIZE : 0);

    memcpy(at, options->target, ETH_ALEN);
    memcpy(at + ETH_ALEN, own, ETH_ALEN);
    at += 2 * ETH_ALEN;
    if (options->tagged)
        at = put16(put16(at, 0x8100), options->tci);
    at = put16(at, options->ethertype);
    if (options->icmp) {
        icmp_template(options->icmp, session, at, (size_t)(end - at));
        return (struct request_layout){.length = (size_t)(end - frame), .pdu = (size_t)(at - frame)};
    }
    if (options->eapol) {
        *at++ = EAPOL_VERSION;
        *at++ = EAPOL_TYPE;
        at = put16(at, (uint16_t)(end - at - 2));
    }
    struct request_layout layout = {.length = (size_t)(end - frame), .pdu = (size_t)(at - frame)};
    memset(at, 0, PDU_SIZE);
    memcpy(at, PREFIX, sizeof PREFIX);
    at[3] = 1;
    session = htonl(session);
    memcpy(at + 4, &session, sizeof session);
    for (uint8_t *payload = at + PDU_SIZE; payload < end; payload++)
        *payload = (uint8_t)(payload - at);
    return layout;
}

/* Which peer sends the request with this seq. */
static void write_source(const struct options *options, const uint8_t *own, uint32_t seq, uint8_t *mac)
{
    static const uint8_t prefix[2] = {0x02, 0x52};
    uint32_t number = htonl((seq - 1) % options->peers);

    if (options->peers == 1) {
        memcpy(mac, own, ETH_ALEN);
        return;
    }
    memcpy(mac, prefix, sizeof prefix);
    memcpy(mac + sizeof prefix, &number, sizeof number);
}

void wire_number(const struct options *options, const struct request_layout *layout, const uint8_t *own,
                 uint8_t *frame, uint32_t seq, uint64_t t1)
{
    uint8_t *pdu = frame + layout->pdu;

    write_source(options, own, seq, frame + ETH_ALEN);
    if (options->icmp) {
        icmp_number(pdu, seq);
        return;
    }
    seq = htonl(seq);
    t1 = htobe64(t1);
    memcpy(pdu + 8, &seq, sizeof seq);
    memcpy(pdu + 16, &t1, sizeof t1);
}

enum verdict wire_judge(const struct options *options, const uint8_t *own, uint32_t session,
                        const uint8_t *frame, size_t length, bool tagged, uint16_t tci, uint32_t *seq)
{
    size_t pdu = ETHER_HDR_LEN + (options->eapol ? EAPOL_SIZE : 0);
    uint8_t source[ETH_ALEN];

    if (options->icmp)
        return icmp_judge(frame + ETHER_HDR_LEN, length - ETHER_HDR_LEN, options->size - ETHER_HDR_LEN, session,
                          seq);
    if (length < pdu + PDU_SIZE)
        return FOREIGN;
    if (memcmp(frame + pdu, PREFIX, sizeof PREFIX) != 0 || get32(frame + pdu + 4) != session)
        return FOREIGN;
    uint8_t op = frame[pdu + 3];
    *seq = get32(frame + pdu + 8);
    write_source(options, own, *seq, source);
    if (memcmp(frame, source, ETH_ALEN) != 0)
        return FOREIGN;
    if (length != options->size || tagged != options->tagged || (tagged && tci != options->tci))
        return MANGLED;
    return op == 2 ? REPLY : op == 1 ? ECHOED : FOREIGN;
}
