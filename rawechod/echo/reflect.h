/* The responder's fast path in C: one policy for the batch engine (batch.c) and for the kernel (reflect.bpf.c).
 *
 * It decides on valid echo requests to us (in loopback mode: on frames to be returned) and on nothing else. Every
 * other frame is left (RE_PASS) to reflector.py or loopback.py, which know all the reasons and count them; they
 * must agree, and the tests send the same frames through all of them. The constants come from rawechod/wire, by way of the generated constants.h.
 *
 * Who includes this defines RE_TAGS_IN_OCTETS and provides the tables: re_allowed, re_receive, re_find_peer,
 * re_count_peer, re_take, re_admit, re_admit_loop.
 */
#ifndef RAWECHO_REFLECT_H
#define RAWECHO_REFLECT_H

#include <linux/types.h>

#include "../packet/octets.h"
#include "constants.h"

/* What becomes of a frame. From RE_TOO_LONG on each is a drop reason. */
enum re_verdict {
	RE_PASS,
	RE_REPLY,  /* a request has become its reply, but for its residence */
	RE_RETURN, /* loopback mode: a frame has its addresses swapped */
	RE_TOO_LONG,
	RE_TAG_LOST,
	RE_PEER_RATE_LIMIT,
	RE_RATE_LIMIT,
	RE_STORM,
	RE_HEARD, /* a reply to a probe of this host; only the batch engine counts them: the kernel passes them on */
	RE_VERDICTS,
};

/* Written by the daemon; native.py has its layout. */
struct re_settings {
	__u64 mac;            /* our own, as re_mac reads it */
	__u64 cost;           /* rate limits: nanoseconds a frame, 0 = none */
	__u64 tolerance;
	__u64 peer_cost;
	__u64 peer_tolerance;
	__s64 clock_offset;   /* what to add to the clock below for nanoseconds since the epoch */
	__u32 longest;        /* octets of an untagged frame that the MTU lets us send */
	__u16 ethertype;      /* RE_ETH_P_ALL = every one */
	__u8 pae_group;       /* answer its requests too */
	__u8 loopback_device; /* addresses are zero there */
	__u8 allow_listed;    /* only some sources are answered */
	__u8 protocol_bound;  /* the tag of a frame for another host is gone */
	__u8 loopback;        /* mode "loopback", else "echo" */
	__u8 refused_count;
	__u32 session;        /* loopback: that of the storm breaker's questions */
	__u16 refused[RE_MOST_REFUSED]; /* loopback: EtherTypes that the host needs */
	__u16 dropped;        /* the kernel engine: frames that the socket's receive buffer has dropped */
	__u8 traced;          /* the kernel engine: somebody wants to know of each frame */
	__u8 zero[5];
};

/* What is known of a frame beside its octets. */
struct re_frame {
	__u8 *data;
	__u8 *end;         /* in the kernel: compared with by re_holds alone */
	__u32 length;      /* more than end - data where it was cut */
	__u16 tpid;        /* of a tag that is not in the octets, 0 = none */
	__u16 tci;
	__u8 other_host;
	__u64 monotonic;   /* now */
	__u64 received_at; /* nanoseconds since the epoch */
	__u16 dropped;     /* by the receive buffer, modulo 65536 */
};

/* A session's requests, as counters.py keeps them: how many, and which of the last 128. */
struct re_session {
	__u64 last; /* when the last one came, monotonic */
	__u64 count;
	__u64 recent[2]; /* bit i of both together: `highest` - i has been received */
	__u32 highest;
	__u32 jump; /* the last one that was too far ahead */
	__u32 jumped;
	__u32 zero;
};

/* What a reply says of its session; 0 = not kept. */
struct re_received {
	__u32 responder_seq;
	__u64 window;
};

/* A source MAC's bucket, and what peers.py counts of it; native.py has its layout. */
struct re_peer {
	__u64 due; /* when the bucket is full again, monotonic */
	__u64 received;
	__u64 replied;
	__u64 last; /* when the last frame came, monotonic */
};

/* Whether so many octets at `*at` are the frame's: asked right before each use of them.
 *
 * Without CAP_PERFMON kernels before Linux 6.17 also verify what a mispredicted branch could do, along which an earlier
 * comparison does not hold. So the kernel's program compares anew each time, and the compiler must not know better. For
 * the same reason whatever a function may leave unset has a value of its own kind before.
 */
RE_INLINE int re_holds(const struct re_frame *frame, __u8 **at, __u32 octets)
{
#ifdef __bpf__
	asm volatile("" : "+r"(*at));
#endif
	return *at + octets <= frame->end;
}

