/* What the batch engine remembers of sessions and peers, in bounded memory; reflect.h asks it. */
#ifndef RAWECHO_TABLES_H
#define RAWECHO_TABLES_H

#include "reflect.h"

#define WAYS 8
#define SILENCE 60000000000ULL /* after which a session may be forgotten: counters.py, SessionTable.SILENCE */

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

#endif
