/* A cable with a script: forwards each frame between two interfaces, or does with it what the script says, and logs it.
 *
 *     cable NEAR FAR SCRIPT LOG
 *
 * Frames that come in at NEAR go `there`, out of FAR; the others go `back`. In each direction they are numbered from 1
 * on. A line of the script is a direction, whom it concerns, and what becomes of them:
 *
 *     there 3 drop                    the third frame
 *     back 5-9 copies 3 gap 1000      each of these three times, 1000 ns between the copies
 *     there 7 behind 2                after the second of the frames that follow it
 *     there 8 delay 5000000           5 ms after it came; what follows overtakes it
 *     there 9 xor 30 04               octet 30 altered; `and` likewise
 *     there octets 12 8100 cut 12 4   all that have these octets there, and no line of their own: without 4 of them
 *     there longer 1504 drop          likewise, those of more octets
 *     there rest drop                 all others
 *
 * cable.py writes it, and reads the log: a struct record for each copy of a frame, or for a frame of which none went on.
 * It says "ready" when it forwards. On SIGTERM it writes what each direction received, sent on, was refused by the
 * kernel, still held, and did not even see because its own receive buffer was full.
 *
 * A single thread on one core: so frames leave in the order that the log has. Frames are as they are on the wire: a tag
 * that the kernel took out is put back.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define LONGEST 65600
#define TAG 4
#define BUFFER (256 << 20) /* about 300,000 small frames: it may be kept waiting for a second */
#define SPIN_NS 60000	   /* a timer is late by about that: the rest is spun */
#define MOST_EDITS 4
#define HEAD 72
#define PDU_LENGTH 46
#define EAPOL_LENGTH 4
#define NONE UINT32_MAX
#define MOST_LAST_BATCHES 10000

enum { THERE, BACK, WAYS };
static const char *const ways[] = {"there", "back"};

enum edit_kind { XOR, AND, CUT };

struct edit {
	enum edit_kind kind;
	uint32_t offset, value;
};

struct action {
	uint32_t copies, behind;
	uint64_t gap, delay;
	struct edit edits[MOST_EDITS];
	int edit_count;
};

/* For frames with these numbers; in a rule for all that have these octets, or are longer. */
struct line {
	uint32_t first, last;
	uint32_t offset, octet_count;
	uint8_t octets[8];
	struct action action;
};

struct lines {
	struct line *at;
	size_t count, room;
};

/* cable.py has this layout. */
struct record {
	uint64_t received_at; /* by the kernel's stamp; nanoseconds since the epoch, as all times */
	uint64_t sent_at;     /* right before; 0 = never */
	uint64_t t1;	      /* this and what follows as the frame came in; op 0 = no Echo PDU */
	uint32_t session, seq;
	uint32_t payload_came, payload_left; /* a hash */
	uint32_t number, length;	     /* its length as it left, or came in where it never left */
	uint16_t copy, error;		     /* errno where the kernel refused it */
	uint8_t direction, op, dropped, head_length;
	uint8_t head[HEAD]; /* as it left, or came in where it never left */
};
_Static_assert(sizeof(struct record) == 128, "cable.py reads records of 128 octets");

struct frame {
	struct record record;
	uint8_t *octets;
	uint32_t length;
};

/* A copy that waits: until a time, or until a frame with this number has passed. */
struct waiting {
	uint64_t due, order;
	uint32_t behind;
	struct frame frame;
};

struct way {
	int from, to;
	struct lines numbered, rules;
	struct action rest;
	size_t cursor; /* the first numbered line that is not over */
	uint32_t received;
	uint64_t sent, refused, held;
	struct waiting *behind; /* these wait for others to pass */
	size_t behind_count, behind_room;
};

static struct way way[WAYS];
static struct waiting *heap;
static size_t heap_count, heap_room;
static uint64_t order;
static FILE *logged;

