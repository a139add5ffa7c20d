/* backtrace.c: see backtrace.h. */
#include "base/backtrace.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

#include "base/report.h"

struct walk {
    int fd, skip, most, seen;
    bool wait; /* for the frame that a signal interrupted */
};

void backtrace_place(uintptr_t pc, char *text, size_t room)
{
    Dl_info info;
    const char *file;

    if (dladdr((void *)pc, &info) == 0) {
        snprintf(text, room, "%#lx", (unsigned long)pc);
        return;
    }
    file = info.dli_fname ? strrchr(info.dli_fname, '/') : NULL;
    file = file ? file + 1 : info.dli_fname ? info.dli_fname : "?";
    if (info.dli_sname)
        snprintf(text, room, "%s+%#lx in %s", info.dli_sname,
                 (unsigned long)(pc - (uintptr_t)info.dli_saddr), file);
    else
        snprintf(text, room, "%s+%#lx", file, (unsigned long)(pc - (uintptr_t)info.dli_fbase));
}

static void print_frame(int fd, int number, uintptr_t pc)
{
    char place[256];

    backtrace_place(pc, place, sizeof place);
    report_to(fd, "      #%-2d %s", number, place);
}

static _Unwind_Reason_Code visit(struct _Unwind_Context *frame, void *arg)
{
    struct walk *walk = arg;
    int interrupted = 0, number;
    uintptr_t pc = _Unwind_GetIPInfo(frame, &interrupted);

    if (walk->wait && !interrupted)
        return _URC_NO_REASON;
    walk->wait = false;
    number = walk->seen++ - walk->skip;
    if (pc == 0 || walk->seen > 100000)
        return _URC_END_OF_STACK;
    if (number >= 0 && number < walk->most)
        print_frame(walk->fd, number, pc);
    return _URC_NO_REASON;
}

void backtrace_print(int fd, int skip, int most)
{
    struct walk walk = {.fd = fd, .skip = skip + 1, .most = most};

    _Unwind_Backtrace(visit, &walk);
}

int backtrace_print_interrupted(int fd, int most)
{
    struct walk walk = {.fd = fd, .most = most, .wait = true};

    _Unwind_Backtrace(visit, &walk);
    return walk.seen;
}

void backtrace_warm(void)
{
    backtrace_print(-1, 0, 0);
}
