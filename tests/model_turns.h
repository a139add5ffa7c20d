/* model_turns.h: the threads of a model, whose turn it is, and the choices that make an execution.
 *
 * Threads are coroutines. An execution is a list of choices (whose turn, which write is read); the
 * next one is the same list with its last choice changed, from the start. Where the threads' traces
 * and the modification orders are as they once were already, all that follows has been seen, and
 * the execution is left: so what is counted at the end are different executions, not different
 * turns. Compared are hashes of 64 bits: two states of some hundred thousand are the same by
 * chance once in a billion runs.
 *
 * A thread is NEW until its first operation (it gets there at once: what comes before concerns
 * nobody else), READY before each operation, WAITS before one that needs a count above zero, DONE.
 * An execution ends where no thread can go on, and end() is called by the last that could.
 * A coroutine is then left where it stands, and begins anew on the same stack.
 *
 * Rejected: to find by dependence which turns need not be tried (partial-order reduction): states
 * are few enough to be remembered.
 */
#ifndef MODEL_TURNS_H
#define MODEL_TURNS_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "arch/switch.h"
#include "tests/model_graph.h"

enum { MODEL_STACK = 64 * 1024, MODEL_CHOICES = 1024, MODEL_WORDS = 200 };

struct model {
    void (*begin)(void); /* makes all things anew: each execution begins with it */
    void (*threads[MODEL_THREADS])(void);
    void (*end)(void); /* looks at what has become; may be NULL */
};

enum model_state { MODEL_NEW, MODEL_READY, MODEL_WAITS, MODEL_DONE };

struct model_thread {
    struct context context;
    void (*body)(void);
    enum model_state state;
    int place; /* of the operation that it is about to do */
    int last;  /* the write that its last operation read, or made */
    int newer; /* having spun: what it must read something newer than, or -1 */
    uint64_t trace;
    struct model_view view;
};

/* What threads share without atomics. */
struct model_cell {
    int16_t write[MODEL_THREADS], read[MODEL_THREADS]; /* when they last did, from 1 */
};

static struct {
    struct model_thread threads[MODEL_THREADS], *self;
    struct context explorer;
    const struct model *now;
    char *stacks;
    int count;
    struct {
        uint8_t taken, of;
    } choices[MODEL_CHOICES];
    int choice, choice_count;
    uint64_t *seen; /* a table of hashes */
    size_t seen_count, seen_room;
    long executions, begun;
    char fault[MODEL_WORDS];
    const char *weak_in;
    int weak;
    void (*publish)(uintptr_t value), (*got)(uintptr_t value); /* hooks: before and after updates */
} model;

#define MODEL_WEAKEN(in, order) (model.weak_in = (in), model.weak = (order))

/* ---- choices ---- */

/* Ends this execution. */
__attribute__((noreturn)) static void model_over(void)
{
    context_switch(&model.self->context, &model.explorer);
    abort();
}

__attribute__((noreturn, format(printf, 1, 2))) static void model_fault(const char *words, ...)
{
    va_list list;

    va_start(list, words);
    vsnprintf(model.fault, sizeof model.fault, words, list);
    va_end(list);
    model_over();
}

static int model_choice(int of)
{
    if (of < 2)
        return 0;
    if (model.choice == model.choice_count) {
        if (model.choice == MODEL_CHOICES)
            model_fault("the scenario is too large: choices");
        model.choices[model.choice_count].taken = 0;
        model.choices[model.choice_count++].of = (uint8_t)of;
    }
    return model.choices[model.choice++].taken;
}

static bool model_see(uint64_t hash)
{
    size_t i = hash & (model.seen_room - 1);

    for (; model.seen[i]; i = (i + 1) & (model.seen_room - 1))
        if (model.seen[i] == hash)
            return true;
    model.seen[i] = hash;
    model.seen_count++;
    return false;
}

static void model_grow(void)
{
    uint64_t *old = model.seen;
    size_t room = model.seen_room;

    if (model.seen_count < room / 2)
        return;
    model.seen_room = room ? room * 4 : 1 << 14;
    model.seen = calloc(model.seen_room, sizeof *model.seen);
    if (model.seen == NULL)
        abort();
    model.seen_count = 0;
    for (size_t i = 0; i < room; i++)
        if (old[i])
            model_see(old[i]);
    free(old);
}

/* Have we been here, by other turns? Asked only where no choice of before is being repeated. */
static bool model_been_here(void)
{
    uint64_t hash = graph_hash();

    if (model.choice < model.choice_count)
        return false;
    for (int t = 0; t < model.count; t++)
        hash = graph_mix(hash, model.threads[t].trace);
    model_grow();
    return model_see(hash ? hash : 1);
}

/* ---- turns ---- */

static uintptr_t model_latest(int place)
{
    const struct model_place *p = &graph.places[place];

    return graph.events[p->order[p->count - 1]].value;
}

static bool model_can_go_on(const struct model_thread *t)
{
    if (t->state == MODEL_WAITS)
        return model_latest(t->place) != 0;
    if (t->newer >= 0 && graph.events[t->newer].place == t->place)
        return graph_at(t->newer) + 1 < graph.places[t->place].count;
    return t->state == MODEL_READY;
}

/* Who is next? All who have not begun run to their first operation, which is no choice. */
static struct model_thread *model_next(void)
{
    struct model_thread *able[MODEL_THREADS];
    int n = 0;

    for (int t = 0; t < model.count; t++)
        if (model.threads[t].state == MODEL_NEW)
            return &model.threads[t];
    for (int t = 0; t < model.count; t++)
        if (model_can_go_on(&model.threads[t]))
            able[n++] = &model.threads[t];
    if (model_been_here())
        model_over();
    if (n == 0) {
        model.executions++;
        if (model.now->end)
            model.now->end();
        model_over();
    }
    return able[model_choice(n)];
}

static void model_turn(void)
{
    struct model_thread *from = model.self, *next = model_next();

    model.self = next;
    if (next != from)
        context_switch(&from->context, &next->context);
}

static void model_thread_run(void *arg)
{
    struct model_thread *t = arg;

    t->state = MODEL_READY;
    t->body();
    t->state = MODEL_DONE;
    model_turn();
    abort();
}

#endif
