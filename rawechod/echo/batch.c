/* The batch engine: recvmmsg, re_decide for each frame, sendmmsg. Called through ctypes by accelerator.py.
 *
 * A frame is received 4 octets into its slot, so that the tag which the kernel took out goes back without
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

#define BATCH 64
#define WAYS 8
#define SILENCE 60000000000ULL /* after which a session may be forgotten: counters.py, SessionTable.SILENCE */
#define SECOND 1000000000ULL

struct peer {
	__u64 mac;
	__u64 due;
};

struct session {
	__u64 mac;
	__u64 last;
	__u32 number;
	__u32 count;
};

/* Both tables are sets of WAYS entries: what finds its set full of entries in use is not kept. */
struct tables {
	__u64 due;
	__u64 strangers;
	struct peer peers[RE_MOST_PEERS / WAYS][WAYS];
	struct session sessions[RE_MOST_SESSIONS / WAYS][WAYS];
};

struct ancillary {
	_Alignas(struct cmsghdr) __u8 octets[96];
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
	struct tables tables;
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

static __u32 hashed(__u64 key)
{
	return (__u32)((key * 0x9E3779B97F4A7C15ULL) >> 40);
}

RE_INLINE int re_allowed(void *tables, __u64 mac)
{
	(void)tables, (void)mac;
	return 0; /* lists are reflector.py's */
}

RE_INLINE __u32 re_count_session(void *in, __u64 mac, __u32 number, __u64 now)
{
	struct tables *tables = in;
	struct session *set = tables->sessions[hashed(mac ^ (__u64)number << 17) % (RE_MOST_SESSIONS / WAYS)];
	struct session *free = NULL;
	int way;

	for (way = 0; way < WAYS; way++) {
		if (set[way].count && set[way].mac == mac && set[way].number == number) {
			set[way].last = now;
			return ++set[way].count;
		}
		if (!free && (!set[way].count || now - set[way].last >= SILENCE))
			free = &set[way];
	}
	if (!free)
		return 0;
	*free = (struct session){.mac = mac, .last = now, .number = number, .count = 1};
	return 1;
}

static int take(__u64 *due, __u64 now, __u64 cost, __u64 tolerance)
{
	__u64 next = re_next_due(*due, now, cost, tolerance);

	if (next)
		*due = next;
	return next != 0;
}

RE_INLINE int re_admit(void *tables, const struct re_settings *settings, __u64 now)
{
	return take(&((struct tables *)tables)->due, now, settings->cost, settings->tolerance);
}

RE_INLINE int re_admit_peer(void *in, const struct re_settings *settings, __u64 mac, __u64 now)
{
	struct tables *tables = in;
	struct peer *set = tables->peers[hashed(mac) % (RE_MOST_PEERS / WAYS)];
	struct peer *found = NULL;
	int way;

	for (way = 0; way < WAYS; way++) {
		if (set[way].mac == mac) {
			found = &set[way];
			break;
		}
		if (!found && set[way].due <= now)
			found = &set[way]; /* full again: forgetting it changes nothing */
	}
	if (!found)
		return take(&tables->strangers, now, settings->peer_cost, settings->peer_tolerance);
	found->mac = mac;
	return take(&found->due, now, settings->peer_cost, settings->peer_tolerance);
}

RE_INLINE enum re_verdict re_admit_loop(void *tables, const struct re_frame *frame, __u64 mac)
{
	(void)tables, (void)frame, (void)mac;
	return RE_PASS; /* loopback mode is loopback.py's */
}

/* The tag that the kernel took out (its four octets, or none) and the receive stamp. */
static int read_ancillary(struct msghdr *message, __u8 *tag, __u64 *received_at)
{
	struct cmsghdr *part;
	int tagged = 0;

	for (part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		if (part->cmsg_level == SOL_PACKET && part->cmsg_type == PACKET_AUXDATA) {
			struct tpacket_auxdata *aux = (struct tpacket_auxdata *)CMSG_DATA(part);
			__u16 tpid = aux->tp_status & TP_STATUS_VLAN_TPID_VALID ? aux->tp_vlan_tpid : RE_TPID_C;

			tagged = !!(aux->tp_status & TP_STATUS_VLAN_VALID);
			tag[0] = tpid >> 8, tag[1] = tpid & 0xff;
			tag[2] = aux->tp_vlan_tci >> 8, tag[3] = aux->tp_vlan_tci & 0xff;
		} else if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec *stamp = (struct timespec *)CMSG_DATA(part);

			*received_at = (__u64)stamp->tv_sec * SECOND + (__u64)stamp->tv_nsec;
		}
	}
	return tagged;
}

