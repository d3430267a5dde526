/* report.c - what the run showed: for people on standard output, and as JSON where asked for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "load.h"

static double us(uint64_t ns)
{
    return (double)ns / 1e3;
}

static double quantile_us(const struct outcome *outcome, double quantile)
{
    return us(histogram_quantile(&outcome->latency_ns, quantile));
}

static double per(double value, uint64_t count)
{
    return count > 0 ? value / (double)count : 0;
}

static bool all_right(const struct outcome *outcome)
{
    const struct trouble *trouble = &outcome->trouble;

    return outcome->error == 0 && !outcome->stalled && trouble->wrong_bytes == 0 &&
           trouble->ended == 0 && trouble->unsent == 0 && trouble->connect_error == 0 &&
           outcome->messages_total > 0;
}

/* -- trouble, on standard error ---------------------------------------------------------------- */

static void print_trouble(const struct plan *plan, const struct outcome *outcome)
{
    const struct trouble *trouble = &outcome->trouble;

    if (trouble->wrong_bytes > 0)
        fprintf(stderr,
                "weft-load: %llu wrong bytes; the first on connection %u at offset %llu: 0x%02x "
                "came back for 0x%02x\n",
                (unsigned long long)trouble->wrong_bytes, trouble->wrong_connection,
                (unsigned long long)trouble->wrong_offset, trouble->wrong_got,
                trouble->wrong_expected);
    if (trouble->ended > 0)
        fprintf(stderr, "weft-load: %llu of %u connections ended in the middle; the first: %s\n",
                (unsigned long long)trouble->ended, plan->connections,
                trouble->ended_error < 0 ? strerror(-trouble->ended_error)
                                         : "closed by the server");
    if (outcome->stalled)
        fprintf(stderr, "weft-load: no answer for %.1f seconds; %llu connections were waiting\n",
                (double)plan->patience_ns / 1e9, (unsigned long long)trouble->unsent);
    if (outcome->error == 0 && outcome->messages_total == 0)
        fprintf(stderr, "weft-load: not a single message was answered\n");
}

static void print_failure(const struct plan *plan, const struct outcome *outcome, const char *text)
{
    if (outcome->trouble.connect_error < 0)
        fprintf(stderr, "weft-load: cannot connect to %s: %s\n", plan->address,
                strerror(-outcome->trouble.connect_error));
    else
        fprintf(stderr, "weft-load: %s\n", text[0] ? text : strerror(-outcome->error));
}

/* -- figures --------------------------------------------------------------------------------- */

static void print_table(const struct plan *plan, const struct outcome *outcome)
{
    double seconds = outcome->seconds, rate = (double)outcome->messages / seconds;

    printf("%s: %u connections, %zu bytes, ", plan->address, plan->connections, plan->size);
    if (plan->rate > 0)
        printf("open loop at %g a second, ", plan->rate);
    else
        printf("closed loop %u deep, ", plan->depth);
    printf("%u reactor%s\n", plan->reactors, plan->reactors == 1 ? "" : "s");
    printf("  messages    %llu in %.3f s: %.0f a second, %.2f MB/s each way\n",
           (unsigned long long)outcome->messages, seconds, rate, rate * (double)plan->size / 1e6);
    printf("  latency us  p50 %.1f  p90 %.1f  p99 %.1f  p99.9 %.1f  max %.1f\n",
           quantile_us(outcome, 0.5), quantile_us(outcome, 0.9), quantile_us(outcome, 0.99),
           quantile_us(outcome, 0.999), us(outcome->latency_ns.max));
    printf("  CPU         %.2f us a message here", per(outcome->cpu_s * 1e6, outcome->messages));
    if (outcome->server_cpu_s >= 0)
        printf(", %.2f in the server", per(outcome->server_cpu_s * 1e6, outcome->messages));
    printf("\n  bytes       %s\n",
           outcome->trouble.wrong_bytes > 0 ? "WRONG, see above" : "every one came back right");
}

static void print_text(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', out);
        if ((unsigned char)*text < ' ')
            fprintf(out, "\\u%04x", *text);
        else
            fputc(*text, out);
    }
    fputc('"', out);
}

static void print_json(const struct plan *plan, const struct outcome *outcome, FILE *out)
{
    fputs("{\"address\": ", out);
    print_text(out, plan->address);
    fprintf(out,
            ", \"connections\": %u, \"size\": %zu, \"depth\": %u, \"rate\": %g, \"reactors\": %u",
            plan->connections, plan->size, plan->depth, plan->rate, plan->reactors);
    fprintf(out, ", \"seconds\": %.6f, \"messages\": %llu, \"messages_total\": %llu",
            outcome->seconds, (unsigned long long)outcome->messages,
            (unsigned long long)outcome->messages_total);
    fprintf(out, ", \"messages_per_second\": %.1f",
            outcome->seconds > 0 ? (double)outcome->messages / outcome->seconds : 0);
    fprintf(out, ", \"p50_us\": %.3f, \"p90_us\": %.3f, \"p99_us\": %.3f, \"p99_9_us\": %.3f",
            quantile_us(outcome, 0.5), quantile_us(outcome, 0.9), quantile_us(outcome, 0.99),
            quantile_us(outcome, 0.999));
    fprintf(out, ", \"max_us\": %.3f, \"latencies\": %llu", us(outcome->latency_ns.max),
            (unsigned long long)outcome->latency_ns.count);
    fprintf(out, ", \"cpu_us\": %.1f", outcome->cpu_s * 1e6);
    if (outcome->server_cpu_s >= 0)
        fprintf(out, ", \"server_cpu_us\": %.1f, \"server_cpu_us_per_message\": %.4f",
                outcome->server_cpu_s * 1e6, per(outcome->server_cpu_s * 1e6, outcome->messages));
    fprintf(out, ", \"wrong_bytes\": %llu, \"ended_early\": %llu, \"unanswered\": %llu",
            (unsigned long long)outcome->trouble.wrong_bytes,
            (unsigned long long)outcome->trouble.ended,
            (unsigned long long)outcome->trouble.unsent);
    fprintf(out, ", \"right\": %s}\n", all_right(outcome) ? "true" : "false");
}

static int write_json(const struct plan *plan, const struct outcome *outcome)
{
    bool standard = strcmp(plan->json, "-") == 0;
    FILE *out = standard ? stdout : fopen(plan->json, "w");

    if (out)
        print_json(plan, outcome, out);
    if (!out || (standard ? fflush(out) : fclose(out)) != 0) {
        fprintf(stderr, "weft-load: %s: %s\n", plan->json, strerror(errno));
        return 1;
    }
    return 0;
}

int report(const struct plan *plan, const struct outcome *outcome, const char *text)
{
    int code = all_right(outcome) ? 0 : 1;

    if (outcome->error < 0)
        print_failure(plan, outcome, text);
    print_trouble(plan, outcome);
    if (outcome->error == 0 && !(plan->json && strcmp(plan->json, "-") == 0))
        print_table(plan, outcome);
    if (plan->json && write_json(plan, outcome) != 0)
        code = 1;
    return code;
}
