/* t_misuse.c: whoever misuses a call dies at once, with words that name the call, the task and the
 * place where the task was spawned.
 */
#include "child.h"

#include <netinet/in.h>

#include "reeve.h"

static rv_scope scope;
static rv_group group;
static char buffer[16];

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- outside of a task ---- */

#define CALL(name, expression)        \
    static int call_##name(void *arg) \
    {                                 \
        (void)arg;                    \
        return (int)(expression);     \
    }
#define CALL_VOID(name, expression) CALL(name, ((expression), 0))

CALL(rv_sleep, rv_sleep(1))
CALL(rv_sleep_until, rv_sleep_until(1))
CALL(rv_yield, rv_yield())
CALL_VOID(rv_scope_open, rv_scope_open(&scope, 1))
CALL_VOID(rv_shield_open, rv_shield_open(&scope, 1))
CALL_VOID(rv_cancel, rv_cancel(&scope))
CALL(rv_cancelled, rv_cancelled())
CALL(rv_scope_close, rv_scope_close(&scope, 0))
CALL_VOID(rv_group_open, rv_group_open(&group, 1))
CALL_VOID(rv_spread_open, rv_spread_open(&group, 1))
CALL_VOID(rv_go_on, rv_go_on(&group, 0, nothing, NULL))
CALL(rv_on, rv_on(0, nothing, NULL))
CALL(rv_workers, rv_workers())
CALL(rv_worker, rv_worker())
CALL(rv_runtime_self, rv_runtime_self() == NULL)
CALL_VOID(rv_group_limit, rv_group_limit(&group, 1))
CALL_VOID(rv_group_stack, rv_group_stack(&group, 1))
CALL_VOID(rv_group_fenv, rv_group_fenv(&group))
CALL_VOID(rv_group_cancel, rv_group_cancel(&group))
CALL_VOID(rv_go, rv_go(&group, nothing, NULL))
CALL_VOID(rv_go_copy, rv_go_copy(&group, nothing, buffer, 1))
CALL(rv_try_go, rv_try_go(&group, nothing, NULL))
CALL(rv_try_go_copy, rv_try_go_copy(&group, nothing, buffer, 1))
CALL(rv_group_close, rv_group_close(&group, 0))
CALL_VOID(rv_name, rv_name("%s", "x"))
CALL(rv_id, rv_id())
CALL(rv_read, rv_read(0, buffer, 1))
CALL(rv_write, rv_write(1, buffer, 1))
CALL(rv_pread, rv_pread(0, buffer, 1, 0))
CALL(rv_pwrite, rv_pwrite(1, buffer, 1, 0))
CALL(rv_read_full, rv_read_full(0, buffer, 1))
CALL(rv_write_all, rv_write_all(1, buffer, 1))
CALL(rv_recv, rv_recv(0, buffer, 1, 0))
CALL(rv_send, rv_send(1, buffer, 1, 0))
CALL(rv_accept, rv_accept(0, NULL, NULL))
CALL(rv_connect, rv_connect(0, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(struct sockaddr)))
CALL(rv_poll, rv_poll(0, 1))
CALL(rv_openat, rv_openat(AT_FDCWD, "/dev/null", O_RDONLY, 0))
CALL(rv_fsync, rv_fsync(0))
CALL(rv_fdatasync, rv_fdatasync(0))
CALL(rv_socket, rv_socket(AF_INET, SOCK_STREAM, 0))
CALL(rv_shutdown, rv_shutdown(0, SHUT_RD))
CALL(rv_socketpair, rv_socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){0}))
CALL(rv_pipe, rv_pipe((int[2]){0}, 0))
CALL(rv_bind, rv_bind(0, NULL, 0))
CALL(rv_listen, rv_listen(0, 1))
CALL(rv_setsockopt, rv_setsockopt(0, 0, 0, NULL, 0))
CALL(rv_getsockopt, rv_getsockopt(0, 0, 0, NULL, NULL))
CALL(rv_getsockname, rv_getsockname(0, NULL, NULL))
CALL(rv_getpeername, rv_getpeername(0, NULL, NULL))
CALL_VOID(rv_random, rv_random(&(char){0}, 1))
CALL(rv_close, rv_close(0))
CALL_VOID(rv_dump, rv_dump(2))
CALL(rv_backend, rv_backend(NULL) == NULL)

