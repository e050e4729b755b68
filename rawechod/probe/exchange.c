/* A probe at a high pace: requests of one shape out, and which of the frames that come in are replies to them as they
 * should be. Called through ctypes by exchange.py. All other frames are left to codec.py, which finds out what is
 * wrong with them.
 */
#define _GNU_SOURCE
#include "../packet/batch.h"
#include "../packet/octets.h"

/* What came; exchange.py has its layout. */
struct re_heard {
	__u64 received_at;
	__u64 t1, t2, window;
	__u32 seq, responder_seq, residence;
	__u16 dropped;
	__u16 intact; /* else it is codec.py's, and nothing else is filled in */
};

/* A frame of this session, and where its PDU is. */
struct shape {
	__u8 *octets;
	__u32 length;
	__u32 pdu;
};

/* exchange.py has the layout of the first three fields. */
struct re_exchange {
	struct re_heard heard[BATCH];
	__u64 t1[BATCH]; /* of the requests that were sent last */
	struct refusal refused[BATCH];
	struct batch frames;
	struct shape request, reply; /* without their numbers */
	__u8 tag[RE_TAG_LENGTH];
	__u8 tagged; /* the kernel will take this tag out of a reply */
};

/* Whether the octets up to here are the expected ones: from the destination to the PDU's session. */
static int head_matches(const struct shape *reply, const __u8 *octets)
{
	return memcmp(octets, reply->octets, reply->pdu + RE_SEQ_OFFSET) == 0;
}

static int payload_matches(const struct shape *reply, const __u8 *octets)
{
	__u32 payload = reply->pdu + RE_PDU_LENGTH;

	return memcmp(octets + payload, reply->octets + payload, reply->length - payload) == 0;
}

static int tag_matches(const struct re_exchange *exchange, const struct re_arrival *arrival)
{
	if (arrival->tagged != exchange->tagged)
		return 0;
	return !arrival->tagged || memcmp(arrival->tag, exchange->tag, RE_TAG_LENGTH) == 0;
}

static int is_intact(const struct re_exchange *exchange, const struct re_arrival *arrival)
{
	const struct shape *reply = &exchange->reply;

	if (arrival->length != reply->length || arrival->kept != reply->length)
		return 0;
	return tag_matches(exchange, arrival) && head_matches(reply, arrival->octets) &&
	       payload_matches(reply, arrival->octets);
}

static void read_reply(const __u8 *pdu, struct re_heard *heard)
{
	heard->intact = 1;
	heard->seq = re_u32(pdu + RE_SEQ_OFFSET);
	heard->responder_seq = re_u32(pdu + RE_RESPONDER_SEQ_OFFSET);
	heard->t1 = re_u64(pdu + RE_T1_OFFSET);
	heard->t2 = re_u64(pdu + RE_T2_OFFSET);
	heard->residence = re_u32(pdu + RE_RESIDENCE_OFFSET);
	heard->window = re_u64(pdu + RE_WINDOW_OFFSET);
	heard->dropped = re_u16(pdu + RE_DROPPED_OFFSET);
}

/* Hear at most BATCH frames: how many, or minus the errno. */
int re_exchange_hear(struct re_exchange *exchange)
{
	int count = batch_take(&exchange->frames), slot;

	for (slot = 0; slot < count; slot++) {
		const struct re_arrival *arrival = &exchange->frames.arrivals[slot];

		exchange->heard[slot].received_at = arrival->received_at;
		exchange->heard[slot].intact = 0;
		if (is_intact(exchange, arrival))
			read_reply(arrival->octets + exchange->reply.pdu, &exchange->heard[slot]);
		else
			batch_keep(&exchange->frames, slot);
	}
	batch_release(&exchange->frames, count);
	return count;
}

void re_exchange_look(const struct re_exchange *exchange, int slot, struct re_arrival *out)
{
	*out = exchange->frames.arrivals[slot];
}

/* Send a frame: 0 or the errno. */
static int send_frame(int fd, const __u8 *frame, __u32 length)
{
	if (send(fd, frame, length, MSG_DONTWAIT) >= 0)
		return 0;
	/* ENETDOWN is possibly left over from before the interface came up. */
	if (errno == ENETDOWN && send(fd, frame, length, MSG_DONTWAIT) >= 0)
		return 0;
	return errno;
}

/* Send requests with these consecutive numbers, at most BATCH: how many the kernel refused. One by one, for the last
 * of a batch leaves long after the first, and each tells its own time. With a full queue the rest is refused, too. */
int re_exchange_send(struct re_exchange *exchange, __u32 first, int count)
{
	const struct shape *request = &exchange->request;
	int index, refusals = 0, error = 0;

	for (index = 0; index < count; index++) {
		exchange->t1[index] = clock_ns(CLOCK_REALTIME);
		re_put_u32(request->octets + request->pdu + RE_SEQ_OFFSET, first + (__u32)index);
		re_put_u64(request->octets + request->pdu + RE_T1_OFFSET, exchange->t1[index]);
		if (error != EAGAIN)
			error = send_frame(exchange->frames.fd, request->octets, request->length);
		if (error)
			exchange->refused[refusals++] = (struct refusal){.index = index, .error = error};
	}
	return refusals;
}

/* Make room for the two shapes; 0 where there is no memory. */
static int allocate(struct re_exchange *exchange, __u32 request_length, __u32 reply_length)
{
	exchange->request.octets = calloc(1, request_length);
	exchange->reply.octets = calloc(1, reply_length);
	return exchange->request.octets && exchange->reply.octets;
}

/* Frames that found the receive buffer full, since the socket was opened. */
__u64 re_exchange_dropped(struct re_exchange *exchange)
{
	batch_count_dropped(&exchange->frames);
	return exchange->frames.dropped;
}

void re_exchange_free(struct re_exchange *exchange)
{
	batch_close(&exchange->frames);
	free(exchange->request.octets);
	free(exchange->reply.octets);
	free(exchange);
}

/* Frames are cut at slot_size octets; the socket has a ring of this shape; the lengths are those of both shapes. */
struct re_exchange *re_exchange_new(int fd, __u32 slot_size, __u32 ring_frame_size, __u32 ring_frames,
				    __u32 request_length, __u32 reply_length)
{
	struct re_exchange *exchange = calloc(1, sizeof *exchange);

	if (!exchange)
		return NULL;
	if (batch_open(&exchange->frames, fd, slot_size, ring_frame_size, ring_frames) &&
	    allocate(exchange, request_length, reply_length)) {
		exchange->request.length = request_length;
		exchange->reply.length = reply_length;
		return exchange;
	}
	re_exchange_free(exchange);
	return NULL;
}

/* What requests and replies look like from now on; a tag is TPID and TCI, 0 = none. */
void re_exchange_adopt(struct re_exchange *exchange, const __u8 *request, __u32 request_pdu, const __u8 *reply,
		       __u32 reply_pdu, __u32 tag)
{
	memcpy(exchange->request.octets, request, exchange->request.length);
	memcpy(exchange->reply.octets, reply, exchange->reply.length);
	exchange->request.pdu = request_pdu;
	exchange->reply.pdu = reply_pdu;
	exchange->tagged = tag != 0;
	re_put_u32(exchange->tag, tag);
}
