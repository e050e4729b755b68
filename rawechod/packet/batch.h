/* Many frames at once from and to a packet socket: in by a ring or recvmmsg, out by sendmmsg. For the batch engine
 * (echo/batch.c) and the probe at a high pace (probe/exchange.c).
 *
 * Before a frame that was received there is room for 4 octets, so that the tag which the kernel took out can go back
 * without moving anything but the addresses.
 */
#ifndef RAWECHO_BATCH_H
#define RAWECHO_BATCH_H

#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "constants.h"
#include "ring.h"

#define BATCH 64
#define SECOND 1000000000ULL

struct ancillary {
	_Alignas(struct cmsghdr) __u8 octets[96];
};

/* A received frame, and what the kernel says of it; compiled.py has its layout. */
struct re_arrival {
	__u8 *octets;
	__u64 received_at;
	__u32 kept; /* octets: fewer than its length where it was cut */
	__u32 length;
	__u32 packet_type;
	__s32 tagged; /* the kernel took this tag out of it */
	__u8 tag[RE_TAG_LENGTH];
};

/* A frame that the kernel did not take; likewise. */
struct refusal {
	__s32 index;
	__s32 error;
};

struct batch {
	__s32 fd;
	__u32 slot_size;
	__u8 *slots;
	__u64 dropped; /* frames that found the receive buffer full: since the socket was opened, as far as told */
	struct ring ring;
	struct re_arrival arrivals[BATCH];
	struct mmsghdr received[BATCH], sent[BATCH];
	struct iovec receive_vectors[BATCH], send_vectors[BATCH];
	struct sockaddr_ll addresses[BATCH];
	struct ancillary ancillary[BATCH];
};

static inline __u64 clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (__u64)now.tv_sec * SECOND + (__u64)now.tv_nsec;
}

static inline __u32 smaller(__u32 one, __u32 other)
{
	return one < other ? one : other;
}

static inline void put_tag(struct re_arrival *arrival, __u32 status, __u16 tpid, __u16 tci)
{
	tpid = status & TP_STATUS_VLAN_TPID_VALID ? tpid : RE_TPID_C;
	arrival->tagged = !!(status & TP_STATUS_VLAN_VALID);
	arrival->tag[0] = tpid >> 8, arrival->tag[1] = tpid & 0xff;
	arrival->tag[2] = tci >> 8, arrival->tag[3] = tci & 0xff;
}

/* The tag that the kernel took out and the receive stamp. */
static inline void read_ancillary(struct msghdr *message, struct re_arrival *arrival)
{
	struct cmsghdr *part;

	for (part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level == SOL_PACKET && part->cmsg_type == PACKET_AUXDATA) {
			struct tpacket_auxdata *aux = (struct tpacket_auxdata *)CMSG_DATA(part);

			put_tag(arrival, aux->tp_status, aux->tp_vlan_tpid, aux->tp_vlan_tci);
		} else if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec *stamp = (struct timespec *)CMSG_DATA(part);

			arrival->received_at = (__u64)stamp->tv_sec * SECOND + (__u64)stamp->tv_nsec;
		}
	}
}

/* Count what found the receive buffer full since the last time: whoever reads it takes it away from all others. */
static inline void batch_count_dropped(struct batch *batch)
{
	struct tpacket_stats told = {0};
	socklen_t size = sizeof told;

	if (getsockopt(batch->fd, SOL_PACKET, PACKET_STATISTICS, &told, &size) == 0)
		batch->dropped += told.tp_drops;
}

/* Take at most BATCH frames by recvmmsg: how many, or minus the errno. */
static inline int take_messages(struct batch *batch)
{
	int count, index;

	for (index = 0; index < BATCH; index++) {
		batch->received[index].msg_hdr.msg_namelen = sizeof batch->addresses[index];
		batch->received[index].msg_hdr.msg_controllen = sizeof batch->ancillary[index];
	}
	count = recvmmsg(batch->fd, batch->received, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (index = 0; index < count; index++) {
		struct mmsghdr *message = &batch->received[index];

		batch->arrivals[index] = (struct re_arrival){
			.octets = batch->receive_vectors[index].iov_base,
			.kept = smaller(message->msg_len, batch->slot_size),
			.length = message->msg_len,
			.packet_type = batch->addresses[index].sll_pkttype,
		};
		read_ancillary(&message->msg_hdr, &batch->arrivals[index]);
	}
	if (count)
		batch_count_dropped(batch);
	return count;
}

/* The socket's error, told once: 0 or minus the errno. */
static inline int take_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof error;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
}

