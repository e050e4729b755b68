/* Echo PDU v2 as the generator writes and recognises it:
 *
 *  offset  0      2        3    4        8    12             16  24  32         36      44       46
 *          magic  version  op   session  seq  responder_seq  t1  t2  residence  window  dropped  payload
 *
 * and ICMP echo (icmp.c), whose answers the kernel gives.
 */
#ifndef WIRE_H
#define WIRE_H

#include "options.h"

#include <stddef.h>

#define PDU_SIZE 46
#define EAPOL_SIZE 4
#define TAG_SIZE 4

enum verdict {
    FOREIGN, /* not an answer to this run */
    REPLY,   /* op 2: a responder of ours */
    ECHOED,  /* op 1, sent back as it was: a plain reflector */
    MANGLED, /* ours, but with another length or tag than the request had */
};

struct request_layout {
    size_t length; /* of the frame as it is sent, tag included */
    size_t pdu;    /* where the PDU starts in it */
};

/* Write a whole request without seq and t1; the payload counts up, so that a cut one shows. */
struct request_layout wire_template(const struct options *options, const uint8_t *own, uint32_t session,
                                    uint8_t *frame);

/* Fill in what differs from request to request: source MAC, seq, t1. */
void wire_number(const struct options *options, const struct request_layout *layout, const uint8_t *own,
                 uint8_t *frame, uint32_t seq, uint64_t t1);

/* Judge a received frame, whose tag the kernel has taken out (tagged, tci); *seq is set unless FOREIGN. */
enum verdict wire_judge(const struct options *options, const uint8_t *own, uint32_t session,
                        const uint8_t *frame, size_t length, bool tagged, uint16_t tci, uint32_t *seq);

#endif
