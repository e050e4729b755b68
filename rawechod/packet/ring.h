/* A receive ring (PACKET_RX_RING, TPACKET_V2) of a socket: the kernel writes frames where we read them, without a
 * system call. packet/socket.py asks for it before binding. */
#ifndef RAWECHO_RING_H
#define RAWECHO_RING_H

#include <linux/if_packet.h>
#include <linux/types.h>
#include <sys/mman.h>
#include <sys/socket.h>

struct ring {
	__u8 *memory; /* 0 where there is none */
	__u32 frame_size;
	__u32 frames;
	__u32 next;
};

/* Map the socket's ring of this shape, or of half as many frames and so on: the kernel grants what it has memory for. One
 * that can't be mapped is given back: the kernel would go on writing to it, and recvmsg would hear nothing. */
static inline void ring_open(struct ring *ring, int fd, __u32 frame_size, __u32 frames)
{
	const struct tpacket_req none = {0};

	for (; frames; frames /= 2) {
		void *memory = mmap(NULL, (size_t)frames * frame_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (memory != MAP_FAILED) {
			*ring = (struct ring){.memory = memory, .frame_size = frame_size, .frames = frames};
			return;
		}
	}
	setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &none, sizeof none);
}

static inline void ring_close(struct ring *ring)
{
	if (ring->memory)
		munmap(ring->memory, (size_t)ring->frames * ring->frame_size);
}

static inline struct tpacket2_hdr *ring_at(const struct ring *ring, __u32 ahead)
{
	return (void *)(ring->memory + (size_t)((ring->next + ahead) % ring->frames) * ring->frame_size);
}

/* The frame so many places ahead, 0 where it has not come yet; once around the ring all have been seen. */
static inline struct tpacket2_hdr *ring_peek(const struct ring *ring, __u32 ahead)
{
	struct tpacket2_hdr *header = ring_at(ring, ahead);

	if (ahead >= ring->frames)
		return NULL;
	return __atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER ? header : NULL;
}

/* Give the next frames, which have been peeked at, back to the kernel. */
static inline void ring_release(struct ring *ring, __u32 count)
{
	for (; count; count--) {
		__atomic_store_n(&ring_at(ring, 0)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
		ring->next = (ring->next + 1) % ring->frames;
	}
}

#endif
