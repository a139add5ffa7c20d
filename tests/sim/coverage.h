/* coverage.h: how often what occurred in the worlds of this process, where SIM_COVERAGE asks for
 * it.
 *
 * A world whose faults never come about proves nothing. The words are those of the world's own
 * trace, each with what became of it (`accept ECONNABORTED`, `cancel: too late`), and those that
 * scenarios say by seen().
 */
#ifndef COVERAGE_H
#define COVERAGE_H

#include <stdio.h>

void coverage_begin(void);
void coverage_print(void);     /* lines "count words"; nothing where it was not asked for */
void coverage_add(FILE *from); /* what another process printed */

#endif
