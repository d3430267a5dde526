/*
 * sim/process_knobs.h - what is drawn of other processes; part of knobs.h, which explains it.
 */
#ifndef WEFT_SIM_PROCESS_KNOBS_H
#define WEFT_SIM_PROCESS_KNOBS_H

#define WEFT__SIM_PROCESS_KNOBS(CHANCE, SPAN, FAULT)                                               \
    FAULT(PROCESS_NONE, "process.none", 2000)    /* -EAGAIN or -ENOMEM */                          \
    FAULT(PROCESS_FOREIGN, "process.foreign", 0) /* it has another user's rights: no signals */    \
    SPAN(EXEC_NS, "process.exec_time", 0, 0, 10000, 3000000) /* to look for the program */         \
    SPAN(SIGNAL_NS, "process.signal_time", 0, 0, 0, 300000)  /* to its effect */                   \
    CHANCE(PROCESS_SHORT, "process.short", 0, 200000)        /* it reads less than there is */

#define WEFT__SIM_PROCESS_NOTES(NOTE)                                                              \
    NOTE(PROCESS, "process")         /* one begins; who: its serial number */                      \
    NOTE(PROCESS_END, "process.end") /* value: its code, or its signal below zero */

#endif
