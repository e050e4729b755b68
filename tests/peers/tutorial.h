/* What the tutorial's server and client share: options, the socket, the wait. */
#ifndef TUTORIAL_H
#define TUTORIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define MESSAGE_SIZE 1024 /* the tutorial sends its whole buffer, however short the text */
#define HEADER_SIZE 14    /* destination, source, EtherType */

struct options {
    const char *interface; /* default lo */
    int family;            /* AF_PACKET, or PF_PACKET: the same number under its other name */
    int protocol;          /* ETH_P_ALL or ETH_P_PAE */
    bool header;           /* an Ethernet header with 0x888E before the text, both ways */
    long rounds;           /* stop after so many receptions; 0 = never */
};

struct endpoint {
    int packet_fd;
    int signal_fd;
    int epoll_fd;
    bool header;
};

/* Read the command line; on a wrong one print the usage and exit 2. */
struct options parse_options(int argc, char **argv);

/* Socket, bind, epoll_create1, epoll_ctl(EPOLLIN), as the tutorial does it; exits 1 on an error. */
struct endpoint open_endpoint(const struct options *options);

/* Wait for a frame. False once SIGINT came; then "Caught sigINT!" has been printed. */
bool wait_for_frame(const struct endpoint *endpoint);

/* Receive one frame, give its text, valid until the next call. NULL if there was none after all. */
const char *receive_text(const struct endpoint *endpoint);

/* Send one frame that carries text at the start of MESSAGE_SIZE bytes. */
void send_text(const struct endpoint *endpoint, const char *text);

void close_endpoint(const struct endpoint *endpoint);

#endif
