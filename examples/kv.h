/* kv.h: the parts of kv.c.
 *
 *   kv-store.c      the keys and their values, and the log that outlives a crash
 *   kv-server.c     the protocol: "set KEY VALUE" says "ok", "get KEY" its value or "none"
 *   kv-simulate.c   the test: the same server in simulated worlds
 */
#ifndef KV_H
#define KV_H

#include "reeve.h"

enum { KV_KEY = 32, KV_VALUE = 64, KV_LINE = 128 };

struct kv_options {
    uint16_t port;
    const char *log;
    bool hasty; /* the planted bug: see store_set() */
};

/* ---- kv-store.c ---- */

struct store;
int store_open(struct store **out, const char *log, bool hasty);
int store_set(struct store *s, const char *key, const char *value);
const char *store_get(const struct store *s, const char *key); /* NULL: it has none */
void store_close(struct store *s);

/* ---- kv-server.c ---- */

struct lines {
    int fd;
    size_t count;
    char text[KV_LINE];
};

/* The next line, without its end: its length with it; 0 at the end; -EMSGSIZE: too long. */
int read_line(struct lines *in, char line[KV_LINE]);

int serve(const struct kv_options *o); /* until something fails, or a cancel */

/* ---- kv-simulate.c ---- */

int simulate(uint64_t seeds, bool hasty);

#endif
