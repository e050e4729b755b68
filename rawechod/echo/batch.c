/* The batch engine: frames in (packet/batch.h), re_decide for each, replies out. Called through ctypes by accelerator.py.
 *
 * The reply leaves from the octets of the request. Frames that re_decide leaves are listed for reflector.py.
 */
#define _GNU_SOURCE
#include <string.h>

#define RE_TAGS_IN_OCTETS RE_MOST_TAGS
#include "../packet/batch.h"
#include "reflect.h"
#include "tables.h"

/* Replies that are stamped together and then sent together where many wait: the last of them leaves later than its residence
 * says by what sending the others takes. One by one they cost a system call each; docs/accuracy.md has both figures. */
#ifndef RE_CHUNK
#define RE_CHUNK 8
#endif

/* A frame of the last batch, for whoever traces; accelerator.py has its layout. */
struct re_traced {
	__u64 received_at;
	__u32 length;
	__u32 kept; /* of its octets */
	__u16 tpid; /* of the tag that the kernel took out, 0 = none */
	__u16 tci;
	__u8 packet_type;
	__u8 verdict; /* with RE_PASS the reflector's answer counts */
	__u8 refused; /* the kernel did not take the reply */
	__u8 zero;
	__u8 octets[RE_TRACED_OCTETS]; /* as it came */
};

/* accelerator.py has the layout of the fields up to `tracing`. */
struct re_batch {
	struct re_settings settings;
	__u64 verdicts[RE_VERDICTS];   /* frames so far; those for reflector.py under RE_PASS */
	__u64 dropped_before;          /* what the listener's former sockets dropped */
	__s32 unhandled[BATCH];        /* the slots of the last batch that are for reflector.py */
	struct refusal refused[BATCH]; /* the last batch's replies that the kernel did not take */
	__s32 unhandled_count;
	__s32 refused_count;
	__s32 tracing; /* fill in `traced` */
	struct re_traced traced[BATCH];
	__u8 reply_slots[BATCH]; /* whose reply is the first, the second, ... to be sent */
	__u8 *reply_pdus[BATCH]; /* where it wants its residence; 0 = nowhere */
	struct batch frames;
	struct tables *tables;
};

/* Keep of a frame what a trace shows, before it becomes the reply. */
static void trace_frame(struct re_traced *traced, const struct re_arrival *arrival)
{
	*traced = (struct re_traced){
		.received_at = arrival->received_at,
		.length = arrival->length,
		.kept = smaller(arrival->kept, RE_TRACED_OCTETS),
		.tpid = arrival->tagged ? re_u16(arrival->tag) : 0,
		.tci = re_u16(arrival->tag + 2),
		.packet_type = (__u8)arrival->packet_type,
	};
	memcpy(traced->octets, arrival->octets, traced->kept);
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
	batch->frames.send_vectors[index].iov_base = start;
	batch->frames.send_vectors[index].iov_len = (size_t)(frame->end - start);
}

/* Whether a frame that re_decide left is an echo reply to this host: its prober hears as many as it sends requests,
 * and so does the listener beside it. */
static int is_heard(const struct re_settings *settings, const struct re_frame *frame, const __u8 *pdu)
{
	if (!pdu || settings->loopback || pdu[RE_OP_OFFSET] != RE_OP_REPLY)
		return 0;
	if (re_u16(pdu) != RE_MAGIC || pdu[2] != RE_VERSION)
		return 0;
	if (re_mac(frame->data) != settings->mac)
		return 0;
	return settings->loopback_device || re_mac(frame->data + 6) != settings->mac;
}

/* Decide on the frame in a slot; whether it became reply number `replies`. `now` is monotonic. */
static int serve_frame(struct re_batch *batch, int slot, int replies, __u64 now)
{
	struct re_arrival *arrival = &batch->frames.arrivals[slot];
	struct re_frame frame = {
		.data = arrival->octets,
		.end = arrival->octets + arrival->kept,
		.length = arrival->length,
		.tpid = arrival->tagged ? re_u16(arrival->tag) : 0,
		.tci = re_u16(arrival->tag + 2),
		.other_host = arrival->packet_type == PACKET_OTHERHOST,
		.monotonic = now,
		.received_at = arrival->received_at,
		.dropped = (__u16)(batch->dropped_before + batch->frames.dropped),
	};
	enum re_verdict verdict = RE_PASS;
	__u8 *pdu = 0;

	if (batch->tracing)
		trace_frame(&batch->traced[slot], arrival);
	if (arrival->packet_type != PACKET_OUTGOING)
		verdict = re_decide(batch->tables, &batch->settings, &frame, &pdu);
	if (verdict == RE_PASS && is_heard(&batch->settings, &frame, pdu))
		verdict = RE_HEARD;
	batch->verdicts[verdict]++;
	batch->traced[slot].verdict = (__u8)verdict;
	if (verdict == RE_PASS) {
		batch_keep(&batch->frames, slot);
		batch->unhandled[batch->unhandled_count++] = slot;
	}
	if (verdict != RE_REPLY && verdict != RE_RETURN)
		return 0;
	queue_reply(batch, &frame, arrival, replies);
	batch->reply_slots[replies] = (__u8)slot;
	batch->reply_pdus[replies] = verdict == RE_REPLY ? pdu : 0;
	return 1;
}

