/* What the batch engine remembers of sessions and peers, in bounded memory; reflect.h asks it. A listener keeps its tables
 * for as long as it is configured, whatever becomes of its sockets: each session and each bucket has one owner. */
#ifndef RAWECHO_TABLES_H
#define RAWECHO_TABLES_H

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "reflect.h"

#define WAYS 8
#define SILENCE 60000000000ULL /* after which a session may be forgotten: counters.py, SessionTable.SILENCE */

/* The MACs lie together, so that a look-up touches no more memory than it must. */
struct peers {
	__u64 macs[WAYS];
	struct re_peer entries[WAYS]; /* `last` = 0: free */
};

struct session {
	__u64 mac;
	__u32 number;
	__u32 used;
	struct re_session state;
};

/* Loopback mode: what a peer sent since the daemon looked. accelerator.py has its layout. */
struct re_loop {
	__u64 mac; /* 0 = free */
	__u64 frames;
	__u8 head[RE_HEAD_LENGTH]; /* of its latest frame: tags and EtherType */
	__u8 open;                 /* the storm breaker is: nothing is returned */
	__u8 zero;
};

/* The tables are sets of WAYS entries: what finds its set full of entries in use is not kept. */
struct tables {
	__u64 keys[3]; /* of the hash: strangers choose their MACs, and must not choose who shares a set with them */
	__u64 *allowed; /* MACs, ascending */
	size_t allowed_count;
	__u64 due;
	struct re_peer others; /* whoever finds no room, and the frames of those who were forgotten */
	struct peers peers[RE_MOST_PEERS / WAYS];
	struct session sessions[RE_MOST_SESSIONS / WAYS][WAYS];
	struct re_loop loops[RE_MOST_LOOPS / WAYS][WAYS];
};

/* Keyed multiply and shift, twice: 24 bits. */
static __u32 hashed(const struct tables *tables, __u64 key)
{
	key = (key ^ tables->keys[0]) * tables->keys[1];
	key = (key ^ key >> 32) * tables->keys[2];
	return (__u32)(key >> 40);
}

static struct tables *new_tables(void)
{
	struct tables *tables = calloc(1, sizeof *tables);

	if (tables && getrandom(tables->keys, sizeof tables->keys, 0) != sizeof tables->keys) {
		free(tables);
		return NULL;
	}
	if (tables)
		tables->keys[1] |= 1, tables->keys[2] |= 1;
	return tables;
}

static void free_tables(struct tables *tables)
{
	free(tables->allowed);
	free(tables);
}

/* Allow these sources, ascending, from now on: 0 where there is no memory. */
static int allow(struct tables *tables, const __u64 *macs, size_t count)
{
	__u64 *copy = malloc(count * sizeof *macs + 1);

	if (!copy)
		return 0;
	memcpy(copy, macs, count * sizeof *macs);
	free(tables->allowed);
	tables->allowed = copy, tables->allowed_count = count;
	return 1;
}

