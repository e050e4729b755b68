/* The receive ring of packet/ring.h against a kernel that is played here: each frame is taken once and in order, whatever
 * the ring's size is and however full it runs. `ring FRAMES` says how many frames it has. */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "../../rawechod/packet/batch.h"

#define FRAME_SIZE 256
#define ROUNDS 2000
#define CHECK(holds) ((holds) ? (void)0 : fail(#holds, __LINE__))

static struct batch batch;
static __u32 place;        /* where the kernel writes next */
static __u64 sent, heard; /* frames so far */

static void fail(const char *what, int line)
{
	fprintf(stderr, "ring of %u, line %d: %s\n", batch.ring.frames, line, what);
	exit(1);
}

/* What the kernel does with a frame: whether there was room for it. */
static int put(void)
{
	__u8 *slot = batch.ring.memory + (size_t)place * FRAME_SIZE;
	struct tpacket2_hdr *header = (void *)slot;

	if (header->tp_status != TP_STATUS_KERNEL)
		return 0;
	*header = (struct tpacket2_hdr){.tp_len = sizeof sent, .tp_snaplen = sizeof sent, .tp_mac = 96};
	memcpy(slot + header->tp_mac, &sent, sizeof sent);
	sent++;
	place = (place + 1) % batch.ring.frames;
	header->tp_status = TP_STATUS_USER;
	return 1;
}

/* Take a batch: how many. */
static int take(void)
{
	int count = batch_take(&batch), index;

	CHECK(count >= 0 && count <= BATCH);
	for (index = 0; index < count; index++) {
		__u64 number;

		memcpy(&number, batch.arrivals[index].octets, sizeof number);
		CHECK(number == heard + (__u64)index);
		CHECK(batch.arrivals[index].length == sizeof number && batch.arrivals[index].kept == sizeof number);
		if (number % 3 == 0)
			batch_keep(&batch, index);
	}
	heard += (__u64)count;
	batch_release(&batch, count);
	return count;
}

int main(int argc, char **argv)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), round;
	__u32 frames = argc > 1 ? (__u32)atoi(argv[1]) : 1;

	CHECK(fd >= 0 && batch_open(&batch, fd, FRAME_SIZE - 96, 0, 0));
	batch.ring = (struct ring){.memory = calloc(frames, FRAME_SIZE), .frame_size = FRAME_SIZE, .frames = frames};
	for (round = 0; round < ROUNDS; round++) {
		__u32 wanted = (__u32)round * 7919 % (2 * frames + 2), written = 0;

		while (written < wanted && put())
			written++;
		if (round % 2)
			take();
		else
			while (take() > 0)
				;
	}
	while (take() > 0)
		;
	CHECK(heard == sent && sent >= ROUNDS / 2);
	while (put())
		;
	CHECK(sent - heard == frames);
	CHECK(take() == (int)smaller(frames, BATCH));
	free(batch.ring.memory);
	batch.ring.memory = NULL;
	batch_close(&batch);
	close(fd);
	return 0;
}
