/* b_rate.c: how much can be said to another worker, and to a runtime from other threads.
 *
 * ns each, wall time from the first one until the last has arrived:
 *   message_1, message_2   bare messages from one worker to another, from two to one
 *   go_on                  tasks: rv_go_on() in groups of 1,000
 *   post_T_wN              rv_runtime_post() by T plain threads to a runtime of N workers
 *
 * A sender of messages has 4,096 of them under way at most; who posts never waits. message_2,
 * post_2_w1 and post_T_w2 have more threads than a small machine has cores: then they share them.
 * What was sent is counted where it arrives.
 */
#include <pthread.h>
#include <reeve.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "sched/runtime.h"

enum { MESSAGES = 400000, WINDOW = 4096, GROUPS = 100, GROUP = 1000, POSTS = 100000 };

static int count_one(void *arg)
{
    (*(long *)arg)++;
    return 0;
}

/* ---- bare messages: each sender has a window of them, and waits when all are under way ---- */

struct sender {
    _Alignas(64) uint64_t delivered; /* by the receiver */
    _Alignas(64) struct sent {
        struct message message;
        struct sender *of;
    } window[WINDOW];
    struct worker *to;
};

static struct sender senders[2];
static uint64_t first_sent_ns;

static void deliver(struct message *m)
{
    struct sender *of = ((struct sent *)m)->of;

    __atomic_store_n(&of->delivered, of->delivered + 1, __ATOMIC_RELEASE);
}

static int send_all(void *arg)
{
    struct sender *s = arg;
    int err = 0;

    for (uint64_t i = 0; i < MESSAGES && err >= 0; i++) {
        struct sent *next = &s->window[i % WINDOW];

        while (i - __atomic_load_n(&s->delivered, __ATOMIC_ACQUIRE) >= WINDOW && err >= 0)
            err = rv_yield();
        *next = (struct sent){.message.deliver = deliver, .of = s};
        worker_post(s->to, &next->message);
    }
    while (__atomic_load_n(&s->delivered, __ATOMIC_ACQUIRE) < MESSAGES && err >= 0)
        err = rv_yield();
    return err;
}

static int send_from(unsigned count)
{
    rv_group g;

    memset(senders, 0, sizeof senders);
    rv_group_open(&g, RV_NEVER);
    first_sent_ns = bench_now_ns();
    for (unsigned i = 0; i < count; i++) {
        senders[i].to = worker_self;
        rv_go_on(&g, 1 + i, send_all, &senders[i]);
    }
    return rv_group_close(&g, 0);
}

static int messages(void *arg)
{
    double *ns = arg;
    unsigned count = rv_workers() - 1;
    int err = send_from(count);

    *ns = (double)(bench_now_ns() - first_sent_ns) / count / MESSAGES;
    return err;
}

static double timed_messages(unsigned count)
{
    double ns = 0;

    bench_must(rv_run(messages, &ns, &(rv_options){.workers = count + 1}), "rv_run");
    return ns;
}

static double message_1(void)
{
    return timed_messages(1);
}

static double message_2(void)
{
    return timed_messages(2);
}

/* ---- tasks for another worker ---- */

static int go_on_repeatedly(void *arg)
{
    double *ns = arg;
    uint64_t start_ns = bench_now_ns();
    long count = 0;
    int err = 0;

    for (int i = 0; i < GROUPS && err >= 0; i++) {
        rv_group g;

        rv_group_open(&g, RV_NEVER);
        for (int j = 0; j < GROUP; j++)
            rv_go_on(&g, 1, count_one, &count);
        err = rv_group_close(&g, 0);
    }
    *ns = (double)(bench_now_ns() - start_ns) / GROUPS / GROUP;
    if (count != GROUPS * GROUP)
        bench_die("%ld of %d tasks ran", count, GROUPS * GROUP);
    return err;
}

static double go_on(void)
{
    double ns = 0;

    bench_must(rv_run(go_on_repeatedly, &ns, &(rv_options){.workers = 2}), "rv_run");
    return ns;
}

/* ---- posts ---- */

static rv_runtime *posted_to;
static uint64_t posts_ran; /* atomic */

static int ran(void *arg)
{
    (void)arg;
    __atomic_fetch_add(&posts_ran, 1, __ATOMIC_RELEASE);
    return 0;
}

static void *post_all(void *arg)
{
    for (int i = 0; i < POSTS; i++)
        bench_must(rv_runtime_post(posted_to, ran, NULL, 0), "rv_runtime_post");
    return arg;
}

static double posts(unsigned threads, unsigned workers)
{
    pthread_t thread[2];
    uint64_t start_ns;
    double ns;

    posts_ran = 0;
    bench_must(rv_runtime_new(&posted_to, &(rv_options){.workers = workers}), "rv_runtime_new");
    start_ns = bench_now_ns();
    for (unsigned i = 0; i < threads; i++)
        bench_must(-pthread_create(&thread[i], NULL, post_all, NULL), "pthread_create");
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    while (__atomic_load_n(&posts_ran, __ATOMIC_ACQUIRE) < (uint64_t)threads * POSTS)
        usleep(50);
    ns = (double)(bench_now_ns() - start_ns) / threads / POSTS;
    rv_runtime_free(posted_to);
    return ns;
}

static double post_1_w1(void)
{
    return posts(1, 1);
}

static double post_2_w1(void)
{
    return posts(2, 1);
}

static double post_1_w2(void)
{
    return posts(1, 2);
}

static double post_2_w2(void)
{
    return posts(2, 2);
}

/* ---- rows ---- */

int main(int argc, char **argv)
{
    static const struct bench_case rates[] = {
        {"message_1", "ns", message_1}, {"message_2", "ns", message_2},
        {"go_on", "ns", go_on},         {"post_1_w1", "ns", post_1_w1},
        {"post_2_w1", "ns", post_2_w1}, {"post_1_w2", "ns", post_1_w2},
        {"post_2_w2", "ns", post_2_w2},
    };

    bench_init(argc, argv);
    if (bench.pin >= 0)
        bench_note("kept to one CPU: those who send and those who hear take turns");
    bench_run(rates, BENCH_COUNT(rates), bench_runs(9));
    return 0;
}
