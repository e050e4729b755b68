/* The tutorial's server: answers whatever it reads with HELLO, its own HELLOs on lo included. */
#include "tutorial.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    struct options options = parse_options(argc, argv);
    struct endpoint endpoint = open_endpoint(&options);

    for (long round = 0; options.rounds == 0 || round < options.rounds;) {
        if (!wait_for_frame(&endpoint))
            break;
        const char *text = receive_text(&endpoint);
        if (text == NULL)
            continue;
        printf("Received: %s\n", text);
        printf("sending message = HELLO\n");
        send_text(&endpoint, "HELLO");
        round++;
    }
    close_endpoint(&endpoint);
    return 0;
}
