/* model.h: runs a few threads in every way that C11 allows, over the very source that ships.
 *
 *   static const struct model duel = {begin, {post, post, consume}, end};
 *   CHECK_HOLDS(duel);                    no execution of it is at fault
 *   CHECK_FOUND(duel, "asleep");          one is, and says so: the checker sees what is broken
 *   MODEL_WEAKEN("inbox_post", __ATOMIC_RELAXED);   an ordering of the source, in this test only
 *
 * The headers to be tried are included after this one: it puts macros in the place of the
 * compiler's __atomic_ functions. Each is an event of a graph: which write it reads, or behind
 * which it writes, is a choice among those that C11 allows (model_graph.h), and all of them are
 * tried (model_turns.h).
 *
 * Invariants. What a thread does hangs on what its operations returned and on nothing else; shared
 * plain memory is announced by model_write() and model_read(), and a race of those is a fault.
 * A thread that looks again (cpu_relax) sees something newer: it would look for ever otherwise.
 * model_wait() takes from a count of rings, and has no time limit: nothing here has one. It orders
 * no memory, which is less than any kernel does.
 *
 * Rejected: threads and luck; a model in a language of its own, which proves the model.
 */
#ifndef MODEL_H
#define MODEL_H

#include "tap.h"

#include "base/clock.h"
#include "base/list.h"
#include "stack/sanitize.h"
#include "tests/model_turns.h"

/* ---- operations ---- */

struct model_op {
    void *address;
    uintptr_t first; /* what lies there before anyone wrote */
    const char *in;
};

static bool model_acquires(int order)
{
    return order == __ATOMIC_SEQ_CST || order == __ATOMIC_ACQ_REL || order == __ATOMIC_ACQUIRE ||
           order == __ATOMIC_CONSUME;
}

static bool model_releases(int order)
{
    return order == __ATOMIC_SEQ_CST || order == __ATOMIC_ACQ_REL || order == __ATOMIC_RELEASE;
}

static int model_order(const struct model_op *op, int order)
{
    bool weak = model.weak_in && strcmp(model.weak_in, op->in) == 0;

    return weak && order > model.weak ? model.weak : order;
}

/* Others' turns; then the next event is this thread's: where in its place's order. */
static int model_point(const struct model_op *op, enum model_kind kind, uintptr_t expected)
{
    struct model_thread *t = model.self;
    struct model_event *e;
    int at;

    t->place = graph_place(op->address, op->first);
    t->kind = kind;
    t->expected = expected;
    at = model_choose();
    if (graph_full())
        model_fault("the scenario is too large: events");
    e = &graph.events[graph.event_count];
    *e = (struct model_event){.place = t->place, .from = -1, .sc = -1, .in = op->in};
    e->thread = (int)(t - model.threads);
    return at;
}

/* It happens: it reads what stands there at `from`, and writes behind `to`, if those are not -1. */
static void model_happen(int order, int from, int to, uintptr_t value)
{
    struct model_thread *t = model.self;
    struct model_event *e = &graph.events[graph.event_count];
    const struct model_place *p = &graph.places[e->place];
    int id = graph.event_count++;

    e->index = graph.done[e->thread]++;
    graph.mine[e->thread][e->index] = id;
    t->view.clock[e->thread] = (uint8_t)graph.done[e->thread];
    e->value = value;
    if (from >= 0) {
        e->reads = true;
        t->last = e->from = p->order[from];
        if (model_acquires(order))
            graph_join(&t->view, &graph.events[e->from].message);
        if (graph_at(t->view.seen[e->place]) < from)
            t->view.seen[e->place] = (int16_t)e->from;
    }
    if (to >= 0) {
        e->writes = true;
        graph_insert(e, to + 1);
        t->last = id;
        t->view.seen[e->place] = (int16_t)id;
        e->message = model_releases(order) ? t->view : graph_nothing;
        if (e->reads)
            graph_join(&e->message, &graph.events[e->from].message);
    }
    e->here = t->view;
    t->newer = -1;
    if (order == __ATOMIC_SEQ_CST && !graph_orders(e))
        model_over();
}

