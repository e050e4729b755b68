/* A closed-loop generator of echo requests: so many on their way at any time, a new one for each answer.
 *
 * Each request on its way has a slot. Slot i uses seq i+1, i+1+N, i+1+2N, ... (N slots), so that a seq
 * names its slot and an answer is matched in one step. A slot whose answer does not come in time counts
 * as lost and is used again; what then still comes is late. Prints one JSON object. */
#include "cpu.h"
#include "histogram.h"
#include "port.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define EXPIRY_PERIOD_NS 1000000
#define NS 1e9

struct slot {
    uint32_t seq;
    bool waiting;
    uint64_t sent_at;
    uint8_t *frame;
};

struct tally {
    uint64_t sent, received, replies, echoed, lost, late, mangled, foreign;
};

struct run {
    const struct options *options;
    struct port port;
    struct request_layout layout;
    uint32_t session;
    struct slot *slots;
    unsigned *vacant, vacant_count; /* a stack of slots without a request on its way */
    struct tally tally;
    struct histogram rtt;
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    if (memory == NULL)
        abort();
    return memory;
}

static void make_slots(struct run *run)
{
    unsigned count = run->options->outstanding;

    run->slots = allocate(count, sizeof *run->slots);
    run->vacant = allocate(count, sizeof *run->vacant);
    for (unsigned i = 0; i < count; i++) {
        struct slot *slot = &run->slots[i];
        slot->seq = i + 1 - count; /* the first use adds count */
        slot->frame = allocate(1, run->options->size + TAG_SIZE);
        run->layout = wire_template(run->options, run->port.own, run->session, slot->frame);
        run->vacant[run->vacant_count++] = count - 1 - i;
    }
}

static void vacate(struct run *run, unsigned index)
{
    run->slots[index].waiting = false;
    run->vacant[run->vacant_count++] = index;
}

static void take_answer(struct run *run, enum verdict verdict, uint32_t seq, uint64_t now)
{
    unsigned index = (seq - 1) % run->options->outstanding;
    struct slot *slot = &run->slots[index];

    if (verdict == MANGLED) {
        run->tally.mangled++;
        return;
    }
    if (!slot->waiting || slot->seq != seq) {
        run->tally.late++;
        return;
    }
    run->tally.received++;
    run->tally.replies += verdict == REPLY;
    run->tally.echoed += verdict == ECHOED;
    histogram_record(&run->rtt, now - slot->sent_at);
    vacate(run, index);
}

/* Read all that is there. The clock is read once a batch: reading the ring takes no system call. */
static bool drain(struct run *run)
{
    struct received received;
    bool any = false;
    uint64_t now = 0;

    while (port_peek(&run->port, &received)) {
        uint32_t seq = 0;
        if (!any)
            now = clock_ns(CLOCK_MONOTONIC);
        any = true;
        enum verdict verdict = wire_judge(run->options, run->port.own, run->session, received.frame,
                                          received.length, received.tagged, received.tci, &seq);
        port_release(&run->port);
        if (verdict == FOREIGN)
            run->tally.foreign++;
        else
            take_answer(run, verdict, seq, now);
    }
    return any;
}

static void fill(struct run *run)
{
    while (run->vacant_count > 0) {
        uint8_t *frames[PORT_BATCH];
        unsigned count = run->vacant_count < PORT_BATCH ? run->vacant_count : PORT_BATCH;
        uint64_t now = clock_ns(CLOCK_MONOTONIC), t1 = clock_ns(CLOCK_REALTIME);

        for (unsigned i = 0; i < count; i++) {
            struct slot *slot = &run->slots[run->vacant[run->vacant_count - 1 - i]];
            frames[i] = slot->frame;
            slot->sent_at = now;
            wire_number(run->options, &run->layout, run->port.own, slot->frame,
                        slot->seq + run->options->outstanding, t1);
        }
        unsigned sent = port_send(&run->port, frames, count, run->layout.length);
        for (unsigned i = 0; i < sent; i++) {
            struct slot *slot = &run->slots[run->vacant[--run->vacant_count]];
            slot->seq += run->options->outstanding;
            slot->waiting = true;
        }
        run->tally.sent += sent;
        if (sent < count)
            return; /* the device is full: read answers first */
    }
}

