/* walk.c: the journey as a program of its own, to be stepped through by unwind-steps. */
#include "journey.h"

#ifndef REGISTERS
#error "tests/arch has no header for this CPU"
#endif

/* Read by unwind-steps. */
__attribute__((used)) static const char *const register_names[REGISTERS] = REGISTER_NAMES;
__attribute__((used)) static const char *const main_words[] = {JOURNEY_MAIN_WORDS};
__attribute__((used)) static const char *const task_words[] = {JOURNEY_TASK_WORDS};

int main(void)
{
    journey_prepare();
    return journey() || journey_visits != 2;
}
