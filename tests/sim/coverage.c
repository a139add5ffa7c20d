// LINK: -Wl,--wrap=sim_tell
/* coverage.c: counts what occurs. See coverage.h.
 *
 * Stands before the world's sim_tell(): everything that happens passes there.
 */
#include "tests/sim/coverage.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/sim/sim.h"
#include "tests/sim/scenario.h"

enum { WORDS_MOST = 1024, WORD_BYTES = 48 };

static struct {
    char text[WORD_BYTES];
    unsigned long long count;
} words[WORDS_MOST];
static unsigned word_count;
static bool counting;

void coverage_begin(void)
{
    counting = getenv("SIM_COVERAGE") != NULL;
}

static void count(const char *text, unsigned long long times)
{
    unsigned i = 0;

    while (i < word_count && strcmp(words[i].text, text) != 0)
        i++;
    if (i == WORDS_MOST)
        return;
    if (i == word_count)
        snprintf(words[word_count++].text, WORD_BYTES, "%s", text);
    words[i].count += times;
}

void seen(const char *what)
{
    if (counting)
        count(what, 1);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

void coverage_print(void)
{
    qsort(words, word_count, sizeof words[0], by_text);
    for (unsigned i = 0; i < word_count; i++)
        printf("%llu %s\n", words[i].count, words[i].text);
}

void coverage_add(FILE *from)
{
    unsigned long long times;
    char text[WORD_BYTES];

    while (fscanf(from, "%llu %47[^\n]\n", &times, text) == 2)
        count(text, times);
}

/* ---- what the world tells ---- */

void __real_sim_tell(struct sim *w, const char *what, int64_t a, int64_t b);
void __wrap_sim_tell(struct sim *w, const char *what, int64_t a, int64_t b);

static const char *when_cancelled(int64_t state)
{
    static const char *const names[] = {
        [SIM_WAITING] = "while it waits",
        [SIM_RUNNING] = "while it runs",
        [SIM_DECIDED] = "when it is decided",
        [SIM_BACK] = "when it is back",
    };

    return names[state];
}

static void count_told(const char *what, int64_t b)
{
    char text[WORD_BYTES];

    if (strcmp(what, "cancel") == 0)
        snprintf(text, sizeof text, "cancel lands %s", when_cancelled(b));
    else if (strcmp(what, "watch") == 0 && b > 0)
        snprintf(text, sizeof text, "watch ends by itself");
    else if (strcmp(what, "broken") == 0)
        snprintf(text, sizeof text, "broken %s", strerrorname_np((int)b));
    else if (b < 0 && strcmp(what, "back") != 0)
        snprintf(text, sizeof text, "%s %s", what, strerrorname_np((int)-b));
    else
        snprintf(text, sizeof text, "%s", what);
    count(text, 1);
}

void __wrap_sim_tell(struct sim *w, const char *what, int64_t a, int64_t b)
{
    if (counting)
        count_told(what, b);
    __real_sim_tell(w, what, a, b);
}