RE_INLINE int re_allowed(void *tables, __u64 mac);
RE_INLINE struct re_received re_receive(void *tables, __u64 mac, __u32 session, __u32 seq, __u64 now);
RE_INLINE int re_find_peer(void *tables, __u64 mac, __u64 now, struct re_peer **found);
RE_INLINE void re_count_peer(struct re_peer *peer, int replied, __u64 now);
RE_INLINE int re_take(__u64 *due, __u64 now, __u64 cost, __u64 tolerance);
RE_INLINE int re_admit(void *tables, const struct re_settings *settings, __u64 now);
RE_INLINE enum re_verdict re_admit_loop(void *tables, struct re_frame *frame, __u64 mac);

/* The generic cell rate algorithm: when the bucket would be full again, or 0 where this frame finds it empty. */
RE_INLINE __u64 re_next_due(__u64 due, __u64 now, __u64 cost, __u64 tolerance)
{
	if (due < now)
		due = now;
	return due - now > tolerance ? 0 : due + cost;
}

/* A session's count on the wire: 0 is "not kept", so 1 comes behind the largest. */
RE_INLINE __u32 re_responder_seq(__u64 count)
{
	return count <= RE_MOST_RESPONDER_SEQ ? count : (count - 1) % RE_MOST_RESPONDER_SEQ + 1;
}

#define RE_WINDOW_BITS 64
#define RE_HISTORY (2 * RE_WINDOW_BITS)
#define RE_FARTHEST (1U << 20)

/* A session with its first request. */
RE_INLINE struct re_session re_new_session(__u32 seq, __u64 now)
{
	return (struct re_session){.last = now, .count = 1, .recent = {1, 0}, .highest = seq};
}

/* What the reply to the request `behind` the highest says. So far back that the history ends within its window, the
 * window would say "not received" of what was forgotten. */
RE_INLINE struct re_received re_answer(const struct re_session *session, __u32 behind)
{
	struct re_received answer = {.responder_seq = re_responder_seq(session->count)};

	if (!behind)
		answer.window = session->recent[0];
	else if (behind < RE_WINDOW_BITS)
		answer.window = session->recent[0] >> behind | session->recent[1] << (RE_WINDOW_BITS - behind);
	else if (behind == RE_WINDOW_BITS)
		answer.window = session->recent[1];
	return answer;
}

/* Request `seq`, 0 to 127 ahead of the highest. */
RE_INLINE struct re_received re_advance(struct re_session *session, __u32 seq, __u32 ahead)
{
	if (ahead >= RE_WINDOW_BITS) {
		session->recent[1] = session->recent[0] << (ahead - RE_WINDOW_BITS);
		session->recent[0] = 0;
	} else if (ahead) {
		session->recent[1] = session->recent[1] << ahead | session->recent[0] >> (RE_WINDOW_BITS - ahead);
		session->recent[0] <<= ahead;
	}
	session->recent[0] |= 1;
	session->count += ahead != 0;
	session->highest = seq;
	return re_answer(session, 0);
}

/* The request so many, 1 to 127, before the highest. */
RE_INLINE struct re_received re_fill(struct re_session *session, __u32 behind)
{
	/* Bits, not the address of a word: without CAP_PERFMON that is one addition too many. */
	__u64 bit = 1ULL << (behind % RE_WINDOW_BITS), near = behind < RE_WINDOW_BITS ? bit : 0, far = bit ^ near;

	session->count += !(session->recent[0] & near || session->recent[1] & far);
	session->recent[0] |= near;
	session->recent[1] |= far;
	return re_answer(session, behind);
}

/* Record a request of a session. One that is far ahead is believed once another one follows it closely; one that is
 * far behind counts, though nobody knows whether it came before. */
RE_INLINE struct re_received re_record(struct re_session *session, __u32 seq, __u64 now)
{
	__u32 ahead = seq - session->highest, behind = session->highest - seq, step = seq - session->jump;

	session->last = now;
	if (ahead < RE_HISTORY)
		return re_advance(session, seq, ahead);
	if (behind < RE_HISTORY)
		return re_fill(session, behind);
	if (session->jumped && step > 0 && step < RE_WINDOW_BITS) {
		session->recent[0] = 1, session->recent[1] = 0;
		session->count++;
		session->jumped = 0;
		return re_advance(session, seq, step);
	}
	if (session->count > 1 && behind <= RE_FARTHEST) {
		session->count++;
		return (struct re_received){.responder_seq = re_responder_seq(session->count)};
	}
	session->jump = seq, session->jumped = 1;
	return (struct re_received){0};
}

