/* The program it is linked with, on the simulated kernel: an hour takes no time, and what the clock
   says is exact. */
#define SIMULATED_MAIN
#include "simulated.h"

#include <weft/sim.h>

static int program(void *arg)
{
    (void)arg;
    return main_of_program();
}

int main(void)
{
    struct weft_sim_opt opt = {.size = sizeof opt, .seed = 1, .plan = "calm"};

    return weft_sim_run(&opt, program, NULL, NULL) != 0;
}
