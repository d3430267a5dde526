/*
 * A weft loop inside a GLib main loop: take these two files into a program of your own.
 *
 * The weft loop is a GSource. GLib watches its descriptor and sleeps no longer than weft's next
 * timer allows; whenever either has come, weft makes one turn. All of it happens on the one thread,
 * between GLib's own callbacks.
 */
#ifndef WEFT_IN_GLIB_H
#define WEFT_IN_GLIB_H

#include <glib.h>
#include <weft/weft.h>

/* A new source for `loop`, the caller's to attach and to unref; NULL: the loop has no descriptor.
   Destroy it before the loop is closed. */
GSource *weft_in_glib_new(weft_loop *loop);

/* After a call from outside that gives the weft loop something to do: weft_loop_create_task,
   weft_loop_call_soon and their like. Not needed for what is posted to its inbox. */
void weft_in_glib_kick(GSource *source);

#endif
