/* An AF_PACKET socket with a receive ring: frames are read without a system call, sent in batches. */
#ifndef PORT_H
#define PORT_H

#include "options.h"

#include <stddef.h>

#define PORT_BATCH 64

struct port {
    int fd;
    uint8_t own[ETH_ALEN];
    uint8_t *ring;
    unsigned frame_size, frames, next;
};

struct received {
    const uint8_t *frame;
    size_t length;
    bool tagged;
    uint16_t tci;
};

/* Open, make the ring, bind; exits 1 with the reason where that fails. */
struct port port_open(const struct options *options, uint32_t session);

/* The next frame, if one is there. It stays valid until port_release. */
bool port_peek(struct port *port, struct received *received);
void port_release(struct port *port);

/* Sleep until a frame is there or the time is over. */
void port_wait(const struct port *port, int timeout_ms);

/* Send frames of one length; the number that the kernel took. */
unsigned port_send(const struct port *port, uint8_t *const *frames, unsigned count, size_t length);

/* Frames that found the ring full since the last call. */
unsigned port_drops(const struct port *port);

#endif