/* Queue a reply, its tag put back. */
static void queue_reply(struct re_batch *batch, struct re_frame *frame, const __u8 *tag, int tagged, int index)
{
	__u8 *start = frame->data;

	if (tagged) {
		start -= RE_TAG_LENGTH;
		memmove(start, frame->data, 12);
		memcpy(start + 12, tag, RE_TAG_LENGTH);
	}
	batch->send_vectors[index].iov_base = start;
	batch->send_vectors[index].iov_len = (size_t)(frame->end - start);
}

/* Decide on the frame in a slot; whether it became reply number `replies`. */
static int serve_frame(struct re_batch *batch, int slot, int replies)
{
	struct mmsghdr *message = &batch->received[slot];
	struct re_frame frame = {.data = batch->receive_vectors[slot].iov_base, .length = message->msg_len};
	__u32 kept = message->msg_len < batch->slot_size ? message->msg_len : batch->slot_size;
	__u8 tag[RE_TAG_LENGTH], *pdu = 0;
	enum re_verdict verdict = RE_PASS;
	int tagged = read_ancillary(&message->msg_hdr, tag, &frame.received_at);

	frame.tpid = tagged ? re_u16(tag) : 0;
	frame.end = frame.data + kept;
	frame.other_host = batch->addresses[slot].sll_pkttype == PACKET_OTHERHOST;
	frame.monotonic = clock_ns(CLOCK_MONOTONIC);
	if (batch->addresses[slot].sll_pkttype != PACKET_OUTGOING)
		verdict = re_decide(&batch->tables, &batch->settings, &frame, &pdu);
	batch->verdicts[verdict]++;
	if (verdict == RE_PASS)
		batch->unhandled[batch->unhandled_count++] = slot;
	if (verdict != RE_REPLY)
		return 0;
	re_put_u64(pdu + RE_T3_OFFSET, clock_ns(CLOCK_REALTIME));
	queue_reply(batch, &frame, tag, tagged, replies);
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

struct re_batch *re_batch_new(int fd, __u32 slot_size)
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
	return batch;
}

void re_batch_free(struct re_batch *batch)
{
	free(batch->slots);
	free(batch);
}

/* Serve one batch: the number of frames received, or minus the errno. */
int re_batch_serve(struct re_batch *batch)
{
	int count, index, replies = 0;

	for (index = 0; index < BATCH; index++) {
		batch->received[index].msg_hdr.msg_namelen = sizeof batch->addresses[index];
		batch->received[index].msg_hdr.msg_controllen = sizeof batch->ancillary[index];
	}
	batch->unhandled_count = batch->refused_count = 0;
	count = recvmmsg(batch->fd, batch->received, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (index = 0; index < count; index++)
		replies += serve_frame(batch, index, replies);
	send_replies(batch, replies);
	return count;
}

/* What Python needs of one unhandled frame: its octets, and the rest as in batch.py's Received. */
struct re_unhandled {
	const __u8 *octets;
	__u64 received_at;
	__u32 kept;
	__u32 length;
	__u32 packet_type;
	__s32 tagged;
	__u8 tag[RE_TAG_LENGTH];
};

void re_batch_look(struct re_batch *batch, int slot, struct re_unhandled *out)
{
	struct mmsghdr *message = &batch->received[slot];

	memset(out, 0, sizeof *out);
	out->octets = batch->receive_vectors[slot].iov_base;
	out->length = message->msg_len;
	out->kept = message->msg_len < batch->slot_size ? message->msg_len : batch->slot_size;
	out->packet_type = batch->addresses[slot].sll_pkttype;
	out->tagged = read_ancillary(&message->msg_hdr, out->tag, &out->received_at);
}
