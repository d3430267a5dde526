/* A weft loop inside a GLib main loop; weft_in_glib.h says how. */
#include "weft_in_glib.h"

struct guest {
    GSource source; /* first: GLib's pointer is ours */
    weft_loop *loop;
    gpointer watched;
    int64_t next; /* when weft is to make a turn, whatever comes; 0: at once */
};

static gboolean is_due(const struct guest *guest)
{
    return guest->next != WEFT_NEVER && guest->next <= weft_now();
}

/* How long may GLib sleep? Never too short a time: it counts in milliseconds. */
static gboolean prepare(GSource *source, gint *timeout_ms)
{
    const struct guest *guest = (const struct guest *)source;
    int64_t left_ms;

    *timeout_ms = -1;
    if (is_due(guest))
        return TRUE;
    if (guest->next == WEFT_NEVER)
        return FALSE;
    left_ms = (guest->next - weft_now()) / 1000000 + 1;
    *timeout_ms = left_ms > G_MAXINT ? G_MAXINT : (gint)left_ms;
    return FALSE;
}

static gboolean check(GSource *source)
{
    const struct guest *guest = (const struct guest *)source;

    return g_source_query_unix_fd(source, guest->watched) != 0 || is_due(guest);
}

/* One turn. */
static gboolean dispatch(GSource *source, GSourceFunc fn, gpointer data)
{
    struct guest *guest = (struct guest *)source;

    (void)fn, (void)data;
    guest->next = weft_loop_step(guest->loop, false);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs functions = {.prepare = prepare, .check = check, .dispatch = dispatch};

GSource *weft_in_glib_new(weft_loop *loop)
{
    int fd = weft_loop_fd(loop);
    GSource *source = fd < 0 ? NULL : g_source_new(&functions, sizeof(struct guest));
    struct guest *guest = (struct guest *)source;

    if (!guest)
        return NULL;
    guest->loop = loop;
    guest->next = 0;
    guest->watched = g_source_add_unix_fd(source, fd, G_IO_IN);
    return source;
}

void weft_in_glib_kick(GSource *source)
{
    ((struct guest *)source)->next = 0;
}
