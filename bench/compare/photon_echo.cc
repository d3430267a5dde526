/* photon-echo: the echo server on Photon. `photon-echo ADDRESS:PORT|unix:PATH`.
 *
 * A Photon thread for each connection, with a buffer of its own, on one vCPU. Its sockets on
 * io_uring, which measured best here: ahead of its epoll, edge-triggered and polled ones.
 */
#include <photon/common/alog.h>
#include <photon/io/signal.h>
#include <photon/net/socket.h>
#include <photon/photon.h>
#include <photon/thread/thread.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <memory>

#include "tally.h"

using photon::net::EndPoint;
using photon::net::ISocketServer;
using photon::net::ISocketStream;

static engine_counters counters;
static photon::semaphore stopped(0);

static int conversation(void *, ISocketStream *stream)
{
    auto buffer = std::make_unique<char[]>(PEER_BUFFER_BYTES);
    ssize_t length;

    counters.connections++;
    while ((length = stream->recv(buffer.get(), PEER_BUFFER_BYTES)) > 0) {
        counters.messages++;
        ssize_t sent = stream->write(buffer.get(), (size_t)length);
        counters.bytes += sent > 0 ? (uint64_t)sent : 0;
        if (sent != length)
            break;
    }
    counters.errors += length != 0;
    return 0;
}

static void on_signal(int number)
{
    if (number == SIGUSR1)
        tally_print("photon-echo", &counters);
    else
        stopped.signal(1);
}

static int bind_to(ISocketServer *server, const char *where)
{
    if (strncmp(where, "unix:", 5) != 0)
        return server->bind(EndPoint(where));
    unlink(where + 5);
    return server->bind(where + 5);
}

static int serve(const char *where)
{
    /* Says TCP, and takes any address it can bind to. */
    std::unique_ptr<ISocketServer> server(photon::net::new_iouring_tcp_server());
    if (!server || bind_to(server.get(), where) < 0 || server->listen(PEER_BACKLOG) < 0) {
        fprintf(stderr, "photon-echo: %s: %s\n", where, strerror(errno));
        return 1;
    }
    server->set_handler({nullptr, conversation});
    server->start_loop(false);
    tally_ready(where);
    stopped.wait(1);
    tally_print("photon-echo", &counters);
    return 0;
}

int main(int argc, char **argv)
{
    struct address address;
    if (argc != 2 || address_parse(&address, argv[1]) < 0) {
        fprintf(stderr, "usage: photon-echo ADDRESS:PORT|unix:PATH\n");
        return 2;
    }
    raise_descriptor_limit();
    set_log_output_level(ALOG_FATAL);
    photon::block_all_signal();
    if (photon::init(photon::INIT_EVENT_IOURING | photon::INIT_EVENT_SIGNAL, photon::INIT_IO_NONE) <
        0) {
        fprintf(stderr, "photon-echo: Photon did not start; was it built with io_uring?\n");
        return 1;
    }
    for (int number : {SIGTERM, SIGINT, SIGUSR1})
        photon::sync_signal(number, on_signal);
    int status = serve(argv[1]);
    photon::fini();
    return status;
}