/* Say of the replies from `first` up to `end` how long they were here, and send them. */
static void send_replies(struct re_batch *batch, int first, int end)
{
	struct refusal *refused = batch->refused + batch->refused_count;
	__u64 now = clock_ns(CLOCK_REALTIME);
	int index, count;

	for (index = first; index < end; index++) {
		__u8 *pdu = batch->reply_pdus[index];
		__u64 received_at = batch->frames.arrivals[batch->reply_slots[index]].received_at;

		if (pdu)
			re_put_u32(pdu + RE_RESIDENCE_OFFSET, re_residence(received_at, now));
	}
	count = batch_send(&batch->frames, first, end - first, refused);
	for (index = 0; index < count; index++)
		batch->traced[batch->reply_slots[refused[index].index]].refused = 1;
	batch->refused_count += count;
}

struct tables *re_tables_new(void)
{
	return new_tables();
}

void re_tables_free(struct tables *tables)
{
	free_tables(tables);
}

int re_tables_allow(struct tables *tables, const __u64 *macs, __u32 count)
{
	return allow(tables, macs, count);
}

/* Copy what is counted of each peer, and of all others: how many there are. */
int re_tables_peers(const struct tables *tables, __u64 *macs, struct re_peer *peers, struct re_peer *others)
{
	*others = tables->others;
	return copy_peers(tables, macs, peers);
}

int re_tables_sessions(const struct tables *tables, struct session *sessions, __u64 *due)
{
	*due = tables->due;
	return copy_sessions(tables, sessions);
}

void re_tables_forget(struct tables *tables)
{
	forget_all(tables);
}

/* Go on with what a former owner remembered, beside what is here. */
void re_tables_import(struct tables *tables, const struct session *sessions, __u32 session_count, const __u64 *macs,
		      const struct re_peer *peers, __u32 peer_count, __u64 forgotten, __u64 due)
{
	__u32 index;

	for (index = 0; index < session_count; index++)
		import_session(tables, sessions[index].mac, sessions[index].number, &sessions[index].state);
	for (index = 0; index < peer_count; index++)
		import_peer(tables, macs[index], &peers[index]);
	tables->others.received += forgotten;
	if (tables->due < due)
		tables->due = due;
}

int re_tables_take_loops(struct tables *tables, struct re_loop *out)
{
	return take_loops(tables, out);
}

void re_tables_open_loops(struct tables *tables, const __u64 *peers, int count)
{
	open_loops(tables, peers, count);
}

/* The tables must live as long as the batch. */
struct re_batch *re_batch_new(struct tables *tables, int fd, __u32 slot_size, __u32 ring_frame_size, __u32 ring_frames)
{
	struct re_batch *batch = calloc(1, sizeof *batch);

	if (batch)
		batch->tables = tables;
	if (batch && batch_open(&batch->frames, fd, slot_size, ring_frame_size, ring_frames))
		return batch;
	free(batch);
	return NULL;
}

void re_batch_free(struct re_batch *batch)
{
	batch_close(&batch->frames);
	free(batch);
}

/* Frames that this socket's receive buffer dropped so far. */
__u64 re_batch_dropped(struct re_batch *batch)
{
	batch_count_dropped(&batch->frames);
	return batch->frames.dropped;
}

/* Serve one batch: the number of frames received, or minus the errno. */
int re_batch_serve(struct re_batch *batch)
{
	int count, index, chunk, replies = 0, sent = 0;
	__u64 now = 0;

	batch->unhandled_count = batch->refused_count = 0;
	count = batch_take(&batch->frames);
	chunk = count > RE_CHUNK ? RE_CHUNK : 1; /* with few frames there is time for a call each */
	for (index = 0; index < count; index++) {
		if (sent == replies)
			now = clock_ns(CLOCK_MONOTONIC); /* the limits need no more than a look a chunk */
		replies += serve_frame(batch, index, replies, now);
		if (replies - sent == chunk || index == count - 1) {
			send_replies(batch, sent, replies);
			sent = replies;
		}
	}
	batch_release(&batch->frames, count);
	return count;
}

void re_batch_look(const struct re_batch *batch, int slot, struct re_arrival *out)
{
	*out = batch->frames.arrivals[slot];
}
