/* t_sweep.c: each call that a room makes of the kernel fails once, in each way that it can, in
 * each of some small programs: nothing is lost, the error is told as it is, what can be tried
 * again is, and the run ends with nothing left behind.
 */
#include "tests/fault_work.h"
#include "tests/faulty_room.h"

SWEEP_EACH(stands_each_failure_of_a_call, faulty_room, false)
