/* The batch engine's parts from within: what a test through a socket cannot see. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static int send_calls;

static int counted_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags)
{
	send_calls++;
	return sendmmsg(fd, messages, count, flags);
}

#define sendmmsg counted_sendmmsg
#include "../../rawechod/echo/batch.c"

#define CHECK(holds) ((holds) ? (void)0 : fail(#holds, __LINE__))

static void fail(const char *what, int line)
{
	fprintf(stderr, "line %d: %s\n", line, what);
	exit(1);
}

/* A bucket is empty where it would be full again later than its tolerance from now, not at its tolerance. */
static void check_bucket(void)
{
	const __u64 now = 1000000, cost = 10, tolerance = 500;

	CHECK(re_next_due(0, now, cost, tolerance) == now + cost);
	CHECK(re_next_due(now + tolerance, now, cost, tolerance) == now + tolerance + cost);
	CHECK(re_next_due(now + tolerance + 1, now, cost, tolerance) == 0);
}

/* Once a queue is full the rest of a batch is refused without another system call. */
static void check_full_queue(void)
{
	static struct batch batch;
	static struct refusal refused[BATCH];
	static __u8 octets[1000];
	int pair[2], size = 8192, index, count;

	CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
	CHECK(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
	CHECK(batch_open(&batch, pair[0], 2000, 0, 0));
	for (index = 0; index < BATCH; index++)
		batch.send_vectors[index] = (struct iovec){.iov_base = octets, .iov_len = sizeof octets};
	count = batch_send(&batch, 0, BATCH, refused);
	CHECK(count > 0 && count < BATCH);
	CHECK(send_calls <= 2);
	for (index = 0; index < count; index++)
		CHECK(refused[index].index == BATCH - count + index && refused[index].error == EAGAIN);
	batch_close(&batch);
	close(pair[0]), close(pair[1]);
}

static int loop_of(struct tables *tables, __u64 mac, struct re_loop *found)
{
	static struct re_loop loops[RE_MOST_LOOPS];
	int count = take_loops(tables, loops);

	while (count--)
		if (loops[count].mac == mac) {
			*found = loops[count];
			return 1;
		}
	return 0;
}

/* A peer for whom the breaker is open is not forgotten however silent it is; any other is, once it was. */
static void check_loops(void)
{
	struct tables *tables = new_tables();
	__u8 octets[60] = {0};
	struct re_frame frame = {.data = octets, .end = octets + sizeof octets, .length = sizeof octets};
	struct re_loop loop;
	const __u64 open = 5;
	int look;

	CHECK(tables != NULL);
	CHECK(re_admit_loop(tables, &frame, open) == RE_RETURN && re_admit_loop(tables, &frame, 6) == RE_RETURN);
	open_loops(tables, &open, 1);
	CHECK(loop_of(tables, 6, &loop) && loop.frames == 1 && !loop.open);
	CHECK(loop_of(tables, 6, &loop) && loop.frames == 0);
	CHECK(!loop_of(tables, 6, &loop));
	for (look = 0; look < 3; look++)
		CHECK(loop_of(tables, open, &loop) && loop.open && loop.frames == 0);
	CHECK(re_admit_loop(tables, &frame, open) == RE_STORM && re_admit_loop(tables, &frame, 6) == RE_RETURN);
	open_loops(tables, NULL, 0);
	CHECK(re_admit_loop(tables, &frame, open) == RE_RETURN);
	free_tables(tables);
}

/* What was silent longest makes room for what is newer; of a full set a newcomer is not kept. */
static void check_sessions(void)
{
	struct tables *tables = new_tables();
	__u32 number, kept = 0, later = 0;

	for (number = 0; number < 4 * RE_MOST_SESSIONS; number++)
		kept += re_receive(tables, 7, number, 1, SILENCE).responder_seq == 1;
	CHECK(kept > RE_MOST_SESSIONS / 2 && kept <= RE_MOST_SESSIONS);
	for (number = 0; number < 4 * RE_MOST_SESSIONS; number++)
		later += re_receive(tables, 8, number, 1, 2 * SILENCE).responder_seq == 1;
	CHECK(later > RE_MOST_SESSIONS / 2 && later <= RE_MOST_SESSIONS);
	free_tables(tables);
}

int main(void)
{
	check_bucket();
	check_full_queue();
	check_loops();
	check_sessions();
	return 0;
}