/* The finders tell whether there is anything; comparing `*found` with 0 would take the kernel CAP_PERFMON. */

/* What is behind the tags and the EtherType. */
RE_INLINE int re_find_body(const struct re_frame *frame, __u16 *ethertype, __u32 *tags, __u8 **found)
{
	__u8 *at = frame->data + 12;

	if (!re_holds(frame, &at, 2))
		return 0;
	*ethertype = re_u16(at);
#pragma GCC unroll 3
	for (*tags = 0; *tags < RE_TAGS_IN_OCTETS; ++*tags) {
		if (*ethertype != RE_TPID_C && *ethertype != RE_TPID_S)
			break;
		at += RE_TAG_LENGTH;
		if (!re_holds(frame, &at, 2))
			return 0;
		*ethertype = re_u16(at);
	}
	*found = at + 2;
	return 1;
}

/* The Echo PDU in there, behind the envelope where there is one. */
RE_INLINE int
re_find_pdu(const struct re_frame *frame, __u8 *at, __u16 ethertype, __u32 tags, __u8 **found)
{
	/* Counted, not at - frame->data: subtracting pointers takes it too. */
	__u32 before = RE_HEADER_LENGTH + tags * RE_TAG_LENGTH + RE_EAPOL_LENGTH;
	__u16 length;

	if (ethertype < RE_SMALLEST_ETHERTYPE)
		return 0;
	if (ethertype == RE_ETH_P_PAE) {
		if (!re_holds(frame, &at, RE_EAPOL_LENGTH) || at[1] != RE_EAPOL_TYPE)
			return 0;
		length = re_u16(at + 2);
		at += RE_EAPOL_LENGTH;
		if (length < RE_PDU_LENGTH || length > frame->length - before)
			return 0;
	}
	if (!re_holds(frame, &at, RE_PDU_LENGTH))
		return 0;
	*found = at;
	return re_u16(at) == RE_MAGIC && at[2] == RE_VERSION;
}

RE_INLINE int re_is_refused(const struct re_settings *settings, __u16 ethertype)
{
	int index;

#pragma GCC unroll 8
	for (index = 0; index < RE_MOST_REFUSED; index++)
		if (index < settings->refused_count && ethertype == settings->refused[index])
			return 1;
	return 0;
}

/* RE_REPLY to a request at `*pdu`, RE_RETURN for whatever loopback mode returns, else RE_PASS; only the addresses
 * and the limits are not looked at. Of Echo PDUs loopback mode lets replies pass by, and the breaker's own
 * questions, which are for the daemon. */
RE_INLINE enum re_verdict
re_classify(const struct re_frame *frame, const struct re_settings *settings, __u8 **pdu)
{
	__u16 ethertype = 0;
	__u32 tags = 0;
	__u8 *body = frame->data, op;
	int has_pdu;

	if (!re_find_body(frame, &ethertype, &tags, &body))
		return RE_PASS;
	if (settings->ethertype != RE_ETH_P_ALL && settings->ethertype != ethertype)
		return RE_PASS;
	has_pdu = re_find_pdu(frame, body, ethertype, tags, pdu) && re_holds(frame, pdu, RE_PDU_LENGTH);
	if (!settings->loopback)
		return has_pdu && (*pdu)[RE_OP_OFFSET] == RE_REQUEST ? RE_REPLY : RE_PASS;
	if (re_is_refused(settings, ethertype))
		return RE_PASS;
	if (!has_pdu || !re_holds(frame, pdu, RE_PDU_LENGTH))
		return RE_RETURN;
	op = (*pdu)[RE_OP_OFFSET];
	if (op == RE_OP_REPLY || (op == RE_REQUEST && re_u32(*pdu + RE_SESSION_OFFSET) == settings->session))
		return RE_PASS;
	return RE_RETURN;
}

/* The residence of a reply that leaves at t3, both nanoseconds since the epoch; t2 = 0: not stamped. */
RE_INLINE __u32 re_residence(__u64 t2, __u64 t3)
{
	return t2 && t3 - t2 < RE_UNKNOWN_RESIDENCE ? (__u32)(t3 - t2) : RE_UNKNOWN_RESIDENCE;
}

RE_INLINE int re_is_our_group(const struct re_settings *settings, __u64 dst)
{
	return dst == RE_BROADCAST || (settings->pae_group && dst == RE_PAE_GROUP);
}