static void fail(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static void check(int failed, const char *what)
{
	if (failed)
		fail(what);
}

/* Room for one more. */
static void *grown(void *at, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return at;
	*room = *room ? *room * 2 : 64;
	at = realloc(at, *room * size);
	check(!at, "cable: memory");
	return at;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- the script --- */

static char *text; /* of the line that is read */

static const char *next_word(void)
{
	const char *word = strtok_r(NULL, " \n", &text);

	if (!word) {
		fprintf(stderr, "cable: a line of the script ends too early\n");
		exit(EXIT_FAILURE);
	}
	return word;
}

static uint64_t next_number(int base)
{
	return strtoull(next_word(), NULL, base);
}

static void add_edit(struct action *action, enum edit_kind kind, int base)
{
	struct edit *edit = &action->edits[action->edit_count++];

	check(action->edit_count > MOST_EDITS, "cable: too many edits");
	edit->kind = kind;
	edit->offset = (uint32_t)next_number(10);
	edit->value = (uint32_t)next_number(base);
}

static struct action read_action(void)
{
	struct action action = {.copies = 1};
	const char *word;

	while ((word = strtok_r(NULL, " \n", &text))) {
		if (!strcmp(word, "drop"))
			action.copies = 0;
		else if (!strcmp(word, "copies"))
			action.copies = (uint32_t)next_number(10);
		else if (!strcmp(word, "gap"))
			action.gap = next_number(10);
		else if (!strcmp(word, "delay"))
			action.delay = next_number(10);
		else if (!strcmp(word, "behind"))
			action.behind = (uint32_t)next_number(10);
		else if (!strcmp(word, "xor"))
			add_edit(&action, XOR, 16);
		else if (!strcmp(word, "and"))
			add_edit(&action, AND, 16);
		else if (!strcmp(word, "cut"))
			add_edit(&action, CUT, 10);
		else {
			fprintf(stderr, "cable: the script has '%s'\n", word);
			exit(EXIT_FAILURE);
		}
	}
	return action;
}

static void read_octets(struct line *rule)
{
	const char *hex;

	rule->offset = (uint32_t)next_number(10);
	for (hex = next_word(); sscanf(hex, "%2hhx", &rule->octets[rule->octet_count]) == 1; hex += 2)
		check(++rule->octet_count >= sizeof rule->octets, "cable: too many octets");
}

static void add_line(struct lines *lines, struct line line)
{
	lines->at = grown(lines->at, lines->count, &lines->room, sizeof line);
	line.action = read_action();
	lines->at[lines->count++] = line;
}

static void read_line(char *octets)
{
	struct way *here = &way[strcmp(strtok_r(octets, " \n", &text), "there") ? BACK : THERE];
	struct line line = {0};
	const char *word = next_word();

	if (!strcmp(word, "rest")) {
		here->rest = read_action();
	} else if (!strcmp(word, "octets")) {
		read_octets(&line);
		add_line(&here->rules, line);
	} else if (!strcmp(word, "longer")) {
		line.first = (uint32_t)next_number(10) + 1;
		add_line(&here->rules, line);
	} else {
		if (sscanf(word, "%u-%u", &line.first, &line.last) == 1)
			line.last = line.first;
		add_line(&here->numbered, line);
	}
}

static int by_number(const void *one, const void *other)
{
	uint32_t first = ((const struct line *)one)->first, second = ((const struct line *)other)->first;

	return (first > second) - (first < second);
}

static void read_script(const char *path)
{
	FILE *script = fopen(path, "r");
	char *octets = NULL;
	size_t room = 0;
	int each;

	check(!script, path);
	way[THERE].rest.copies = way[BACK].rest.copies = 1;
	while (getline(&octets, &room, script) > 0)
		read_line(octets);
	fclose(script);
	free(octets);
	for (each = 0; each < WAYS; each++)
		qsort(way[each].numbered.at, way[each].numbered.count, sizeof(struct line), by_number);
}

static int rule_matches(const struct line *rule, const struct frame *frame)
{
	if (rule->first)
		return frame->length >= rule->first;
	return frame->length >= rule->offset + rule->octet_count &&
	       !memcmp(frame->octets + rule->offset, rule->octets, rule->octet_count);
}

/* What becomes of this frame. Numbers only grow. */
static const struct action *action_for(struct way *here, const struct frame *frame)
{
	const struct lines *numbered = &here->numbered, *rules = &here->rules;
	size_t each;

	while (here->cursor < numbered->count && numbered->at[here->cursor].last < here->received)
		here->cursor++;
	if (here->cursor < numbered->count && numbered->at[here->cursor].first <= here->received)
		return &numbered->at[here->cursor].action;
	for (each = 0; each < rules->count; each++)
		if (rule_matches(&rules->at[each], frame))
			return &rules->at[each].action;
	return &here->rest;
}

/* --- frames --- */

static uint16_t be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t be32(const uint8_t *at)
{
	return (uint32_t)be16(at) << 16 | be16(at + 2);
}

/* Where the Echo PDU begins; NONE = there is none. */
static uint32_t pdu_of(const uint8_t *octets, uint32_t length)
{
	uint32_t at = 12;

	while (at + TAG + 2 <= length && (be16(octets + at) == ETH_P_8021Q || be16(octets + at) == ETH_P_8021AD))
		at += TAG;
	at += 2 + (at + 2 <= length && be16(octets + at) == ETH_P_PAE ? EAPOL_LENGTH : 0);
	return at + PDU_LENGTH <= length && be16(octets + at) == 0x5245 ? at : NONE;
}

/* FNV-1a. */
static uint32_t hash(const uint8_t *octets, uint32_t from, uint32_t to)
{
	uint32_t value = 2166136261u;

	for (; from < to; from++)
		value = (value ^ octets[from]) * 16777619u;
	return value;
}

/* What the frame says as it came in. */
static void describe(struct frame *frame)
{
	const uint32_t pdu = pdu_of(frame->octets, frame->length);
	struct record *record = &frame->record;

	if (pdu == NONE)
		return;
	record->op = frame->octets[pdu + 3];
	record->session = be32(frame->octets + pdu + 4);
	record->seq = be32(frame->octets + pdu + 8);
	record->t1 = (uint64_t)be32(frame->octets + pdu + 16) << 32 | be32(frame->octets + pdu + 20);
	record->payload_came = record->payload_left = hash(frame->octets, pdu + PDU_LENGTH, frame->length);
}

static void alter(struct frame *frame, const struct edit *edit)
{
	uint8_t *at = frame->octets + edit->offset;

	if (edit->offset >= frame->length)
		return;
	if (edit->kind == XOR) {
		*at ^= (uint8_t)edit->value;
	} else if (edit->kind == AND) {
		*at &= (uint8_t)edit->value;
	} else if (edit->offset + edit->value <= frame->length) {
		frame->length -= edit->value;
		memmove(at, at + edit->value, frame->length - edit->offset);
	}
}

/* In place. Whether it still holds a PDU may be changed by it, so its place is the one before. */
static void alter_all(struct frame *frame, const struct action *action)
{
	const uint32_t pdu = pdu_of(frame->octets, frame->length);
	int each;

	if (!action->edit_count)
		return;
	for (each = 0; each < action->edit_count; each++)
		alter(frame, &action->edits[each]);
	if (pdu != NONE)
		frame->record.payload_left = hash(frame->octets, pdu + PDU_LENGTH, frame->length);
}

static void write_record(struct frame *frame)
{
	struct record *record = &frame->record;

	record->length = frame->length;
	record->head_length = frame->length < HEAD ? (uint8_t)frame->length : HEAD;
	memcpy(record->head, frame->octets, record->head_length);
	check(fwrite(record, sizeof *record, 1, logged) != 1, "cable: log");
}

static void send_now(struct frame *frame)
{
	struct way *here = &way[frame->record.direction];

	frame->record.sent_at = now_ns();
	if (send(here->to, frame->octets, frame->length, 0) < 0) {
		frame->record.error = (uint16_t)errno; /* too long for what follows: not forwarded, as by a switch */
		frame->record.sent_at = 0;
		here->refused++;
	} else {
		here->sent++;
	}
	write_record(frame);
}

/* --- those that wait --- */

static struct waiting keep(const struct frame *frame)
{
	struct waiting kept = {.frame = *frame, .order = order++};

	kept.frame.octets = malloc(frame->length);
	check(!kept.frame.octets, "cable: memory");
	memcpy(kept.frame.octets, frame->octets, frame->length);
	return kept;
}

static int is_before(const struct waiting *one, const struct waiting *other)
{
	return one->due < other->due || (one->due == other->due && one->order < other->order);
}

static void swap(size_t one, size_t other)
{
	struct waiting moved = heap[one];

	heap[one] = heap[other];
	heap[other] = moved;
}

static void push(struct waiting waiting)
{
	size_t at = heap_count++;

	heap = grown(heap, at, &heap_room, sizeof waiting);
	heap[at] = waiting;
	for (; at && is_before(&heap[at], &heap[(at - 1) / 2]); at = (at - 1) / 2)
		swap(at, (at - 1) / 2);
}

static struct waiting pop(void)
{
	struct waiting first = heap[0];
	size_t at = 0, child;

	heap[0] = heap[--heap_count];
	while ((child = 2 * at + 1) < heap_count) {
		if (child + 1 < heap_count && is_before(&heap[child + 1], &heap[child]))
			child++;
		if (!is_before(&heap[child], &heap[at]))
			break;
		swap(at, child);
		at = child;
	}
	return first;
}

static void release(struct waiting waiting)
{
	send_now(&waiting.frame);
	free(waiting.frame.octets);
}

static void send_due(void)
{
	while (heap_count && heap[0].due <= now_ns())
		release(pop());
}

static void put_behind(struct way *here, const struct frame *frame, uint32_t others)
{
	here->behind = grown(here->behind, here->behind_count, &here->behind_room, sizeof *here->behind);
	here->behind[here->behind_count] = keep(frame);
	here->behind[here->behind_count++].behind = frame->record.number + others;
}

/* Those that waited for the frames up to the one that has just passed. */
static void send_behind(struct way *here)
{
	size_t each, left = 0;

	for (each = 0; each < here->behind_count; each++) {
		if (here->behind[each].behind <= here->received)
			release(here->behind[each]);
		else
			here->behind[left++] = here->behind[each];
	}
	here->behind_count = left;
}

/* --- in and out --- */

static void forward(struct way *here, struct frame *frame)
{
	const struct action *action = action_for(here, frame);
	uint64_t due = frame->record.received_at + action->delay;
	uint32_t copy;

	alter_all(frame, action);
	frame->record.dropped = !action->copies;
	if (!action->copies)
		write_record(frame);
	for (copy = 0; copy < action->copies; copy++, due += action->gap) {
		frame->record.copy = (uint16_t)copy;
		if (action->behind) {
			put_behind(here, frame, action->behind);
		} else if (action->delay || (copy && action->gap)) {
			struct waiting kept = keep(frame);
			kept.due = due;
			push(kept);
		} else {
			send_now(frame);
		}
	}
	send_behind(here);
}

static void put_tag_back(struct frame *frame, const struct tpacket_auxdata *told)
{
	uint16_t tpid = told->tp_status & TP_STATUS_VLAN_TPID_VALID ? told->tp_vlan_tpid : ETH_P_8021Q;
	uint16_t tag[] = {htons(tpid), htons(told->tp_vlan_tci)};

	frame->octets -= TAG;
	frame->length += TAG;
	memmove(frame->octets, frame->octets + TAG, 12);
	memcpy(frame->octets + 12, tag, TAG);
}

static void read_ancillary(struct msghdr *message, struct frame *frame)
{
	struct cmsghdr *each;

	for (each = CMSG_FIRSTHDR(message); each; each = CMSG_NXTHDR(message, each)) {
		if (each->cmsg_level == SOL_PACKET && each->cmsg_type == PACKET_AUXDATA) {
			struct tpacket_auxdata told;

			memcpy(&told, CMSG_DATA(each), sizeof told);
			if (told.tp_status & TP_STATUS_VLAN_VALID)
				put_tag_back(frame, &told);
		} else if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec at;

			memcpy(&at, CMSG_DATA(each), sizeof at);
			frame->record.received_at = (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
		}
	}
}

static struct mmsghdr messages[BATCH];
static struct iovec vectors[BATCH];
static union {
	char octets[CMSG_SPACE(sizeof(struct tpacket_auxdata)) + CMSG_SPACE(sizeof(struct timespec))];
	struct cmsghdr aligned;
} ancillary[BATCH];
static uint8_t slots[BATCH][TAG + LONGEST];

static int receive(int from)
{
	int each;

	for (each = 0; each < BATCH; each++) {
		vectors[each] = (struct iovec){slots[each] + TAG, LONGEST};
		messages[each].msg_hdr = (struct msghdr){
			.msg_iov = &vectors[each],
			.msg_iovlen = 1,
			.msg_control = ancillary[each].octets,
			.msg_controllen = sizeof ancillary[each].octets,
		};
	}
	return recvmmsg(from, messages, BATCH, MSG_DONTWAIT, NULL);
}

/* One batch of a direction: how many frames. */
static int drain(int direction)
{
	struct way *here = &way[direction];
	int count = receive(here->from), each;

	for (each = 0; each < count; each++) {
		struct frame frame = {.octets = slots[each] + TAG, .length = messages[each].msg_len};

		read_ancillary(&messages[each].msg_hdr, &frame);
		frame.record.direction = (uint8_t)direction;
		frame.record.number = ++here->received;
		describe(&frame);
		forward(here, &frame);
	}
	return count > 0 ? count : 0;
}

static int open_end(const char *interface)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1, buffer = BUFFER;

	check(fd < 0 || !address.sll_ifindex, interface);
	check(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer), "SO_RCVBUFFORCE");
	check(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer), "SO_SNDBUFFORCE");
	check(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on), "SO_TIMESTAMPNS");
	check(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on), "PACKET_AUXDATA");
	check(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on), "PACKET_IGNORE_OUTGOING");
	check(bind(fd, (struct sockaddr *)&address, sizeof address), interface);
	return fd;
}

