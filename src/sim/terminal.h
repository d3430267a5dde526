/*
 * sim/terminal.h - simulated terminals: our end, and that of a program; see pty(7) and termios(3).
 */
#ifndef WEFT_SIM_TERMINAL_H
#define WEFT_SIM_TERMINAL_H

#include "sim/object.h"

/* ends[0] is ours, ends[1] that of a program, with one reference each, the caller's. */
void weft__sim_terminal(struct weft__sim *sim, uint16_t rows, uint16_t columns,
                        struct weft__sim_file *ends[2]);

/* Whoever is in the group is signalled by it from now on. 0; -ENOTTY: it is no program's end. */
int weft__sim_terminal_control(struct weft__sim_file *file, int group);
/* How large it is. 0 or -ENOTTY. */
int weft__sim_terminal_size(const struct weft__sim_file *file, uint16_t *rows, uint16_t *columns);

#endif
