/*
 * sim/disk_knobs.h - the part of knobs.h that belongs to the disk: same form, same rules.
 *
 * In a calm world the disk answers at once, and what was not synced is gone with the power, all of
 * it. Sizes are in bytes.
 */
#ifndef WEFT_SIM_DISK_KNOBS_H
#define WEFT_SIM_DISK_KNOBS_H

#define WEFT__SIM_DISK_KNOBS(CHANCE, SPAN, FAULT)                                                  \
    SPAN(DISK_SIZE, "disk.size", 0, 1099511627776, 0, 1099511627776) /* the upper bound is it */   \
    /* a request */                                                                                \
    SPAN(DISK_NS, "disk.time", 0, 0, 1000, 5000000) /* besides what comes before */                \
    CHANCE(DISK_HOLDS, "disk.holds", 0, 300000)     /* a cancel changes nothing */                 \
    FAULT(DISK_STUCK, "disk.stuck", 0)              /* so, and it takes this long: */              \
    SPAN(DISK_STUCK_NS, "disk.stuck_time", 60000000000, 60000000000, 60000000000, 60000000000)     \
    /* what is dirty */                                                                            \
    CHANCE(DISK_WRITEBACK, "disk.writeback", 0, 30000) /* some is written without a sync */        \
    FAULT(DISK_SYNC, "disk.sync", 2000)                /* that, or a sync, fails */                \
    /* what is told of changes: inotify.c */                                                       \
    CHANCE(WATCH_LATE, "disk.watch_late", 0,                                                       \
           300000) /* it is readable later, and so what follows */                                 \
    SPAN(WATCH_NS, "disk.watch_time", 0, 0, 1000, 2000000)                                         \
    SPAN(WATCH_QUEUE, "disk.watch_queue", 16384, 16384, 16384, 16384)                              \
    /* when the power goes, of what was not synced */                                              \
    CHANCE(POWER_NAMES, "power.names", 0, 700000)    /* changes of a directory are kept */         \
    CHANCE(POWER_DATA, "power.data", 0, 700000)      /* some of a file is kept: */                 \
    CHANCE(POWER_PAGE, "power.page", 500000, 500000) /* this page */                               \
    CHANCE(POWER_TORN, "power.torn", 0, 250000)      /* only some sectors of it */                 \
    SPAN(PIPE_SIZE, "pipe.size", 65536, 65536, 4096, 65536)

#define WEFT__SIM_DISK_NOTES(NOTE)                                                                 \
    NOTE(DISK, "disk")           /* who: the inode; value: bytes written, the result of a sync */  \
    NOTE(DISK_FAIL, "disk.fail") /* who: the inode; value: the error */                            \
    NOTE(POWER, "power")         /* it went; who: how many times by now */

#endif