#define ROW(name)          \
    {                      \
#name, call_##name \
    }

static const struct call {
    const char *name;
    int (*make)(void *);
} calls[] = {
    ROW(rv_sleep),        ROW(rv_sleep_until),  ROW(rv_yield),       ROW(rv_scope_open),
    ROW(rv_shield_open),  ROW(rv_cancel),       ROW(rv_cancelled),   ROW(rv_scope_close),
    ROW(rv_group_open),   ROW(rv_group_limit),  ROW(rv_group_stack), ROW(rv_group_fenv),
    ROW(rv_group_cancel), ROW(rv_go),           ROW(rv_go_copy),     ROW(rv_try_go),
    ROW(rv_try_go_copy),  ROW(rv_group_close),  ROW(rv_name),        ROW(rv_id),
    ROW(rv_read),         ROW(rv_write),        ROW(rv_pread),       ROW(rv_pwrite),
    ROW(rv_read_full),    ROW(rv_write_all),    ROW(rv_recv),        ROW(rv_send),
    ROW(rv_accept),       ROW(rv_connect),      ROW(rv_poll),        ROW(rv_openat),
    ROW(rv_fsync),        ROW(rv_fdatasync),    ROW(rv_socket),      ROW(rv_shutdown),
    ROW(rv_socketpair),   ROW(rv_pipe),         ROW(rv_bind),        ROW(rv_listen),
    ROW(rv_setsockopt),   ROW(rv_getsockopt),   ROW(rv_getsockname), ROW(rv_getpeername),
    ROW(rv_random),       ROW(rv_close),        ROW(rv_dump),        ROW(rv_backend),
    ROW(rv_spread_open),  ROW(rv_go_on),        ROW(rv_on),          ROW(rv_workers),
    ROW(rv_worker),       ROW(rv_runtime_self),
};

enum { CALLS = sizeof calls / sizeof calls[0] };

TEST(hazard_27_every_call_outside_of_a_task_dies_naming_itself)
{
    for (int i = 0; i < CALLS; i++) {
        char words[128];

        snprintf(words, sizeof words, "reeve: %s: called outside a task", calls[i].name);
        check_dies(calls[i].make, NULL, words, calls[i].name);
    }
}

static int before_and_after(void *arg)
{
    if (rv_run(nothing, NULL, NULL) != 0)
        return 1;
    return call_rv_yield(arg);
}

TEST(a_call_after_rv_run_has_returned_is_outside_of_a_task_again)
{
    check_dies(before_and_after, NULL, "reeve: rv_yield: called outside a task", "after rv_run");
}

/* Calls that need no runtime. */
static bool anywhere(const char *name)
{
    return strncmp(name, "rv_runtime_", 11) == 0 || strcmp(name, "rv_now") == 0 ||
           strcmp(name, "rv_after") == 0 || strcmp(name, "rv_run") == 0;
}

static bool in_table(const char *name, size_t len)
{
    for (int i = 0; i < CALLS; i++)
        if (strlen(calls[i].name) == len && strncmp(calls[i].name, name, len) == 0)
            return true;
    return false;
}

/* Each function that the header declares: a line that begins with its type. */
TEST(the_table_above_holds_every_call_of_the_header)
{
    FILE *header = fopen("include/reeve.h", "r");
    char line[256];
    int seen = 0;

    if (header == NULL)
        SKIP("the tests are not run from the top of the tree");
    while (fgets(line, sizeof line, header)) {
        char *name = strstr(line, "rv_"), *paren = name ? strchr(name, '(') : NULL;
        size_t len;

        while (name && paren && (size_t)(paren - name) > strcspn(name, " *("))
            name = strstr(name + 1, "rv_"); /* the type had an rv_ too */
        if (!paren || !name || name > paren || strchr(" #/*", line[0]) ||
            strncmp(line, "typedef", 7) == 0)
            continue;
        len = (size_t)(paren - name);
        name[len] = 0;
        if (len > 3 && strcmp(name + len - 3, "_at") == 0 && in_table(name, len - 3))
            continue;
        seen++;
        if (!in_table(name, len) && !anywhere(name)) {
            tap_failures++;
            fprintf(stderr, "%s is not in the table\n", name);
        }
    }
    fclose(header);
    CHECK(seen >= CALLS - 4);
}

