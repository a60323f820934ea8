/* A place for files, for harnesses of what reads files. */
#ifndef OH_TESTS_FUZZ_FOLDER_H
#define OH_TESTS_FUZZ_FOLDER_H

/* The process's own directory, in memory where there is such a place; removed when it ends. */
const char *fuzz_folder(void);

#endif