/* Whether a request from `src` to `dst` is ours to answer. */
RE_INLINE int re_is_for_us(void *tables, const struct re_settings *settings, __u64 dst, __u64 src)
{
	const __u64 group_bit = 1ULL << 40;

	if (src & group_bit)
		return 0;
	if (!settings->loopback_device && (src == 0 || src == settings->mac))
		return 0;
	if (dst != settings->mac && (settings->loopback || !re_is_our_group(settings, dst)))
		return 0;
	return !settings->allow_listed || re_allowed(tables, src);
}

/* Whether a packet socket would send it: above the MTU the kernel gives room for a C-tag alone. */
RE_INLINE int re_is_sendable(struct re_frame *frame, const struct re_settings *settings)
{
	__u16 outermost = frame->tpid;
	__u32 length = frame->length + (frame->tpid ? RE_TAG_LENGTH : 0);

	if (!outermost && re_holds(frame, &frame->data, RE_HEADER_LENGTH))
		outermost = re_u16(frame->data + 12);

	return length <= settings->longest + (outermost == RE_TPID_C ? RE_TAG_LENGTH : 0);
}

RE_INLINE void re_write_mac(__u8 *p, __u64 mac)
{
	p[0] = mac >> 40;
	p[1] = mac >> 32;
	re_put_u32(p + 2, (__u32)mac);
}

/* What becomes of a frame that is ours to answer: `verdict`, or why not. */
RE_INLINE enum re_verdict re_limit(void *tables, const struct re_settings *settings, struct re_frame *frame,
				   struct re_peer *peer, __u64 src, enum re_verdict verdict)
{
	enum re_verdict loop = RE_RETURN;

	if (!re_is_sendable(frame, settings))
		return RE_TOO_LONG;
	if (settings->protocol_bound && frame->other_host)
		return RE_TAG_LOST;
	if (verdict == RE_RETURN)
		loop = re_admit_loop(tables, frame, src);
	if (loop != RE_RETURN)
		return loop;
	if (settings->peer_cost && !re_take(&peer->due, frame->monotonic, settings->peer_cost, settings->peer_tolerance))
		return RE_PEER_RATE_LIMIT;
	if (settings->cost && !re_admit(tables, settings, frame->monotonic))
		return RE_RATE_LIMIT;
	return verdict;
}

/* Decide on a frame, and turn its octets into what goes back; with RE_REPLY `*pdu` is the PDU, for its residence. */
RE_INLINE enum re_verdict
re_decide(void *tables, const struct re_settings *settings, struct re_frame *frame, __u8 **pdu)
{
	enum re_verdict verdict = re_classify(frame, settings, pdu);
	struct re_received received = {0};
	struct re_peer *peer;
	__u64 dst, src;

	if (verdict == RE_PASS || !re_holds(frame, &frame->data, RE_HEADER_LENGTH))
		return RE_PASS;
	dst = re_mac(frame->data);
	src = re_mac(frame->data + 6);
	if (!re_is_for_us(tables, settings, dst, src) || !re_find_peer(tables, src, frame->monotonic, &peer))
		return RE_PASS;
	if (verdict == RE_REPLY && re_holds(frame, pdu, RE_PDU_LENGTH))
		received = re_receive(tables, src, re_u32(*pdu + RE_SESSION_OFFSET), re_u32(*pdu + RE_SEQ_OFFSET),
				      frame->monotonic);
	verdict = re_limit(tables, settings, frame, peer, src, verdict);
	if (verdict == RE_PASS)
		return RE_PASS; /* whoever decides on it counts it */
	re_count_peer(peer, verdict == RE_REPLY || verdict == RE_RETURN, frame->monotonic);
	if ((verdict != RE_REPLY && verdict != RE_RETURN) || !re_holds(frame, &frame->data, RE_HEADER_LENGTH))
		return verdict;
	re_write_mac(frame->data, src);
	re_write_mac(frame->data + 6, settings->mac);
	if (verdict == RE_REPLY && re_holds(frame, pdu, RE_PDU_LENGTH)) {
		(*pdu)[RE_OP_OFFSET] = RE_OP_REPLY;
		re_put_u32(*pdu + RE_RESPONDER_SEQ_OFFSET, received.responder_seq);
		re_put_u64(*pdu + RE_T2_OFFSET, frame->received_at);
		re_put_u64(*pdu + RE_WINDOW_OFFSET, received.window);
		re_put_u16(*pdu + RE_DROPPED_OFFSET, frame->dropped);
	}
	return verdict;
}

#endif