static void expire(struct run *run, uint64_t now)
{
    uint64_t limit = (uint64_t)(run->options->timeout_s * NS);

    for (unsigned i = 0; i < run->options->outstanding; i++) {
        if (run->slots[i].waiting && now - run->slots[i].sent_at > limit) {
            run->tally.lost++;
            vacate(run, i);
        }
    }
}

static void exchange_until(struct run *run, uint64_t end)
{
    uint64_t next_expiry = 0, now;

    while ((now = clock_ns(CLOCK_MONOTONIC)) < end) {
        if (now >= next_expiry) {
            expire(run, now);
            next_expiry = now + EXPIRY_PERIOD_NS;
        }
        fill(run);
        if (!drain(run) && !run->options->spin)
            port_wait(&run->port, 1);
    }
}

static void print_rtt(const struct histogram *rtt)
{
    if (rtt->count == 0) {
        printf("null");
        return;
    }
    printf("{\"min\":%llu,\"mean\":%.0f,\"max\":%llu,\"p50\":%llu,\"p99\":%llu,\"p999\":%llu}",
           (unsigned long long)rtt->min, rtt->sum / (double)rtt->count, (unsigned long long)rtt->max,
           (unsigned long long)histogram_quantile(rtt, 0.5), (unsigned long long)histogram_quantile(rtt, 0.99),
           (unsigned long long)histogram_quantile(rtt, 0.999));
}

/* What was used meanwhile. */
struct usage {
    double elapsed_s, own_s, responder_s, machine_s;
};

static void print_result(const struct run *run, struct usage usage)
{
    const struct tally *t = &run->tally;

    printf("{\"outstanding\":%u,\"size\":%u,\"ethertype\":\"0x%04X\",\"tagged\":%s,\"spin\":%s,",
           run->options->outstanding, run->options->size, run->options->ethertype,
           run->options->tagged ? "true" : "false", run->options->spin ? "true" : "false");
    printf("\"duration_s\":%.6f,\"frames_per_s\":%.1f,\"sent\":%llu,\"received\":%llu,\"replies\":%llu,",
           usage.elapsed_s, (double)t->received / usage.elapsed_s, (unsigned long long)t->sent,
           (unsigned long long)t->received, (unsigned long long)t->replies);
    printf("\"echoed\":%llu,\"lost\":%llu,\"late\":%llu,\"mangled\":%llu,\"foreign\":%llu,",
           (unsigned long long)t->echoed, (unsigned long long)t->lost, (unsigned long long)t->late,
           (unsigned long long)t->mangled, (unsigned long long)t->foreign);
    printf("\"ring_drops\":%u,\"generator_cpu\":%.3f,\"responder_cpu\":%.3f,\"machine_cpu\":%.3f,\"rtt_ns\":",
           port_drops(&run->port), usage.own_s / usage.elapsed_s, usage.responder_s / usage.elapsed_s,
           usage.machine_s / usage.elapsed_s);
    print_rtt(&run->rtt);
    printf("}\n");
}

int main(int argc, char **argv)
{
    struct options options = options_parse(argc, argv);
    struct run run = {.options = &options};

    if (getrandom(&run.session, sizeof run.session, 0) != sizeof run.session)
        abort();
    run.port = port_open(&options, run.session);
    make_slots(&run);
    histogram_reset(&run.rtt);
    exchange_until(&run, clock_ns(CLOCK_MONOTONIC) + (uint64_t)(options.warmup_s * NS));
    run.tally = (struct tally){0};
    histogram_reset(&run.rtt);
    port_drops(&run.port);

    uint64_t start = clock_ns(CLOCK_MONOTONIC);
    struct usage usage = {0, -cpu_own(), -cpu_process(options.watch), -cpu_machine()};
    exchange_until(&run, start + (uint64_t)(options.duration_s * NS));
    usage.elapsed_s = (double)(clock_ns(CLOCK_MONOTONIC) - start) / NS;
    usage.own_s += cpu_own();
    usage.responder_s += cpu_process(options.watch);
    usage.machine_s += cpu_machine();
    print_result(&run, usage);
    return 0;
}
