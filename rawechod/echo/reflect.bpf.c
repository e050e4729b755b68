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

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RE_MOST_SESSIONS);
	__type(key, struct session);
	__type(value, struct re_session);
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
	__u8 head[RE_HEAD_LENGTH]; /* of one of its frames: what is behind the addresses */
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
	struct re_session *state = bpf_map_lookup_elem(&sessions, &key), fresh = re_new_session(seq, now);

	if (state)
		return re_record(state, seq, now);
	/* Full: not kept. Another CPU was quicker: not counted, for this once. */
	if (bpf_map_update_elem(&sessions, &key, &fresh, BPF_NOEXIST))
		return (struct re_received){0};
	return re_answer(&fresh, 0);
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

RE_INLINE enum re_verdict re_admit_loop(void *tables, const struct re_frame *frame, __u64 mac)
{
	struct loop *loop = bpf_map_lookup_elem(&loops, &mac), fresh = {.frames = 1};

	if (loop) {
		__sync_fetch_and_add(&loop->frames, 1);
		return loop->open ? RE_STORM : RE_RETURN;
	}
	if (frame->data + 12 + RE_HEAD_LENGTH > frame->end)
		return RE_PASS;
	__builtin_memcpy(fresh.head, frame->data + 12, RE_HEAD_LENGTH);
	/* Full: too many to watch. Another CPU was quicker: this frame is lost, once. */
	return bpf_map_update_elem(&loops, &mac, &fresh, BPF_NOEXIST) ? RE_STORM : RE_RETURN;
}

/* Native mode, on trial: wakes the daemon at the first answer. It never reads them: one that waits is enough. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} answered SEC(".maps");

RE_INLINE int answer(struct xdp_md *context)
{
	__u32 first = 0, verdict;
	struct re_settings *settings = bpf_map_lookup_elem(&settings_map, &first);
	__u64 *count;
	__u8 *pdu;
	struct re_frame frame = {
		.data = (__u8 *)(long)context->data,
		.end = (__u8 *)(long)context->data_end,
	};

	if (!settings)
		return XDP_PASS;
	frame.length = bpf_xdp_get_buff_len(context);
	frame.monotonic = bpf_ktime_get_ns();
	frame.received_at = frame.monotonic + settings->clock_offset;
	verdict = re_decide(0, settings, &frame, &pdu);
	if (verdict == RE_PASS)
		return XDP_PASS;
	/* Before anything is counted: behind a call the verifier does not know the verdict any more. */
	if (verdict == RE_REPLY)
		re_put_u32(pdu + RE_RESIDENCE_OFFSET, re_residence(frame.monotonic, bpf_ktime_get_ns()));
	count = bpf_map_lookup_elem(&verdicts, &verdict);
	if (count)
		*count += 1;
	return verdict == RE_REPLY || verdict == RE_RETURN ? XDP_TX : XDP_DROP;
}

SEC("xdp")
int reflect(struct xdp_md *context)
{
	return answer(context);
}

extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *, __be16 *, __u16 *) __ksym __weak;

/* Native mode. A tag that is beside the frame would not be in the reply: the socket answers such frames. Of the drivers
 * that can't be asked the daemon takes only those that leave tags in their frames. */
SEC("?xdp")
int reflect_native(struct xdp_md *context)
{
	__be16 tpid = 0; /* without CAP_PERFMON the kernel takes no address of what is not set */
	__u16 tci = 0;
	int action;

	if (!bpf_xdp_metadata_rx_vlan_tag(context, &tpid, &tci))
		return XDP_PASS;
	action = answer(context);
	if (action == XDP_TX && !bpf_ringbuf_query(&answered, BPF_RB_AVAIL_DATA))
		bpf_ringbuf_output(&answered, &action, sizeof action, 0);
	return action;
}

char _license[] SEC("license") = "Dual MIT/GPL";
