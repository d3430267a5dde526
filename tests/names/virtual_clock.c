/*
 * c-ares asks the clock when to try again, and knows nothing of virtual time: in a program linked
 * with the simulated kernel this is clock_gettime(2), for everybody in it, shared libraries
 * included.
 */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <weft/sim.h>
#include <weft/weft.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    weft_inbox *inbox = weft_inbox_here();
    int64_t passed_ns = weft_sim_time();

    weft_inbox_put(inbox);
    if (clock != CLOCK_MONOTONIC || !inbox)
        return (int)syscall(SYS_clock_gettime, clock, now);
    now->tv_sec = 1000 + passed_ns / 1000000000;
    now->tv_nsec = passed_ns % 1000000000;
    return 0;
}
