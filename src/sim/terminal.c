/*
 * sim/terminal.c - terminals: two ends, and between them the little that a terminal does by itself.
 *
 *      our end -- what is typed --> line --(newline, ^D)--> typed --> the program
 *         ^                          | echo, ^C: SIGINT
 *         +------- screen <----------+------------------------------- the program
 *
 * As a new one of the kernel's is set: whole lines, echo, "\r" typed is "\n", "\n" written is
 * "\r\n". What nothing here does: editing a line, job control, any other setting.
 *
 * What always holds: a program's end that is the last to go shows as -EIO at ours, after what there
 * is to read; ours, as the end of what is typed, and as SIGHUP to the group.
 */
#include "sim/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "sim/net_bytes.h"
#include "sim/process.h"

enum { ROOM = 4096, INTERRUPT = 3, END = 4 };

struct end;

struct terminal {
    struct weft__net_bytes screen; /* for us */
    struct weft__net_bytes line;   /* typed, and not yet for the program */
    struct weft__net_bytes typed;  /* for the program */
    uint32_t ends_typed;           /* behind all of that: reads that give nothing */
    uint16_t rows, columns;
    int group;           /* that it signals; 0: none */
    struct end *ends[2]; /* ours, the program's; NULL: gone */
};

struct end {
    struct weft__sim_file file; /* first */
    struct terminal *terminal;
};

static struct terminal *terminal_of(const struct weft__sim_file *file)
{
    return ((const struct end *)file)->terminal;
}

static void tell(struct weft__sim *sim, struct terminal *terminal, int which, uint32_t events)
{
    if (terminal->ends[which])
        weft__sim_file_changed(sim, &terminal->ends[which]->file, events);
}

/* At least one byte, since there is one. */
static int32_t take(struct weft__net_bytes *bytes, struct weft__sim_transfer *transfer)
{
    size_t size = transfer->length < bytes->count ? transfer->length : bytes->count;

    weft__net_bytes_look(bytes, 0, transfer->memory, size);
    weft__net_bytes_drop(bytes, size);
    return (int32_t)size;
}

/* -- our end ------------------------------------------------------------------------------------
 */

static int32_t our_read(struct weft__sim *sim, struct weft__sim_file *file,
                        struct weft__sim_transfer *transfer)
{
    struct terminal *terminal = terminal_of(file);
    int32_t size;

    if (transfer->length == 0)
        return 0;
    if (terminal->screen.count == 0)
        return terminal->ends[1] ? -EAGAIN : -EIO;
    size = take(&terminal->screen, transfer);
    tell(sim, terminal, 1, POLLOUT);
    return size;
}

/* What does not fit is not seen, as with the kernel's. */
static void echo(struct terminal *terminal, const char *text, size_t size)
{
    if (terminal->screen.count + size <= ROOM)
        weft__net_bytes_push(&terminal->screen, text, size);
}

/* The line is the program's now. */
static void hand_over(struct terminal *terminal)
{
    while (terminal->line.count > 0) {
        char bytes[64];
        size_t size = terminal->line.count < sizeof bytes ? terminal->line.count : sizeof bytes;

        weft__net_bytes_look(&terminal->line, 0, bytes, size);
        weft__net_bytes_drop(&terminal->line, size);
        weft__net_bytes_push(&terminal->typed, bytes, size);
    }
}

static void type(struct weft__sim *sim, struct weft__sim_file *file, char byte)
{
    struct terminal *terminal = terminal_of(file);

    byte = byte == '\r' ? '\n' : byte;
    if (byte == INTERRUPT && terminal->group) {
        echo(terminal, "^C", 2);
        weft__net_bytes_cut(&terminal->line, 0);
        weft__sim_group_tell(sim, terminal->group, SIGINT, &file->dice);
    } else if (byte == END) {
        terminal->ends_typed += terminal->line.count == 0;
        hand_over(terminal);
    } else if (byte == '\n') {
        echo(terminal, "\r\n", 2);
        weft__net_bytes_push(&terminal->line, &byte, 1);
        hand_over(terminal);
    } else if (terminal->line.count < ROOM - 1) {
        echo(terminal, &byte, 1);
        weft__net_bytes_push(&terminal->line, &byte, 1);
    }
}

static int32_t our_write(struct weft__sim *sim, struct weft__sim_file *file,
                         struct weft__sim_transfer *transfer)
{
    struct terminal *terminal = terminal_of(file);
    uint32_t size = 0;

    if (!terminal->ends[1] && transfer->length > 0)
        return -EIO;
    while (size < transfer->length && terminal->typed.count < ROOM)
        type(sim, file, ((const char *)transfer->memory)[size++]);
    if (size == 0 && transfer->length > 0)
        return -EAGAIN;
    tell(sim, terminal, 1, POLLIN);
    tell(sim, terminal, 0, POLLIN);
    return (int32_t)size;
}