/* ---- in a task ---- */

static int child_closes_scope(void *arg)
{
    return rv_scope_close(arg, 0);
}

static int child_closes_group(void *arg)
{
    return rv_group_close(arg, 0);
}

static int in_child(rv_fn *fn, void *arg)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_go(&g, fn, arg);
    return rv_group_close(&g, 0);
}

static int scopes_out_of_order(void *arg)
{
    rv_scope a, b;

    (void)arg;
    rv_scope_open(&a, RV_NEVER);
    rv_scope_open(&b, RV_NEVER);
    return rv_scope_close(&a, 0);
}

static int group_around_open_scope(void *arg)
{
    rv_scope s;
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_scope_open(&s, RV_NEVER);
    return rv_group_close(&g, 0);
}

static int foreign_scope(void *arg)
{
    (void)arg;
    rv_scope_open(&scope, RV_NEVER);
    return in_child(child_closes_scope, &scope);
}

static int foreign_group(void *arg)
{
    (void)arg;
    rv_group_open(&group, RV_NEVER);
    rv_go(&group, child_closes_group, &group);
    return rv_group_close(&group, 0);
}

static int group_as_scope(void *arg)
{
    (void)arg;
    rv_group_open(&group, RV_NEVER);
    return rv_scope_close(&group.scope, 0);
}

static int scope_twice(void *arg)
{
    (void)arg;
    rv_scope_open(&scope, RV_NEVER);
    return rv_scope_close(&scope, 0) + rv_scope_close(&scope, 0);
}

static int group_twice(void *arg)
{
    (void)arg;
    rv_group_open(&group, RV_NEVER);
    return rv_group_close(&group, 0) + rv_group_close(&group, 0);
}

static int leave_scope(void *arg)
{
    (void)arg;
    rv_scope_open(&scope, RV_NEVER);
    return 0;
}

static int leave_group(void *arg)
{
    (void)arg;
    rv_group_open(&group, RV_NEVER);
    return 0;
}

static int child_leaves(void *arg)
{
    (void)arg;
    return in_child(leave_group, NULL);
}

/* A group that was open, and is closed. */
static rv_group *closed_group(void)
{
    rv_group_open(&group, RV_NEVER);
    return rv_group_close(&group, 0) == 0 ? &group : NULL;
}

static int go_closed(void *arg)
{
    (void)arg;
    rv_go(closed_group(), nothing, NULL);
    return 0;
}

static int cancel_closed(void *arg)
{
    (void)arg;
    rv_group_cancel(closed_group());
    return 0;
}

static int cancel_closed_scope(void *arg)
{
    (void)arg;
    rv_scope_open(&scope, RV_NEVER);
    (void)rv_scope_close(&scope, 0);
    rv_cancel(&scope);
    return 0;
}

static int run_inside(void *arg)
{
    return rv_run(nothing, arg, NULL);
}

#define IN_GROUP(name, expression)        \
    static int name(void *arg)            \
    {                                     \
        (void)arg;                        \
        rv_group_open(&group, RV_NEVER);  \
        int ignored = (int)(expression);  \
        (void)ignored;                    \
        return rv_group_close(&group, 0); \
    }

static rv_group *no_group;
static rv_fn *no_fn;

IN_GROUP(zero_limit, (rv_group_limit(&group, 0), 0))
IN_GROUP(huge_stack, (rv_group_stack(&group, SIZE_MAX / 2), 0))
IN_GROUP(go_no_fn, (rv_go(&group, no_fn, NULL), 0))
IN_GROUP(try_no_fn, rv_try_go(&group, no_fn, NULL))
IN_GROUP(go_no_group, (rv_go(no_group, nothing, NULL), 0))
IN_GROUP(try_no_group, rv_try_go_copy(no_group, nothing, buffer, 1))
IN_GROUP(copy_no_arg, (rv_go_copy(&group, nothing, NULL, 5), 0))
IN_GROUP(try_copy_no_arg, rv_try_go_copy(&group, nothing, NULL, 5))
IN_GROUP(open_no_scope, (rv_scope_open(NULL, 0), 0))
IN_GROUP(open_no_shield, (rv_shield_open(NULL, 0), 0))
IN_GROUP(close_no_scope, rv_scope_close(NULL, 0))
IN_GROUP(cancel_no_scope, (rv_cancel(NULL), 0))
IN_GROUP(open_no_group, (rv_group_open(no_group, 0), 0))
IN_GROUP(close_no_group, rv_group_close(no_group, 0))
IN_GROUP(cancel_no_group, (rv_group_cancel(no_group), 0))
IN_GROUP(limit_no_group, (rv_group_limit(no_group, 1), 0))
IN_GROUP(stack_no_group, (rv_group_stack(no_group, 1), 0))
IN_GROUP(fenv_no_group, (rv_group_fenv(no_group), 0))