/* A copy whose time does not come any more. */
static void give_up(struct frame *frame)
{
	way[frame->record.direction].held++;
	write_record(frame);
}

static void account(struct way *here, const char *name)
{
	struct tpacket_stats stats = {0};
	socklen_t size = sizeof stats;

	check(getsockopt(here->from, SOL_PACKET, PACKET_STATISTICS, &stats, &size), "PACKET_STATISTICS");
	printf("%s received %u sent %llu refused %llu held %llu lost %u\n", name, here->received,
	       (unsigned long long)here->sent, (unsigned long long)here->refused, (unsigned long long)here->held,
	       stats.tp_drops);
}

static void finish(void)
{
	int direction, rounds = MOST_LAST_BATCHES;
	size_t each;

	while (rounds-- && drain(THERE) + drain(BACK)) /* what had come before we were told to end */
		;
	for (each = 0; each < heap_count; each++)
		give_up(&heap[each].frame);
	for (direction = 0; direction < WAYS; direction++) {
		for (each = 0; each < way[direction].behind_count; each++)
			give_up(&way[direction].behind[each].frame);
		account(&way[direction], ways[direction]);
	}
	check(fclose(logged), "cable: log");
}

static void watch(int epoll, int fd, uint32_t what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = what};

	check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

/* Have the timer wake us a little before the first is due; 0 = it is so near that we spin. */
static int until_due(int timer)
{
	struct itimerspec when = {0};
	uint64_t wake;

	if (!heap_count)
		return -1;
	wake = heap[0].due - SPIN_NS;
	if (wake <= now_ns())
		return 0;
	when.it_value.tv_sec = (time_t)(wake / 1000000000u);
	when.it_value.tv_nsec = (long)(wake % 1000000000u);
	check(timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL), "timerfd_settime");
	return -1;
}