/* Take at most BATCH frames out of the ring, in which they stay: how many, or minus the errno. */
static inline int take_ring(struct batch *batch)
{
	struct tpacket2_hdr *header;
	__u32 status = 0;
	int count;

	for (count = 0; count < BATCH && (header = ring_peek(&batch->ring, (__u32)count)); count++) {
		struct sockaddr_ll *address = (void *)((__u8 *)header + TPACKET_ALIGN(sizeof *header));
		struct re_arrival *arrival = &batch->arrivals[count];

		arrival->octets = (__u8 *)header + header->tp_mac;
		arrival->received_at = header->tp_sec * SECOND + header->tp_nsec;
		arrival->kept = smaller(header->tp_snaplen, batch->slot_size);
		arrival->length = header->tp_len;
		arrival->packet_type = address->sll_pkttype;
		put_tag(arrival, header->tp_status, header->tp_vlan_tpid, header->tp_vlan_tci);
		status |= header->tp_status;
	}
	/* With a full batch too: what was lost behind the last frame nobody marks. */
	if (status & TP_STATUS_LOSING || count == (int)smaller(BATCH, batch->ring.frames))
		batch_count_dropped(batch);
	return count ? count : take_error(batch->fd);
}

/* Take at most BATCH frames: how many, or minus the errno. They are there until batch_release. */
static inline int batch_take(struct batch *batch)
{
	return batch->ring.memory ? take_ring(batch) : take_messages(batch);
}

/* Keep a frame until the next batch_take, when its place in the ring is gone. */
static inline void batch_keep(struct batch *batch, int slot)
{
	struct re_arrival *arrival = &batch->arrivals[slot];
	__u8 *own = batch->receive_vectors[slot].iov_base;

	if (arrival->octets != own)
		memcpy(own, arrival->octets, arrival->kept);
	arrival->octets = own;
}

static inline void batch_release(struct batch *batch, int count)
{
	if (batch->ring.memory && count > 0)
		ring_release(&batch->ring, (__u32)count);
}

/* Send `count` of send_vectors from `first` on, and put on a list which the kernel refused: how many. With a full queue it
 * refuses the rest, too. */
static inline int batch_send(struct batch *batch, int first, int count, struct refusal *refused)
{
	int done = first, end = first + count, retried = 0, refusals = 0;

	while (done < end) {
		int sent = sendmmsg(batch->fd, batch->sent + done, (unsigned)(end - done), MSG_DONTWAIT);

		if (sent > 0) {
			done += sent;
			continue;
		}
		if (errno == ENETDOWN && !retried) {
			retried = 1; /* possibly left over from before the interface came up */
			continue;
		}
		do
			refused[refusals++] = (struct refusal){.index = done, .error = errno};
		while (++done < end && errno == EAGAIN);
	}
	return refusals;
}

/* Frames are cut at slot_size octets; the socket's ring has this shape. 0 where there is no memory. */
static inline int batch_open(struct batch *batch, int fd, __u32 slot_size, __u32 ring_frame_size, __u32 ring_frames)
{
	size_t room = slot_size + RE_TAG_LENGTH;
	int index;

	batch->fd = fd;
	batch->slot_size = slot_size;
	batch->slots = calloc(BATCH, room);
	if (!batch->slots)
		return 0;
	for (index = 0; index < BATCH; index++) {
		batch->receive_vectors[index].iov_base = batch->slots + (size_t)index * room + RE_TAG_LENGTH;
		batch->receive_vectors[index].iov_len = slot_size;
		batch->received[index].msg_hdr.msg_iov = &batch->receive_vectors[index];
		batch->received[index].msg_hdr.msg_iovlen = 1;
		batch->received[index].msg_hdr.msg_name = &batch->addresses[index];
		batch->received[index].msg_hdr.msg_control = &batch->ancillary[index];
		batch->sent[index].msg_hdr.msg_iov = &batch->send_vectors[index];
		batch->sent[index].msg_hdr.msg_iovlen = 1;
	}
	ring_open(&batch->ring, fd, ring_frame_size, ring_frames);
	return 1;
}

static inline void batch_close(struct batch *batch)
{
	ring_close(&batch->ring);
	free(batch->slots);
}

#endif