static const struct misuse {
    rv_fn *fn;
    const char *words;
} misuses[] = {
    {scopes_out_of_order, "rv_scope_close: scopes must close in reverse order"},
    {group_around_open_scope,
     "rv_group_close: scopes must close in reverse order: one that was opened later"},
    {foreign_scope, "rv_scope_close: another task opened it"},
    {foreign_group, "rv_group_close: another task opened it"},
    {group_as_scope, "rv_scope_close: this is a group's; rv_group_close closes it"},
    {scope_twice, "rv_scope_close: it is not open, or was closed before"},
    {group_twice, "rv_group_close: the group is not open"},
    {leave_scope, "a task returned with a scope or a group still open"},
    {leave_group, "a task returned with a scope or a group still open"},
    {child_leaves, "a task returned with a scope or a group still open"},
    {go_closed, "rv_go: the group is not open"},
    {cancel_closed, "rv_group_cancel: the scope is closed"},
    {cancel_closed_scope, "rv_cancel: the scope is closed"},
    {run_inside, "rv_run: this thread runs tasks already"},
    {zero_limit, "rv_group_limit: a limit of 0"},
    {huge_stack, "rv_group_stack: "},
    {go_no_fn, "rv_go: the function is NULL"},
    {try_no_fn, "rv_try_go: the function is NULL"},
    {go_no_group, "rv_go: the group is NULL"},
    {try_no_group, "rv_try_go_copy: the group is NULL"},
    {copy_no_arg, "rv_go_copy: the argument is NULL, and 5 bytes"},
    {try_copy_no_arg, "rv_try_go_copy: the argument is NULL, and 5 bytes"},
    {open_no_scope, "rv_scope_open: the scope is NULL"},
    {open_no_shield, "rv_shield_open: the scope is NULL"},
    {close_no_scope, "rv_scope_close: the scope is NULL"},
    {cancel_no_scope, "rv_cancel: it is NULL"},
    {open_no_group, "rv_group_open: the group is NULL"},
    {close_no_group, "rv_group_close: the group is NULL"},
    {cancel_no_group, "rv_group_cancel: it is NULL"},
    {limit_no_group, "rv_group_limit: the group is NULL"},
    {stack_no_group, "rv_group_stack: the group is NULL"},
    {fenv_no_group, "rv_group_fenv: the group is NULL"},
};

static int misuse(void *arg)
{
    rv_name("culprit");
    return ((const struct misuse *)arg)->fn(NULL);
}

static int run_misuse(void *arg)
{
    return rv_run(misuse, arg, NULL);
}

TEST(misuse_dies_naming_the_call_the_task_and_where_it_was_spawned)
{
    for (size_t i = 0; i < sizeof misuses / sizeof misuses[0]; i++) {
        const struct misuse *m = &misuses[i];
        struct child o = child_result(run_misuse, (void *)m);
        bool other = m->fn == foreign_scope || m->fn == foreign_group || m->fn == child_leaves;

        CHECK(o.signal != 0 || TAP_SANITIZED);
        check_says(&o, m->words, m->words);
        check_says(&o,
                   other ? "\", spawned at tests/t_misuse.c:" : "(task 1 \"culprit\", spawned at",
                   m->words);
    }
}

static int run_null(void *arg)
{
    return rv_run(NULL, arg, NULL);
}

TEST(rv_run_of_nothing_dies)
{
    check_dies(run_null, NULL, "rv_run: the function is NULL", "rv_run(NULL)");
}