enum { TIMER = WAYS, SIGNAL };

static void run(int signals)
{
	int epoll = epoll_create1(0), timer = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK), count;
	struct epoll_event events[4];
	uint64_t ignored;

	check(epoll < 0 || timer < 0, "epoll");
	watch(epoll, way[THERE].from, THERE);
	watch(epoll, way[BACK].from, BACK);
	watch(epoll, timer, TIMER);
	watch(epoll, signals, SIGNAL);
	for (;;) {
		count = epoll_wait(epoll, events, 4, until_due(timer));
		while (count-- > 0) {
			if (events[count].data.u32 == SIGNAL)
				return;
			if (events[count].data.u32 == TIMER)
				check(read(timer, &ignored, sizeof ignored) < 0 && errno != EAGAIN, "timerfd");
			else
				drain((int)events[count].data.u32);
			send_due();
		}
		send_due();
	}
}

static void stay_on_this_core(void)
{
	cpu_set_t here;

	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	check(sched_setaffinity(0, sizeof here, &here), "sched_setaffinity");
	check(setpriority(PRIO_PROCESS, 0, -10), "setpriority");
}

int main(int count, char **arguments)
{
	sigset_t ending;
	int signals;

	if (count != 5) {
		fprintf(stderr, "usage: cable NEAR FAR SCRIPT LOG\n");
		return EXIT_FAILURE;
	}
	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	check(sigprocmask(SIG_BLOCK, &ending, NULL), "sigprocmask");
	signals = signalfd(-1, &ending, 0);
	check(signals < 0, "signalfd");
	stay_on_this_core();
	read_script(arguments[3]);
	logged = fopen(arguments[4], "w");
	check(!logged || setvbuf(logged, NULL, _IOFBF, 1 << 20), arguments[4]);
	way[THERE].from = way[BACK].to = open_end(arguments[1]);
	way[BACK].from = way[THERE].to = open_end(arguments[2]);
	puts("ready");
	fflush(stdout);
	run(signals);
	finish();
	return EXIT_SUCCESS;
}
