/* A program that does what its own name says, to prove that run.sh notices: "fails" ends with
 * status 3, "crashes" by SIGSEGV, "hangs" for ever with a child that does the same and ignores
 * SIGTERM, anything else ends well.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *name = argc > 0 ? argv[0] : "";
    printf("I am %s\n", name);
    fflush(stdout);
    if (strstr(name, "fails"))
        return 3;
    if (strstr(name, "crashes"))
        raise(SIGSEGV);
    if (strstr(name, "hangs")) {
        signal(SIGTERM, SIG_IGN);
        fork();
        for (;;)
            pause();
    }
    return 0;
}
