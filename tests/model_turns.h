/* model_turns.h: the threads of a model, whose turn it is, and the choices that make an execution.
 *
 * Threads are coroutines. An execution is a list of choices; the next one is the same list with
 * its last choice changed, from the start. Whose turn it is, is no choice: the first that can go on
 * does, for in which order the events of a graph were found says nothing about the graph. What it
 * reads is one: a write that is there, or else one that is still to come, and then it is held until
 * there is one, and reads nothing that was there before. Where a store comes to lie is one, and it
 * is never held: those who come later may lie before it. So each graph is found, and found once: in
 * it, what a read reads was either there or was not when its thread's turn came. An execution in
 * which one was held for nothing is none.
 *
 * A thread is NEW until its first operation (it gets there at once: what comes before concerns
 * nobody else), READY before each operation, and DONE. An execution ends where no thread can go on,
 * and end() is called by the last that could. A coroutine is then left where it stands, and
 * begins anew on the same stack.
 *
 * Rejected: to try all turns and leave off where the states have been seen: it found the same
 * numbers of executions, of up to thirty states each, in two to four times the time.
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

enum model_state { MODEL_NEW, MODEL_READY, MODEL_DONE };

enum model_kind {
    MODEL_LOAD,
    MODEL_STORE,
    MODEL_EXCHANGE,
    MODEL_ADD,
    MODEL_COMPARE, /* an exchange if it reads what is expected, else a load */
    MODEL_WAIT     /* takes one from a count, once that is above zero */
};

struct model_thread {
    struct context context;
    void (*body)(void);
    enum model_state state;
    enum model_kind kind; /* of the operation that it is about to do, where, */
    int place;
    uintptr_t expected; /* and for what */
    int since;          /* it reads no event before this one: it is held until there is one */
    int last;           /* the write that its last operation read, or made */
    int newer;          /* having spun: what it must read something newer than, or -1 */
    struct model_view view;
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
    long executions, runs;
    char fault[MODEL_WORDS];
    const char *weak_in;
    int weak;
    void (*publish)(uintptr_t value), (*got)(uintptr_t value); /* before, after an exchange */
} model;

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

/* ---- turns ---- */

static bool model_fits(const struct model_thread *t, int at)
{
    const struct model_place *p = &graph.places[t->place];
    uintptr_t value = graph.events[p->order[at]].value;

    switch (t->kind) {
    case MODEL_LOAD:
        return true;
    case MODEL_COMPARE:
        return value != t->expected || !graph_closed(p, at);
    case MODEL_WAIT:
        return value != 0 && !graph_closed(p, at);
    default:
        return !graph_closed(p, at);
    }
}

/* Where in the order of its place t may read, or write right behind: how many. */
static int model_able(const struct model_thread *t, int since, int able[])
{
    const struct model_place *p = &graph.places[t->place];
    int n = 0, at = graph_at(t->view.seen[t->place]);

    if (t->newer >= 0 && graph.events[t->newer].place == t->place && at <= graph_at(t->newer))
        at = graph_at(t->newer) + 1;
    for (; at < p->count; at++)
        if (p->order[at] >= since && model_fits(t, at))
            able[n++] = at;
    return n;
}

static bool model_can_go_on(const struct model_thread *t)
{
    int able[MODEL_EVENTS];

    return t->state == MODEL_READY && model_able(t, t->since, able) > 0;
}

/* One who was held for nothing could have gone on: it is no execution. */
static void model_end(void)
{
    int able[MODEL_EVENTS];

    for (int t = 0; t < model.count; t++)
        if (model.threads[t].state == MODEL_READY && model_able(&model.threads[t], 0, able) > 0)
            model_over();
    model.executions++;
    if (model.now->end)
        model.now->end();
    model_over();
}

static struct model_thread *model_next(void)
{
    for (int t = 0; t < model.count; t++)
        if (model.threads[t].state == MODEL_NEW)
            return &model.threads[t];
    for (int t = 0; t < model.count; t++)
        if (model_can_go_on(&model.threads[t]))
            return &model.threads[t];
    model_end();
    return NULL;
}

static void model_turn(void)
{
    struct model_thread *from = model.self, *next = model_next();

    model.self = next;
    if (next != from)
        context_switch(&from->context, &next->context);
}

static bool model_others(void)
{
    for (int t = 0; t < model.count; t++)
        if (&model.threads[t] != model.self && model_can_go_on(&model.threads[t]))
            return true;
    return false;
}

/* Comes back when this thread's operation happens: where in the order of its place. */
static int model_choose(void)
{
    struct model_thread *t = model.self;
    int able[MODEL_EVENTS];

    for (t->since = 0;; t->since = graph.event_count) {
        model_turn();
        int n = model_able(t, t->since, able);
        int chosen = model_choice(n + (t->kind != MODEL_STORE && model_others()));
        if (chosen < n) {
            t->since = 0;
            return able[chosen];
        }
    }
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
