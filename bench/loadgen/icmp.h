/* ICMP echo over IPv4, the exchange that everybody knows: the yardstick for the round trip. */
#ifndef ICMP_H
#define ICMP_H

#include "wire.h"

/* Write what comes behind the EtherType: a request from `own` to the next address. */
void icmp_template(uint32_t own, uint32_t session, uint8_t *at, size_t length);

/* Write the seq, and its complement beside it: so the checksum stays as it is. */
void icmp_number(uint8_t *at, uint32_t seq);

/* Judge what came behind the EtherType; *seq is set unless FOREIGN. */
enum verdict icmp_judge(const uint8_t *at, size_t length, size_t expected, uint32_t session, uint32_t *seq);

#endif
