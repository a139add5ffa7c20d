/* tap.h: tests as sentences, each in a process of its own, reported as TAP.
 *
 *   TEST(a_closed_scope_forgets_its_deadline)
 *   {
 *       CHECK(rv_cancelled() == false);
 *       CHECK_EQ(rv_run(body, NULL, NULL), 0);
 *   }
 *   TEST_DIES(closing_out_of_order_is_named, "rv_scope_close: scopes must close") { ... }
 *
 * A test passes when its body returns and no CHECK failed. TEST_DIES passes when the body
 * ends the process by a signal and stderr holds the text. SKIP("reason") ends a test that
 * cannot run here, and counts as a named skip, never as a silent pass. A test that hangs is
 * killed after TEST_SECONDS (60). Arguments select tests by a part of their name.
 *
 * One process a test, because the runtime's failures are aborts, overflows and hangs, and a
 * test must not inherit the last one's ring, signal handlers or leaked fds.
 *
 * The same tests run in each world that the library knows, as REEVE_BACKEND says. A test of what
 * one world has no notion of says so, in words that fit all tests of its kind, first thing:
 * NOT_IN_SIM("real descriptors: dup(2)"), ONLY_ON_URING("the ring's own queues").
 */
#ifndef TAP_H
#define TAP_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct tap_test {
    const char *name;
    void (*body)(void);
    const char *dies; /* text expected on stderr of a test that must die */
    struct tap_test *next;
};

static struct tap_test *tap_first, **tap_end = &tap_first;
static int tap_failures; /* of this process */

enum { TAP_SKIP_EXIT = 77 };

