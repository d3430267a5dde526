/* Included before anything else in the programs that run on the simulated kernel: their main is
   called by the one in simulated.c. */
#ifndef SIMULATED_H
#define SIMULATED_H

int main_of_program(void);
#ifndef SIMULATED_MAIN
#define main main_of_program
#endif

#endif
