/* The batch engine: a ring of received frames (or recvmmsg), re_decide for each, sendmmsg. Called through ctypes
 * by accelerator.py.
 *
 * Before a frame there is room for 4 octets, so that the tag which the kernel took out goes back without
 * moving anything but the addresses; the reply leaves from the same octets. Frames that re_decide leaves are
 * listed for reflector.py.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define RE_TAGS_IN_OCTETS RE_MOST_TAGS
#include "reflect.h"
#include "ring.h"
#include "tables.h"

#define BATCH 64
#define SECOND 1000000000ULL

struct ancillary {
	_Alignas(struct cmsghdr) __u8 octets[96];
};

/* A received frame, and what the kernel says of it; accelerator.py has its layout. */
struct re_arrival {
	__u8 *octets;
	__u64 received_at;
	__u32 kept; /* octets: fewer than its length where it was cut */
	__u32 length;
	__u32 packet_type;
	__s32 tagged; /* the kernel took this tag out of it */
	__u8 tag[RE_TAG_LENGTH];
};

/* accelerator.py has the layout of the fields up to `refused_count`. */
struct re_batch {
	struct re_settings settings;
	__u64 verdicts[RE_VERDICTS]; /* frames so far; those for reflector.py under RE_PASS */
	__s32 unhandled[BATCH];      /* the slots of the last batch that are for reflector.py */
	__s32 refused[BATCH];        /* errnos of the last batch's replies that the kernel did not take */
	__s32 unhandled_count;
	__s32 refused_count;
	__s32 fd;
	__u32 slot_size;
	__u8 *slots;
	struct ring ring;
	struct tables tables;
	struct re_arrival arrivals[BATCH];
	struct mmsghdr received[BATCH], replies[BATCH];
	struct iovec receive_vectors[BATCH], send_vectors[BATCH];
	struct sockaddr_ll addresses[BATCH];
	struct ancillary ancillary[BATCH];
};

static __u64 clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (__u64)now.tv_sec * SECOND + (__u64)now.tv_nsec;
}

static void put_tag(struct re_arrival *arrival, __u32 status, __u16 tpid, __u16 tci)
{
	tpid = status & TP_STATUS_VLAN_TPID_VALID ? tpid : RE_TPID_C;
	arrival->tagged = !!(status & TP_STATUS_VLAN_VALID);
	arrival->tag[0] = tpid >> 8, arrival->tag[1] = tpid & 0xff;
	arrival->tag[2] = tci >> 8, arrival->tag[3] = tci & 0xff;
}

/* The tag that the kernel took out and the receive stamp. */
static void read_ancillary(struct msghdr *message, struct re_arrival *arrival)
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

static __u32 smaller(__u32 one, __u32 other)
{
	return one < other ? one : other;
}

/* Take at most BATCH frames by recvmmsg: how many, or minus the errno. */
static int take_messages(struct re_batch *batch)
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
	return count;
}

/* The socket's error, told once: 0 or minus the errno. */
static int take_error(int fd)
{
	int error = 0;
	socklen_t size = sizeof error;

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
}

/* Take at most BATCH frames out of the ring, in which they stay: how many, or minus the errno. */
static int take_ring(struct re_batch *batch)
{
	struct tpacket2_hdr *header;
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
	}
	return count ? count : take_error(batch->fd);
}

/* Queue a reply, its tag put back. */
static void queue_reply(struct re_batch *batch, struct re_frame *frame, const struct re_arrival *arrival, int index)
{
	__u8 *start = frame->data;

	if (arrival->tagged) {
		start -= RE_TAG_LENGTH;
		memmove(start, frame->data, 12);
		memcpy(start + 12, arrival->tag, RE_TAG_LENGTH);
	}
	batch->send_vectors[index].iov_base = start;
	batch->send_vectors[index].iov_len = (size_t)(frame->end - start);
}

/* List a frame for reflector.py, which looks at it when its place in the ring is gone. */
static void leave(struct re_batch *batch, int slot)
{
	struct re_arrival *arrival = &batch->arrivals[slot];
	__u8 *own = batch->receive_vectors[slot].iov_base;

	if (arrival->octets != own)
		memcpy(own, arrival->octets, arrival->kept);
	arrival->octets = own;
	batch->unhandled[batch->unhandled_count++] = slot;
}

/* Whether a frame that re_decide left is an echo reply. A prober of this host hears as many as it sends requests,
 * and so does the listener beside it. */
static int is_heard(const struct re_settings *settings, const struct re_frame *frame, const __u8 *pdu)
{
	if (!pdu || settings->loopback || pdu[RE_OP_OFFSET] != RE_OP_REPLY)
		return 0;
	if (re_u16(pdu) != RE_MAGIC || pdu[2] != RE_VERSION)
		return 0;
	return settings->loopback_device || re_mac(frame->data + 6) != settings->mac;
}

