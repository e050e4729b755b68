/* The tutorial's client: greets, then prints one frame, whosever it is; on lo its own comes first. */
#include "tutorial.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct options options = parse_options(argc, argv);
    struct endpoint endpoint = open_endpoint(&options);

    for (long round = 0; options.rounds == 0 || round < options.rounds;) {
        send_text(&endpoint, "hello server!");
        if (!wait_for_frame(&endpoint))
            break;
        const char *text = receive_text(&endpoint);
        if (text != NULL)
            printf("Received : %s\n", text);
        round++;
    }
    close_endpoint(&endpoint);
    return 0;
}