static uint32_t our_poll(struct weft__sim *sim, struct weft__sim_file *file)
{
    const struct terminal *terminal = terminal_of(file);

    (void)sim;
    return (terminal->screen.count > 0 ? POLLIN : 0u) |
           (terminal->typed.count < ROOM ? POLLOUT : 0u) | (terminal->ends[1] ? 0u : POLLHUP);
}

/* -- the program's -------------------------------------------------------------------------------
 */

static int32_t program_read(struct weft__sim *sim, struct weft__sim_file *file,
                            struct weft__sim_transfer *transfer)
{
    struct terminal *terminal = terminal_of(file);
    int32_t size;

    if (transfer->length == 0)
        return 0;
    if (terminal->typed.count > 0) {
        size = take(&terminal->typed, transfer);
        tell(sim, terminal, 0, POLLOUT);
        return size;
    }
    if (terminal->ends_typed > 0) {
        terminal->ends_typed--;
        return 0;
    }
    return terminal->ends[0] ? -EAGAIN : 0;
}

static int32_t program_write(struct weft__sim *sim, struct weft__sim_file *file,
                             struct weft__sim_transfer *transfer)
{
    struct terminal *terminal = terminal_of(file);
    const char *bytes = transfer->memory;
    uint32_t size = 0;

    if (!terminal->ends[0] && transfer->length > 0)
        return -EIO;
    for (; size < transfer->length && terminal->screen.count + 2 <= ROOM; size++) {
        if (bytes[size] == '\n')
            weft__net_bytes_push(&terminal->screen, "\r", 1);
        weft__net_bytes_push(&terminal->screen, &bytes[size], 1);
    }
    if (size == 0 && transfer->length > 0)
        return -EAGAIN;
    tell(sim, terminal, 0, POLLIN);
    return (int32_t)size;
}

static uint32_t program_poll(struct weft__sim *sim, struct weft__sim_file *file)
{
    const struct terminal *terminal = terminal_of(file);
    bool readable = terminal->typed.count > 0 || terminal->ends_typed > 0;

    (void)sim;
    return (readable ? POLLIN : 0u) | (terminal->screen.count + 2 <= ROOM ? POLLOUT : 0u) |
           (terminal->ends[0] ? 0u : POLLHUP);
}

/* -- both ---------------------------------------------------------------------------------------
 */

static void describe(struct weft__sim *sim, const struct weft__sim_file *file, char *text,
                     size_t size)
{
    const struct terminal *terminal = terminal_of(file);

    (void)sim;
    snprintf(text, size, "%zu bytes typed, %zu to be read, %s", terminal->typed.count,
             terminal->screen.count,
             terminal->ends[0] && terminal->ends[1] ? "both ends open" : "the other end closed");
}

static void release(struct weft__sim *sim, struct weft__sim_file *file)
{
    struct terminal *terminal = terminal_of(file);
    int which = terminal->ends[0] == (struct end *)file ? 0 : 1;

    if (which == 0 && terminal->group)
        weft__sim_group_tell(sim, terminal->group, SIGHUP, &file->dice);
    terminal->ends[which] = NULL;
    weft__sim_free(file);
    tell(sim, terminal, !which, POLLIN | POLLHUP);
    if (terminal->ends[!which])
        return;
    weft__net_bytes_free(&terminal->screen);
    weft__net_bytes_free(&terminal->line);
    weft__net_bytes_free(&terminal->typed);
    weft__sim_free(terminal);
}

static const struct weft__sim_file_ops ours = {
    .kind = "terminal",
    .read = our_read,
    .write = our_write,
    .poll = our_poll,
    .describe = describe,
    .release = release,
};

static const struct weft__sim_file_ops the_programs = {
    .kind = "terminal",
    .read = program_read,
    .write = program_write,
    .poll = program_poll,
    .describe = describe,
    .release = release,
};

void weft__sim_terminal(struct weft__sim *sim, uint16_t rows, uint16_t columns,
                        struct weft__sim_file *ends[2])
{
    struct terminal *terminal = weft__sim_alloc(sizeof *terminal);

    terminal->rows = rows;
    terminal->columns = columns;
    for (int which = 0; which < 2; which++) {
        struct end *end = weft__sim_alloc(sizeof *end);
        weft__sim_file_begin(sim, &end->file, which ? &the_programs : &ours);
        end->terminal = terminal;
        terminal->ends[which] = end;
        ends[which] = &end->file;
    }
}

int weft__sim_terminal_control(struct weft__sim_file *file, int group)
{
    if (!file || file->ops != &the_programs)
        return -ENOTTY;
    terminal_of(file)->group = group;
    return 0;
}

int weft__sim_terminal_size(const struct weft__sim_file *file, uint16_t *rows, uint16_t *columns)
{
    if (!file || file->ops != &the_programs)
        return -ENOTTY;
    *rows = terminal_of(file)->rows;
    *columns = terminal_of(file)->columns;
    return 0;
}