/* Decide on the frame in a slot; whether it became reply number `replies`. */
static int serve_frame(struct re_batch *batch, int slot, int replies)
{
	struct re_arrival *arrival = &batch->arrivals[slot];
	struct re_frame frame = {
		.data = arrival->octets,
		.end = arrival->octets + arrival->kept,
		.length = arrival->length,
		.tpid = arrival->tagged ? re_u16(arrival->tag) : 0,
		.tci = re_u16(arrival->tag + 2),
		.other_host = arrival->packet_type == PACKET_OTHERHOST,
		.monotonic = clock_ns(CLOCK_MONOTONIC),
		.received_at = arrival->received_at,
	};
	enum re_verdict verdict = RE_PASS;
	__u8 *pdu = 0;

	if (arrival->packet_type != PACKET_OUTGOING)
		verdict = re_decide(&batch->tables, &batch->settings, &frame, &pdu);
	if (verdict == RE_PASS && is_heard(&batch->settings, &frame, pdu))
		verdict = RE_HEARD;
	batch->verdicts[verdict]++;
	if (verdict == RE_PASS)
		leave(batch, slot);
	if (verdict != RE_REPLY && verdict != RE_RETURN)
		return 0;
	if (verdict == RE_REPLY)
		re_put_u64(pdu + RE_T3_OFFSET, clock_ns(CLOCK_REALTIME));
	queue_reply(batch, &frame, arrival, replies);
	return 1;
}

/* Send the replies. One that the kernel refuses is listed; with a full queue the rest is, too. */
static void send_replies(struct re_batch *batch, int replies)
{
	int done = 0, retried = 0;

	while (done < replies) {
		int sent = sendmmsg(batch->fd, batch->replies + done, (unsigned)(replies - done), MSG_DONTWAIT);

		if (sent > 0) {
			done += sent;
			continue;
		}
		if (errno == ENETDOWN && !retried) {
			retried = 1; /* possibly left over from before the interface came up */
			continue;
		}
		do
			batch->refused[batch->refused_count++] = errno;
		while (++done < replies && errno == EAGAIN);
	}
}

struct re_batch *re_batch_new(int fd, __u32 slot_size, __u32 ring_frame_size, __u32 ring_frames)
{
	struct re_batch *batch = calloc(1, sizeof *batch);
	int index;

	if (!batch)
		return NULL;
	batch->fd = fd;
	batch->slot_size = slot_size;
	batch->slots = calloc(BATCH, slot_size + RE_TAG_LENGTH);
	if (!batch->slots) {
		free(batch);
		return NULL;
	}
	for (index = 0; index < BATCH; index++) {
		batch->receive_vectors[index].iov_base = batch->slots + (size_t)index * (slot_size + RE_TAG_LENGTH) + RE_TAG_LENGTH;
		batch->receive_vectors[index].iov_len = slot_size;
		batch->received[index].msg_hdr.msg_iov = &batch->receive_vectors[index];
		batch->received[index].msg_hdr.msg_iovlen = 1;
		batch->received[index].msg_hdr.msg_name = &batch->addresses[index];
		batch->received[index].msg_hdr.msg_control = &batch->ancillary[index];
		batch->replies[index].msg_hdr.msg_iov = &batch->send_vectors[index];
		batch->replies[index].msg_hdr.msg_iovlen = 1;
	}
	ring_open(&batch->ring, fd, ring_frame_size, ring_frames);
	return batch;
}

void re_batch_free(struct re_batch *batch)
{
	ring_close(&batch->ring);
	free(batch->slots);
	free(batch);
}

/* Serve one batch: the number of frames received, or minus the errno. */
int re_batch_serve(struct re_batch *batch)
{
	int count, index, replies = 0;

	batch->unhandled_count = batch->refused_count = 0;
	count = batch->ring.memory ? take_ring(batch) : take_messages(batch);
	for (index = 0; index < count; index++)
		replies += serve_frame(batch, index, replies);
	send_replies(batch, replies);
	if (batch->ring.memory && count > 0)
		ring_release(&batch->ring, (__u32)count);
	return count;
}

int re_batch_take_loops(struct re_batch *batch, struct re_loop *out)
{
	return take_loops(&batch->tables, out);
}

void re_batch_open_loops(struct re_batch *batch, const __u64 *peers, int count)
{
	open_loops(&batch->tables, peers, count);
}

void re_batch_look(const struct re_batch *batch, int slot, struct re_arrival *out)
{
	*out = batch->arrivals[slot];
}
