/* Sends a frame, given in hexadecimal, so many times, as fast as it can; where more is given, so many a second: the PDU's
 * seq, which is at octet 22, counts then. */
#define _GNU_SOURCE
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64

static void fail(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	unsigned char frame[2048];
	struct iovec piece = {.iov_base = frame};
	struct mmsghdr messages[BATCH];
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1;
	struct sockaddr_ll address = {.sll_family = AF_PACKET};
	long left, rate = argc > 4 ? atol(argv[4]) : 0, sent = 0;
	double start = now();

	if (argc < 4 || fd < 0 || !(address.sll_ifindex = (int)if_nametoindex(argv[1])))
		fail("usage: flood INTERFACE FRAMES HEX [RATE]");
	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
		fail(argv[1]);
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
	for (const char *hex = argv[3]; sscanf(hex, "%2hhx", &frame[piece.iov_len]) == 1; hex += 2)
		piece.iov_len++;
	for (int index = 0; index < BATCH; index++)
		messages[index] = (struct mmsghdr){.msg_hdr = {.msg_iov = &piece, .msg_iovlen = 1}};
	for (left = atol(argv[2]); left > 0;) {
		int count = rate ? 1 : left < BATCH ? (int)left : BATCH;

		if (rate) {
			unsigned int seq = __builtin_bswap32((unsigned int)sent);

			while ((now() - start) * (double)rate < (double)sent)
				;
			memcpy(frame + 22, &seq, sizeof seq);
		}
		count = sendmmsg(fd, messages, (unsigned)count, 0);
		if (count > 0)
			left -= count, sent += count;
	}
	return 0;
}