static uintptr_t model_value(int at)
{
    return graph.events[graph.places[model.self->place].order[at]].value;
}

static uintptr_t model_load(struct model_op op, int order)
{
    int at = model_point(&op, MODEL_LOAD, 0);
    uintptr_t value = model_value(at);

    model_happen(model_order(&op, order), at, -1, value);
    return value;
}

static void model_store(struct model_op op, uintptr_t value, int order)
{
    int at = model_point(&op, MODEL_STORE, 0);

    model_happen(model_order(&op, order), -1, at, value);
}

static uintptr_t model_update(struct model_op op, enum model_kind kind, uintptr_t operand,
                              int order)
{
    uintptr_t value;
    int at;

    if (model.publish && kind == MODEL_EXCHANGE)
        model.publish(operand);
    at = model_point(&op, kind, 0);
    value = model_value(at);
    model_happen(model_order(&op, order), at, at,
                 kind == MODEL_EXCHANGE ? operand : value + operand);
    if (model.got && kind == MODEL_EXCHANGE)
        model.got(value);
    return value;
}

/* As a strong one: it does not fail where it reads what is expected. */
static bool model_compare(struct model_op op, uintptr_t *expected, uintptr_t value, int order,
                          int failure)
{
    uintptr_t wanted = *expected;
    int at;

    if (model.publish)
        model.publish(value);
    at = model_point(&op, MODEL_COMPARE, wanted);
    *expected = model_value(at);
    if (*expected != wanted)
        model_happen(model_order(&op, failure), at, -1, *expected);
    else
        model_happen(model_order(&op, order), at, at, value);
    return *expected == wanted;
}

/* ---- what a scenario uses beside atomics ---- */

/* What threads share without atomics. */
struct model_cell {
    int16_t write[MODEL_THREADS], read[MODEL_THREADS]; /* when they last did, from 1 */
};

static inline int model_me(void)
{
    return (int)(model.self - model.threads);
}

static inline void model_relax(void)
{
    model.self->newer = model.self->last;
}

static inline void model_ring(uint32_t *bell)
{
    struct model_op op = {bell, 0, "ring"};

    model_update(op, MODEL_ADD, 1, __ATOMIC_RELAXED);
}

static inline void model_wait(uint32_t *bell)
{
    struct model_op op = {bell, 0, "wait"};

    model_update(op, MODEL_WAIT, (uintptr_t)-1, __ATOMIC_RELAXED);
}

/* One or the other, and both are tried. */
static inline bool model_either(void)
{
    return model_choice(2) == 1;
}

/* For end(): what stands there, and who is still waiting. */
static inline uintptr_t model_left(void *address)
{
    const struct model_place *p = &graph.places[graph_place(address, 0)];

    return graph.events[p->order[p->count - 1]].value;
}

static inline bool model_waiting(int thread)
{
    return model.threads[thread].state == MODEL_READY && model.threads[thread].kind == MODEL_WAIT;
}

static void model_race(const int16_t *when, const char *what)
{
    for (int t = 0; t < model.count; t++)
        if (&model.threads[t] != model.self && when[t] > model.self->view.clock[t])
            model_fault("data race: %s, by thread %d and thread %d", what, model_me(), t);
}

static inline void model_write(struct model_cell *c, const char *what)
{
    int t = model_me();

    model_race(c->write, what);
    model_race(c->read, what);
    c->write[t] = (int16_t)(graph.done[t] + 1);
}

static inline void model_read(struct model_cell *c, const char *what)
{
    int t = model_me();

    model_race(c->write, what);
    c->read[t] = (int16_t)(graph.done[t] + 1);
}

/* ---- exploring ---- */

static void model_execute(void)
{
    graph_clear();
    model.choice = 0;
    model.runs++;
    model.now->begin();
    for (int i = 0; i < model.count; i++) {
        struct model_thread *t = &model.threads[i];
        char *low = model.stacks + (size_t)i * MODEL_STACK;

#ifdef __SANITIZE_ADDRESS__
        __asan_unpoison_memory_region(low, MODEL_STACK);
#endif
        t->body = model.now->threads[i];
        t->state = MODEL_NEW;
        t->last = t->newer = -1;
        t->view = graph_nothing;
        context_prepare(&t->context, low, low + MODEL_STACK, model_thread_run, t);
    }
    model.self = &model.threads[0];
    context_switch(&model.explorer, &model.self->context);
}

