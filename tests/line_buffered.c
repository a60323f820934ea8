/* A sanitizer that finds an error ends the program without flushing stdio. Linked into every test
 * program, this writes each line at once, so the results before the error, and the name of the test
 * that was running, are not lost when the output goes to a file. */
#include <stdio.h>

__attribute__((constructor)) static void line_buffered(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
}
