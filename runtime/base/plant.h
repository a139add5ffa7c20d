/* plant.h: bugs that can be planted, to see that the simulator finds them:
 * -DPLANT=PLANT_LOST_WAKEUP.
 *
 * Each stands where one of its kind could have been made, as a condition that is false in every
 * build but its own, and so costs nothing. tests/t_planted.sh builds each of them and expects the
 * scenarios to find it.
 */
#ifndef BASE_PLANT_H
#define BASE_PLANT_H

enum {
    PLANT_NONE,
    PLANT_LOST_WAKEUP,       /* what a watch says while nobody waits is forgotten */
    PLANT_ONE_WAKEUP,        /* of many who wait for the same, one is woken */
    PLANT_DOUBLE_COMPLETION, /* a close completes what it cancels, and then the kernel does */
    PLANT_LEAKED_FD,         /* an accept that a cancel met drops what it got */
    PLANT_REUSED_BUFFER,     /* a cancelled call returns before the kernel is done with it */
    PLANT_SWALLOWED_RESULT,  /* a cancel wins over a result */
    PLANT_LATE_TIMER,        /* a timer that fires too early is not armed again */
    PLANT_SURVIVING_WATCH,   /* a close forgets the watch, but does not end it */
    PLANT_MISSED_END,        /* a short read means empty, even behind the end */
    PLANT_KEPT_TURN,         /* a cancelled read keeps its turn at the file's position */
    PLANT_KEPT_ROOM,         /* a cancelled spawn keeps its room in the group */
    PLANT_OPEN_SHIELD,       /* a cancel goes through shields */
    PLANT_WRONG_SCOPE,       /* a scope translates a cancellation that one around it caused */
    PLANT_UNSYNCED,          /* fdatasync says that it is done when it has begun */
    PLANT_STALE_CLOCK,       /* a message is taken to be older than the last look at the clock */
    PLANT_UNTOLD_CANCEL,     /* a branch of which home heard after its cancel is not cancelled */
    PLANT_EARLY_WORD,        /* a branch gives back all that it took while a child of it lives */
    PLANT_UNCOUNTED_TAKE,    /* a record that another worker takes is not counted as taken */
    PLANT_LOST_ERROR,        /* a branch's last word does not say its error */
    PLANT_TWO_ANSWERS,       /* a spawn that waits for room is withdrawn after it got some */
};

#ifndef PLANT
#define PLANT PLANT_NONE
#endif

#define PLANTED(bug) (PLANT == PLANT_##bug)

#endif
