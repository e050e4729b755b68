/* The kernel engine: answers echo requests before the host's network stack sees them (XDP).
 *
 * What re_decide leaves goes on to the stack, and there to the epoll engine's socket, which stays open.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define RE_TAGS_IN_OCTETS (RE_MOST_TAGS + 1) /* the outermost too, which a socket's frames have beside them */
#include "reflect.h"

struct session {
	__u64 mac;
	__u32 session;
	__u32 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct re_settings);
} settings_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RE_VERDICTS);
	__type(key, __u32);
	__type(value, __u64);
} verdicts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* the listener's */
	__type(key, __u32);
	__type(value, __u64);
} bucket SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RE_MOST_PEERS); /* preallocated: 10,000 peers lie closer together */
	__type(key, __u64);
	__type(value, struct re_peer);
} peers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* whoever finds no room among the peers */
	__type(key, __u32);
	__type(value, struct re_peer);
} others SEC(".maps");

/* Several receive queues serve one session at once. */
struct kept {
	struct bpf_spin_lock lock;
	__u32 zero;
	struct re_session session;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RE_MOST_SESSIONS);
	__type(key, struct session);
	__type(value, struct kept);
} sessions SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RE_MOST_ALLOWED);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u8);
} allow SEC(".maps");

/* loopback mode: peers, and what they sent since the daemon looked; it deletes those that fell silent */
struct loop {
	__u64 frames;
	__u8 head[RE_HEAD_LENGTH]; /* of its latest frame: what is behind the addresses */
	__u8 open;                 /* the storm breaker is: nothing is returned */
	__u8 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RE_MOST_LOOPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct loop);
} loops SEC(".maps");

RE_INLINE int re_allowed(void *tables, __u64 mac)
{
	return bpf_map_lookup_elem(&allow, &mac) != 0;
}

RE_INLINE struct re_received re_receive(void *tables, __u64 mac, __u32 number, __u32 seq, __u64 now)
{
	struct session key = {.mac = mac, .session = number};
	struct kept *kept = bpf_map_lookup_elem(&sessions, &key);
	struct re_received answer;

	if (!kept) {
		struct kept fresh = {.session.last = now};

		/* Full, or another CPU was quicker. */
		bpf_map_update_elem(&sessions, &key, &fresh, BPF_NOEXIST);
		kept = bpf_map_lookup_elem(&sessions, &key);
	}
	if (!kept)
		return (struct re_received){0};
	bpf_spin_lock(&kept->lock);
	if (kept->session.count) {
		answer = re_record(&kept->session, seq, now);
	} else {
		kept->session = re_new_session(seq, now);
		answer = re_answer(&kept->session, 0);
	}
	bpf_spin_unlock(&kept->lock);
	return answer;
}

RE_INLINE int re_take(__u64 *due, __u64 now, __u64 cost, __u64 tolerance)
{
	int attempt;

#pragma unroll
	for (attempt = 0; attempt < 4; attempt++) {
		__u64 old = *(volatile __u64 *)due, next = re_next_due(old, now, cost, tolerance);

		if (!next)
			return 0;
		if (__sync_val_compare_and_swap(due, old, next) == old)
			return 1;
	}
	return 0; /* four CPUs in a row were quicker: that is a flood */
}

RE_INLINE int re_admit(void *tables, const struct re_settings *settings, __u64 now)
{
	__u32 first = 0;
	__u64 *due = bpf_map_lookup_elem(&bucket, &first);

	return due && re_take(due, now, settings->cost, settings->tolerance);
}

RE_INLINE int re_find_peer(void *tables, __u64 mac, __u64 now, struct re_peer **found)
{
	struct re_peer fresh = {};
	__u32 first = 0;

	if ((*found = bpf_map_lookup_elem(&peers, &mac)))
		return 1;
	/* Full: one of the others, until the daemon has made room. Another CPU was quicker: for this once. */
	if (bpf_map_update_elem(&peers, &mac, &fresh, BPF_NOEXIST))
		*found = bpf_map_lookup_elem(&others, &first);
	else
		*found = bpf_map_lookup_elem(&peers, &mac);
	return *found != 0;
}

RE_INLINE void re_count_peer(struct re_peer *peer, int replied, __u64 now)
{
	__sync_fetch_and_add(&peer->received, 1);
	if (replied)
		__sync_fetch_and_add(&peer->replied, 1);
	peer->last = now;
}

RE_INLINE enum re_verdict re_admit_loop(void *tables, struct re_frame *frame, __u64 mac)
{
	struct loop *loop = bpf_map_lookup_elem(&loops, &mac), fresh = {.frames = 1};

	if (loop) {
		if (frame->data + 12 + RE_HEAD_LENGTH <= frame->end)
			__builtin_memcpy(loop->head, frame->data + 12, RE_HEAD_LENGTH);
		__sync_fetch_and_add(&loop->frames, 1);
		return loop->open ? RE_STORM : RE_RETURN;
	}
	if (!re_holds(frame, &frame->data, 12 + RE_HEAD_LENGTH))
		return RE_PASS;
	__builtin_memcpy(fresh.head, frame->data + 12, RE_HEAD_LENGTH);
	/* Full: too many to watch. Another CPU was quicker: this frame is lost, once. */
	return bpf_map_update_elem(&loops, &mac, &fresh, BPF_NOEXIST) ? RE_STORM : RE_RETURN;
}

