/*
 * What giving memory away costs beside having it copied: pieces over the loopback, to a task that
 * drops them. Each goes over a connection of its own, since one that turns out to copy is not asked
 * again; connecting is not timed, and time is per piece.
 *
 *   copied/N              weft_stream_write of N bytes
 *   given/N               weft_stream_write_give, where the measured threshold says so
 *   given_anyway/N        the same from the first byte on. Counters: the share of sends made
 *                         without a copy (tried), and of these what was copied all the same
 */
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

#include <weft/weft.h>

namespace
{

void must(bool holds)
{
    if (!holds)
        std::abort();
}

struct plan {
    benchmark::State *state;
    bool give;
    char address[32];
};

int drop(weft_stream *stream, void *)
{
    const void *data;
    size_t size;

    while (weft_stream_peek(stream, &data, &size, 0) > 0)
        must(weft_stream_consume(stream, size) == 0);
    return 0;
}

void released(void *arg)
{
    must(weft_event_set(static_cast<weft_event *>(arg)) >= 0);
}

/* One piece, until its memory may be used again. */
void send(const plan *p, weft_stream *stream, const std::vector<char> &piece)
{
    ssize_t size = static_cast<ssize_t>(piece.size());

    if (!p->give) {
        must(weft_stream_write(stream, piece.data(), piece.size(), nullptr) == size);
        return;
    }
    weft_event free = WEFT_EVENT_INIT;
    must(weft_stream_write_give(stream, piece.data(), piece.size(), nullptr, released, &free) ==
         size);
    must(weft_event_wait(&free) == 0);
}

void count(benchmark::State &state)
{
    struct weft_stats stats;

    must(weft_stats(&stats, sizeof stats) == 0);
    double tried = static_cast<double>(stats.zero_copy_sends);
    state.counters["tried"] = tried / static_cast<double>(state.iterations());
    state.counters["copied"] = tried > 0 ? static_cast<double>(stats.zero_copy_copied) / tried : 0;
}

int lead(void *arg)
{
    plan *p = static_cast<plan *>(arg);
    std::vector<char> piece(static_cast<size_t>(p->state->range(0)), 'x');
    weft_server *server;

    must(weft_start_server(&server, "127.0.0.1:0", drop, nullptr, nullptr) == 0);
    std::snprintf(p->address, sizeof p->address, "127.0.0.1:%d", weft_server_port(server));
    for (auto _ : *p->state) {
        weft_stream *stream;
        p->state->PauseTiming();
        must(weft_open_connection(p->address, nullptr, &stream) == 0);
        p->state->ResumeTiming();
        send(p, stream, piece);
        p->state->PauseTiming();
        must(weft_stream_close(stream) == 0);
        p->state->ResumeTiming();
    }
    count(*p->state);
    p->state->SetBytesProcessed(p->state->iterations() * p->state->range(0));
    return weft_server_close(server);
}

void run(benchmark::State &state, bool give, uint32_t least)
{
    plan p = {&state, give, ""};
    struct weft_run_opt opt = {};

    opt.size = sizeof opt;
    opt.zero_copy_min = least;
    if (weft_run(lead, &p, 0, &opt) < 0)
        state.SkipWithError("weft_run");
}

void copied(benchmark::State &state)
{
    run(state, false, WEFT_ZERO_COPY_NEVER);
}

void given(benchmark::State &state)
{
    run(state, true, WEFT_ZERO_COPY_MEASURE);
}

void given_anyway(benchmark::State &state)
{
    run(state, true, 1);
}

BENCHMARK(copied)->Arg(16384)->Arg(131072)->Arg(1 << 20);
BENCHMARK(given)->Arg(16384)->Arg(131072)->Arg(1 << 20);
BENCHMARK(given_anyway)->Arg(16384)->Arg(131072)->Arg(1 << 20);

} // namespace

BENCHMARK_MAIN();