/* The next list of choices, if there is one. */
static bool model_advance(void)
{
    int last = model.choice_count - 1;

    while (last >= 0 && model.choices[last].taken + 1 == model.choices[last].of)
        last--;
    model.choice_count = last + 1;
    if (last >= 0)
        model.choices[last].taken++;
    return last >= 0;
}

static void model_tell(void)
{
    fprintf(stderr, "%s\n", model.fault);
    for (int i = 0; i < graph.event_count; i++) {
        const struct model_event *e = &graph.events[i];

        if (e->thread >= 0)
            fprintf(stderr, "  %3d: thread %d, %-18s place %d:%s%s %#lx, from %d\n", i, e->thread,
                    e->in, e->place, e->reads ? " reads" : "", e->writes ? " writes" : "",
                    (unsigned long)e->value, e->from);
    }
}

/* What was wrong with the first execution that was at fault, or NULL. */
static const char *model_explore(const struct model *m)
{
#ifdef __SANITIZE_THREAD__
    SKIP("ThreadSanitizer notes calls that a coroutine which is left half-way never ends");
#endif
    model.now = m;
    for (model.count = 0; model.count < MODEL_THREADS && m->threads[model.count];)
        model.count++;
    model.stacks = malloc((size_t)MODEL_THREADS * MODEL_STACK);
    if (model.stacks == NULL)
        abort();
    model.choice_count = 0;
    model.executions = model.runs = 0;
    model.fault[0] = 0;
    do
        model_execute();
    while (!model.fault[0] && model_advance());
    printf("# %ld executions, %ld runs%s%s\n", model.executions, model.runs,
           model.fault[0] ? ": " : "", model.fault);
    free(model.stacks);
    return model.fault[0] ? model.fault : NULL;
}

#define MODEL_WEAKEN(in, order) (model.weak_in = (in), model.weak = (order))

#define CHECK_HOLDS(scenario)             \
    do {                                  \
        if (model_explore(&(scenario))) { \
            tap_failures++;               \
            model_tell();                 \
        }                                 \
    } while (0)

#define CHECK_FOUND(scenario, words)                          \
    do {                                                      \
        const char *found = model_explore(&(scenario));       \
        CHECK(found != NULL && strstr(found, words) != NULL); \
    } while (0)

/* ---- the compiler's, from here on ---- */

#define MODEL_OP(p) ((struct model_op){(void *)(uintptr_t)(p), (uintptr_t) * (p), __func__})
#define MODEL_TYPE(p) __typeof__(((void)0, *(p)))

#define __atomic_load_n(p, order) ((MODEL_TYPE(p))model_load(MODEL_OP(p), order))
#define __atomic_store_n(p, v, order) model_store(MODEL_OP(p), (uintptr_t)(v), order)
#define __atomic_exchange_n(p, v, order) \
    ((MODEL_TYPE(p))model_update(MODEL_OP(p), MODEL_EXCHANGE, (uintptr_t)(v), order))
/* No cast, for a result that nobody looks at must not be warned of. */
#define __atomic_fetch_add(p, v, order) model_update(MODEL_OP(p), MODEL_ADD, (uintptr_t)(v), order)
#define __atomic_fetch_sub(p, v, order) __atomic_fetch_add(p, -(uintptr_t)(v), order)
#define __atomic_compare_exchange_n(p, expected, v, weak, order, failure)                         \
    __extension__({                                                                               \
        uintptr_t model_old = (uintptr_t) * (expected);                                           \
        bool model_done = model_compare(MODEL_OP(p), &model_old, (uintptr_t)(v), order, failure); \
        *(expected) = (__typeof__(*(expected)))model_old;                                         \
        model_done;                                                                               \
    })
#define cpu_relax() model_relax()

#endif
