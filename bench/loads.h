/* loads.h: two more loads of an echo server, beside the closed loop of echo.h.
 *
 * short: each request has a connection of its own: connect, send, receive, close.
 * paced: connections that each have a request due every so often, as light clients have. A request
 * that is due while the one before is unanswered goes out late; it is late from when it was due on,
 * so that a server that stands still cannot hide how many it kept waiting.
 */
#ifndef LOADS_H
#define LOADS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"

/* `at_once` connections at a time, until span_ns are over and the last one is closed. False: one
 * failed, or the server stopped answering. */
struct short_window {
    uint64_t requests, wall_ns;
    struct histogram latency; /* from connect() to the reply */
};

bool load_short(const struct sockaddr_in *at, unsigned at_once, uint64_t span_ns,
                struct short_window *out);

/* ---- paced ---- */

struct paced;

struct paced *paced_open(const struct sockaddr_in *at, unsigned most, uint64_t interval_ns);
void paced_close(struct paced *p);

/* So many more connections, which count in `latency` from here on. Does not wait for the server to
 * accept them: their first request says how long that took. */
bool paced_connect(struct paced *p, unsigned count, struct histogram *latency);

/* From here on all connections that there are count in `latency`, anew. Nothing is under way. */
void paced_count_in(struct paced *p, struct histogram *latency);

/* The connections that count in `latency` of which one took longer than that. */
unsigned paced_slow(const struct paced *p, const struct histogram *latency, uint64_t ns);

/* Requests go out as they are due, for span_ns. */
bool paced_run(struct paced *p, uint64_t span_ns);
/* No more go out, until all are answered. */
bool paced_drain(struct paced *p);

#endif