#define TAP_REGISTER(sentence, text)                                     \
    static void sentence(void);                                          \
    __attribute__((constructor)) static void tap_add_##sentence(void)    \
    {                                                                    \
        static struct tap_test self = {#sentence, sentence, text, NULL}; \
        *tap_end = &self;                                                \
        tap_end = &self.next;                                            \
    }                                                                    \
    static void sentence(void)

#define TEST(sentence) TAP_REGISTER(sentence, NULL)
#define TEST_DIES(sentence, text) TAP_REGISTER(sentence, text)

#define CHECK(cond)                                                            \
    do {                                                                       \
        if (!(cond)) {                                                         \
            tap_failures++;                                                    \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
        }                                                                      \
    } while (0)

#define CHECK_EQ(a, b)                                                                           \
    do {                                                                                         \
        long long tap_a = (long long)(a), tap_b = (long long)(b);                                \
        if (tap_a != tap_b) {                                                                    \
            tap_failures++;                                                                      \
            fprintf(stderr, "%s:%d: %s is %lld, not %s (%lld)\n", __FILE__, __LINE__, #a, tap_a, \
                    #b, tap_b);                                                                  \
        }                                                                                        \
    } while (0)

#define SKIP(reason)                        \
    do {                                    \
        dprintf(tap_skip_fd, "%s", reason); \
        _exit(TAP_SKIP_EXIT);               \
    } while (0)

/* The Makefile says 0 of a library that was built without. */
#ifndef TAP_URING
#define TAP_URING 1
#endif

/* "uring", "epoll" or "sim": what rv_run() uses where a test does not say otherwise. */
static inline const char *tap_world(void)
{
    const char *backend = getenv("REEVE_BACKEND");

    if (backend && strcmp(backend, "auto") != 0)
        return backend;
    /* one that is there finds fault with the argument */
    return TAP_URING && syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == EFAULT ? "uring"
                                                                                    : "epoll";
}

static inline bool in_sim(void)
{
    return strcmp(tap_world(), "sim") == 0;
}

#define NOT_IN_SIM(reason) \
    do {                   \
        if (in_sim())      \
            SKIP(reason);  \
    } while (0)

#define ONLY_ON_URING(reason)                  \
    do {                                       \
        if (strcmp(tap_world(), "uring") != 0) \
            SKIP(reason);                      \
    } while (0)

/* What a sanitizer build cannot bear at full size (shadow memory, TSan's 8,128 fibers), and an
 * emulated CPU not in a test's time: the Makefile says TAP_SMALL then. clang tells of sanitizers
 * in another way than gcc. */
#ifdef __has_feature
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define TAP_SANITIZED 1
#else
#define TAP_SANITIZED 0
#endif
#ifndef TAP_SMALL
#define TAP_SMALL 0
#endif
#define SCALED(full, small) (TAP_SANITIZED || TAP_SMALL ? (small) : (full))

static int tap_skip_fd = 2;

/* In qemu's user mode: system calls are the kernel's after a translation, with gaps, and memory
 * and signals are qemu's. It shows in the name that the kernel has for the process: qemu puts
 * files of its own in the place of others below /proc/self, not of this one. */
static inline bool under_qemu(void)
{
    char name[32] = "";
    int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
    bool yes = read(fd, name, sizeof name - 1) > 0 && strncmp(name, "qemu-", 5) == 0;

    close(fd);
    return yes;
}

static char *tap_read_all(int fd)
{
    size_t have = 0, room = 4096;
    char *text = (char *)malloc(room); /* the cast: C++ tests include this too */
    ssize_t n;

    lseek(fd, 0, SEEK_SET);
    while (text && (n = read(fd, text + have, room - have - 1)) > 0) {
        have += (size_t)n;
        if (room - have < 2)
            text = (char *)realloc(text, room *= 2);
    }
    if (text)
        text[have] = 0;
    return text;
}

static int tap_temporary(void)
{
    char path[] = "/tmp/tap-XXXXXX";
    int fd = mkstemp(path);

    if (fd < 0) {
        perror("mkstemp");
        exit(2);
    }
    unlink(path);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

/* Prints text as TAP comments, so that a failure's words stay with its test. */
static void tap_comment(const char *text)
{
    while (*text) {
        int line = (int)strcspn(text, "\n");
        printf("# %.*s\n", line, text);
        text += line + (text[line] == '\n');
    }
}

static unsigned tap_seconds(void)
{
    const char *seconds = getenv("TEST_SECONDS");

    return seconds ? (unsigned)atoi(seconds) : 60;
}

static pid_t tap_running;

/* A sanitizer may hold the child's own alarm back for ever. */
static void tap_overdue(int sig)
{
    (void)sig;
    kill(-tap_running, SIGKILL);
}

static void tap_child(struct tap_test *test, int err, int skip)
{
    setpgid(0, 0);
    signal(SIGALRM, SIG_DFL);
    dup2(err, 2);
    tap_skip_fd = skip;
    alarm(tap_seconds());
    test->body();
    fflush(NULL);
    /* exit(), so that a leak checker has its say */
    exit(tap_failures ? 1 : 0);
}

/* Files that a test made by new_path() (net.h) and did not live to remove. */
static void tap_sweep(pid_t pid)
{
    char pattern[64];
    glob_t left;

    snprintf(pattern, sizeof pattern, "/tmp/reeve-%d-*", (int)pid);
    if (glob(pattern, GLOB_NOSORT, NULL, &left) == 0) {
        for (size_t i = 0; i < left.gl_pathc; i++)
            unlink(left.gl_pathv[i]);
        globfree(&left);
    }
}

static bool tap_run(struct tap_test *test, int number)
{
    int err = tap_temporary(), skip = tap_temporary(), status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0)
        tap_child(test, err, skip);
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    tap_running = pid;
    setpgid(pid, pid); /* here too: whichever comes first */
    signal(SIGALRM, tap_overdue);
    alarm(tap_seconds() + 5);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    alarm(0);
    kill(-pid, SIGKILL); /* whatever the test left running in its own process group */
    tap_sweep(pid);

    char *words = tap_read_all(err), *reason = tap_read_all(skip), sentence[256];
    snprintf(sentence, sizeof sentence, "%s", test->name);
    for (char *c = sentence; *c; c++)
        if (*c == '_')
            *c = ' ';

    bool skipped = WIFEXITED(status) && WEXITSTATUS(status) == TAP_SKIP_EXIT;
    bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (test->dies) /* a sanitizer turns some signals into an exit of its own */
        ok = (WIFSIGNALED(status) ? WTERMSIG(status) != SIGALRM && WTERMSIG(status) != SIGKILL
                                  : TAP_SANITIZED && WEXITSTATUS(status) != 0) &&
             strstr(words, test->dies) != NULL;
    if (skipped)
        printf("ok %d - %s # SKIP %s\n", number, sentence, reason);
    else
        printf("%sok %d - %s\n", ok ? "" : "not ", number, sentence);
    if (!ok && !skipped) {
        if (test->dies)
            printf("# expected it to die saying: %s\n", test->dies);
        if (WIFSIGNALED(status))
            printf("# ended by signal %d (%s)%s\n", WTERMSIG(status), strsignal(WTERMSIG(status)),
                   WTERMSIG(status) == SIGALRM || WTERMSIG(status) == SIGKILL ? ": it took too long"
                                                                              : "");
        tap_comment(words);
    }
    free(words);
    free(reason);
    close(err);
    close(skip);
    return ok || skipped;
}

int main(int argc, char **argv)
{
    int number = 0, failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (struct tap_test *test = tap_first; test; test = test->next) {
        bool wanted = argc < 2;
        for (int i = 1; i < argc; i++)
            wanted |= strstr(test->name, argv[i]) != NULL;
        if (wanted)
            failed += !tap_run(test, ++number);
    }
    printf("1..%d\n", number);
    return failed != 0;
}

#endif
