/* content.h: the bytes of a simulated file: what reads see, and what a power cut leaves.
 *
 * Whether a write is short or a read fails is not decided here: only what the kernel writes back
 * by itself, and what remains after a cut.
 */
#ifndef KERNEL_SIM_CONTENT_H
#define KERNEL_SIM_CONTENT_H

#include "kernel/sim/sim.h"

enum { CONTENT_PAGE = 4096, CONTENT_SIZES = 8 };

struct content_page;

/* From one truncation to the next. All 0: an empty one. */
struct content {
    struct content_page **pages; /* by index; one that is not there is a hole */
    size_t count, room;
    int64_t size;                 /* only grows */
    int64_t synced_size;          /* on the disk */
    int64_t sizes[CONTENT_SIZES]; /* the last ones since then, in a ring */
    unsigned growths;             /* how many there have been */
};

void content_drop(struct content *c); /* leaves an empty one */

/* As much as `more` further pages have room for. */
size_t content_write(struct sim *w, struct content *c, const void *buf, size_t len, int64_t at,
                     size_t more);
/* All len bytes are inside. From then on they are cached. */
void content_read(struct content *c, void *buf, size_t len, int64_t at);
size_t content_cached(const struct content *c, size_t len, int64_t at); /* from `at` on */
/* Memory was wanted for something else than the page there. Was it cached? */
bool content_forget(struct content *c, int64_t at);

void content_sync(struct content *c);
void content_fail_sync(struct content *c);

/* After a power cut; of the sectors that were not synced, how many, and how many are there. */
struct content_remains {
    int64_t unsynced, there;
};
struct content_remains content_cut(struct sim *w, struct content *c);

#endif