/* Native mode, on trial: wakes the daemon at the first answer. It never reads them: one that waits is enough. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16); /* one page, of any architecture's */
} answered SEC(".maps");

/* While somebody traces: each frame that is decided on here, as it came. kernel_engine.py has the layout. */
struct traced {
	__u64 received_at;
	__u32 length;
	__u32 verdict;
	__u8 octets[RE_TRACED_OCTETS]; /* zero behind the frame's end */
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} traces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1); /* those that found it full */
	__type(key, __u32);
	__type(value, __u64);
} untraced SEC(".maps");

/* Each CPU's, while it decides; not on the stack, where the verifier would walk all that follows twice. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct traced);
} tracing SEC(".maps");

RE_INLINE void begin_trace(struct xdp_md *context, const struct re_frame *frame)
{
	__u32 first = 0;
	struct traced *traced = bpf_map_lookup_elem(&tracing, &first);
	__u64 kept = frame->length;

	if (!traced || kept < RE_HEADER_LENGTH)
		return;
	__builtin_memset(traced->octets, 0, RE_TRACED_OCTETS);
	traced->received_at = frame->received_at;
	traced->length = frame->length;
	if (kept > RE_TRACED_OCTETS)
		kept = RE_TRACED_OCTETS;
	/* The verifier wants to see its bounds where it is used, one by one. */
	asm volatile("" : "+r"(kept));
	if (kept < RE_HEADER_LENGTH)
		return;
	asm volatile("" : "+r"(kept));
	if (kept <= RE_TRACED_OCTETS)
		bpf_xdp_load_bytes(context, 0, traced->octets, kept);
}

RE_INLINE void end_trace(__u32 verdict)
{
	__u32 first = 0;
	struct traced *traced = bpf_map_lookup_elem(&tracing, &first);
	__u64 *missed;

	if (!traced)
		return;
	traced->verdict = verdict;
	if (!bpf_ringbuf_output(&traces, traced, sizeof *traced, 0))
		return;
	missed = bpf_map_lookup_elem(&untraced, &first);
	if (missed)
		*missed += 1;
}

RE_INLINE int answer(struct xdp_md *context)
{
	__u32 first = 0, verdict;
	struct re_settings *settings = bpf_map_lookup_elem(&settings_map, &first);
	__u64 *count;
	struct re_frame frame = {
		.data = (__u8 *)(long)context->data,
		.end = (__u8 *)(long)context->data_end,
	};
	__u8 *pdu = frame.data;

	if (!settings)
		return XDP_PASS;
	frame.length = bpf_xdp_get_buff_len(context);
	frame.monotonic = bpf_ktime_get_ns();
	frame.received_at = frame.monotonic + settings->clock_offset;
	frame.dropped = settings->dropped;
	if (settings->traced)
		begin_trace(context, &frame);
	verdict = re_decide(0, settings, &frame, &pdu);
	if (verdict == RE_PASS)
		return XDP_PASS;
	/* Before anything is counted: behind a call the verifier does not know the verdict any more. */
	if (verdict == RE_REPLY && re_holds(&frame, &pdu, RE_PDU_LENGTH))
		re_put_u32(pdu + RE_RESIDENCE_OFFSET, re_residence(frame.monotonic, bpf_ktime_get_ns()));
	count = bpf_map_lookup_elem(&verdicts, &verdict);
	if (count)
		*count += 1;
	if (settings->traced)
		end_trace(verdict);
	return verdict == RE_REPLY || verdict == RE_RETURN ? XDP_TX : XDP_DROP;
}

SEC("xdp")
int reflect(struct xdp_md *context)
{
	return answer(context);
}

/* Native mode, where drivers leave tags in their frames; of the others the daemon takes only the one that can be asked
 * for them, which is an object of its own: where the kernel does not know the question, no program of it is loaded. */
#ifdef RE_ASK_FOR_TAGS
extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *, __be16 *, __u16 *) __ksym;

/* A tag that is beside the frame would not be in the reply: the socket answers such frames. */
RE_INLINE int has_tag_beside(struct xdp_md *context)
{
	__be16 tpid = 0; /* without CAP_PERFMON the kernel takes no address of what is not set */
	__u16 tci = 0;

	return !bpf_xdp_metadata_rx_vlan_tag(context, &tpid, &tci);
}
#else
RE_INLINE int has_tag_beside(struct xdp_md *context) { return 0; }
#endif

SEC("?xdp")
int reflect_native(struct xdp_md *context)
{
	int action;

	if (has_tag_beside(context))
		return XDP_PASS;
	action = answer(context);
	if (action == XDP_TX && !bpf_ringbuf_query(&answered, BPF_RB_AVAIL_DATA))
		bpf_ringbuf_output(&answered, &action, sizeof action, 0);
	return action;
}

char _license[] SEC("license") = "Dual MIT/GPL";
