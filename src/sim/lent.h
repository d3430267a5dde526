/*
 * sim/lent.h - memory that a request has lent to the kernel, watched while it is the kernel's.
 */
#ifndef WEFT_SIM_LENT_H
#define WEFT_SIM_LENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft__sim_lent {
    unsigned char *memory;
    size_t size;
    bool hidden;    /* poisoned by its owner when it was lent */
    bool to_write;  /* the kernel will write it: nobody may even read */
    uint64_t print; /* else: of its content; nobody may change it */
};

/* False: the memory is not whole (freed, or beyond a bound). */
bool weft__sim_lend(struct weft__sim_lent *lent, void *memory, size_t size, bool to_write);
/* The kernel's own access begins and ends. */
void weft__sim_lent_open(const struct weft__sim_lent *lent);
void weft__sim_lent_shut(const struct weft__sim_lent *lent);
/* Given back. False: somebody had touched it, or its frame had ended. */
bool weft__sim_give_back(struct weft__sim_lent *lent);
/* Whether all of it can be read (and written). Asked of the real kernel, once per page. */
bool weft__sim_is_there(void *memory, size_t size, bool to_write);
/* Forgets what is known of pages: memory comes and goes. */
void weft__sim_forget_pages(void);

#endif