RE_INLINE int re_allowed(void *in, __u64 mac)
{
	const struct tables *tables = in;
	size_t low = 0, high = tables->allowed_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (tables->allowed[middle] == mac)
			return 1;
		if (tables->allowed[middle] < mac)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

/* A session's entry, a free one, or NULL where there is no room. */
static struct session *find_session(struct tables *tables, __u64 mac, __u32 number, __u64 now)
{
	struct session *set = tables->sessions[hashed(tables, mac ^ (__u64)number << 17) % (RE_MOST_SESSIONS / WAYS)];
	struct session *free = NULL;
	int way;

	for (way = 0; way < WAYS; way++) {
		if (set[way].used && set[way].mac == mac && set[way].number == number)
			return &set[way];
		if (!free && (!set[way].used || set[way].state.last + SILENCE <= now))
			free = &set[way];
	}
	if (free)
		free->used = 0;
	return free;
}

RE_INLINE struct re_received re_receive(void *tables, __u64 mac, __u32 number, __u32 seq, __u64 now)
{
	struct session *session = find_session(tables, mac, number, now);

	if (!session)
		return (struct re_received){0};
	if (session->used)
		return re_record(&session->state, seq, now);
	*session = (struct session){.mac = mac, .number = number, .used = 1, .state = re_new_session(seq, now)};
	return re_answer(&session->state, 0);
}

RE_INLINE int re_take(__u64 *due, __u64 now, __u64 cost, __u64 tolerance)
{
	__u64 next = re_next_due(*due, now, cost, tolerance);

	if (next)
		*due = next;
	return next != 0;
}

RE_INLINE int re_admit(void *tables, const struct re_settings *settings, __u64 now)
{
	return re_take(&((struct tables *)tables)->due, now, settings->cost, settings->tolerance);
}

/* An entry for a new peer: a free one, or that of the longest silent whose bucket is full again. */
static struct re_peer *new_peer(struct tables *tables, struct peers *set, __u64 mac, __u64 now)
{
	int way, oldest = WAYS;

	for (way = 0; way < WAYS; way++)
		if (set->entries[way].due <= now && (oldest == WAYS || set->entries[way].last < set->entries[oldest].last))
			oldest = way;
	if (oldest == WAYS)
		return &tables->others;
	tables->others.received += set->entries[oldest].received;
	set->entries[oldest] = (struct re_peer){0};
	set->macs[oldest] = mac;
	return &set->entries[oldest];
}

RE_INLINE int re_find_peer(void *in, __u64 mac, __u64 now, struct re_peer **found)
{
	struct tables *tables = in;
	struct peers *set = &tables->peers[hashed(tables, mac) % (RE_MOST_PEERS / WAYS)];
	int way;

	for (way = 0; way < WAYS && set->macs[way] != mac; way++)
		;
	*found = way < WAYS ? &set->entries[way] : new_peer(tables, set, mac, now);
	return 1;
}

RE_INLINE void re_count_peer(struct re_peer *peer, int replied, __u64 now)
{
	peer->received++;
	peer->replied += (__u64)replied;
	peer->last = now;
}

/* Go on with a session of a former owner; of two that are the same, with the one that was used last. */
static void import_session(struct tables *tables, __u64 mac, __u32 number, const struct re_session *state)
{
	struct session *session = find_session(tables, mac, number, state->last);

	if (session && (!session->used || session->state.last < state->last))
		*session = (struct session){.mac = mac, .number = number, .used = 1, .state = *state};
}

/* Go on with a peer of a former owner: its counts are added. */
static void import_peer(struct tables *tables, __u64 mac, const struct re_peer *state)
{
	struct re_peer *peer;

	re_find_peer(tables, mac, state->last, &peer);
	peer->received += state->received;
	peer->replied += state->replied;
	if (peer->last < state->last)
		peer->last = state->last;
	if (peer != &tables->others && peer->due < state->due)
		peer->due = state->due;
}

/* Copy the sessions in use: how many. */
static int copy_sessions(const struct tables *tables, struct session *out)
{
	const struct session *session = tables->sessions[0], *end = session + RE_MOST_SESSIONS;
	int count = 0;

	for (; session < end; session++)
		if (session->used)
			out[count++] = *session;
	return count;
}

/* Have no session and no peer any more. */
static void forget_all(struct tables *tables)
{
	tables->due = 0;
	tables->others = (struct re_peer){0};
	memset(tables->peers, 0, sizeof tables->peers);
	memset(tables->sessions, 0, sizeof tables->sessions);
}

/* Copy the entries in use: how many. */
static int copy_peers(const struct tables *tables, __u64 *macs, struct re_peer *out)
{
	int set, way, count = 0;

	for (set = 0; set < RE_MOST_PEERS / WAYS; set++)
		for (way = 0; way < WAYS; way++)
			if (tables->peers[set].entries[way].last) {
				macs[count] = tables->peers[set].macs[way];
				out[count++] = tables->peers[set].entries[way];
			}
	return count;
}

/* A peer's entry, or a free one; NULL where there is no room. */
static struct re_loop *find_loop(struct tables *tables, __u64 mac)
{
	struct re_loop *set = tables->loops[hashed(tables, mac) % (RE_MOST_LOOPS / WAYS)], *free = NULL;
	int way;

	for (way = 0; way < WAYS; way++) {
		if (set[way].mac == mac)
			return &set[way];
		if (!free && !set[way].mac)
			free = &set[way];
	}
	return free;
}

/* The tag that the kernel took out, and what is behind the addresses. */
static void copy_head(__u8 *head, const struct re_frame *frame)
{
	size_t kept = (size_t)(frame->end - frame->data) - 12, room = RE_HEAD_LENGTH;

	memset(head, 0, RE_HEAD_LENGTH);
	if (frame->tpid) {
		re_put_u32(head, (__u32)frame->tpid << 16 | frame->tci);
		head += RE_TAG_LENGTH, room -= RE_TAG_LENGTH;
	}
	memcpy(head, frame->data + 12, kept < room ? kept : room);
}

RE_INLINE enum re_verdict re_admit_loop(void *tables, struct re_frame *frame, __u64 mac)
{
	struct re_loop *loop = find_loop(tables, mac);

	if (!loop)
		return RE_STORM; /* too many to watch */
	loop->mac = mac;
	copy_head(loop->head, frame);
	loop->frames++;
	return loop->open ? RE_STORM : RE_RETURN;
}

/* Copy the entries in use, and begin anew: how many. Those that fell silent are forgotten. */
static int take_loops(struct tables *tables, struct re_loop *out)
{
	struct re_loop *loop = tables->loops[0], *end = loop + RE_MOST_LOOPS;
	int count = 0;

	for (; loop < end; loop++) {
		if (!loop->mac)
			continue;
		out[count++] = *loop;
		if (!loop->frames && !loop->open)
			*loop = (struct re_loop){0};
		loop->frames = 0;
	}
	return count;
}

/* Have the storm breaker open for these peers, and for no others. */
static void open_loops(struct tables *tables, const __u64 *peers, int count)
{
	struct re_loop *loop = tables->loops[0], *end = loop + RE_MOST_LOOPS;

	for (; loop < end; loop++)
		loop->open = 0;
	while (count--) {
		loop = find_loop(tables, peers[count]);
		if (loop)
			loop->mac = peers[count], loop->open = 1;
	}
}

#endif
