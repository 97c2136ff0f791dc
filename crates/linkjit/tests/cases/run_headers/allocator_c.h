// What a C program does with memory of the C library's own functions, and that with the program's.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <iconv.h>
#include <locale.h>
#include <malloc.h>
#include <netdb.h>
#include <pthread.h>
#include <regex.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

static void *use_thread(void *unused) {
    (void)unused;
    char *pieces[200];
    for (int i = 0; i < 200; i++)
        if (asprintf(&pieces[i], "%0*d", 1 + i * 37 % 3000, i) < 0) abort();
    for (int i = 0; i < 200; i++) free(pieces[(i * 7) % 200]);
    return strdup("of a thread");
}

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static void at_end(void) {
    char *line;
    if (asprintf(&line, "%s", "at exit") > 0) puts(line);
    free(line);
}

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static void forget(void *node) { free(node); }

int main(void) {
    atexit(at_end);
    char *text = strdup("dup");
    puts(text);
    text = realloc(text, 5000);
    printf("%s %d\n", text, malloc_usable_size(text) >= 5000);
    free(text);
    if (asprintf(&text, "%d", 5) > 0) puts(text);
    free(text);

    // Streams, and lines that are read.
    char *line = NULL;
    size_t size = 0;
    FILE *file = tmpfile();
    for (int i = 0; i < 3; i++) fprintf(file, "%0*d\n", 10 + i * 700, i);
    rewind(file);
    while (getline(&line, &size, file) > 0) printf("%zu\n", strlen(line));
    line = realloc(line, 40960);
    free(line);
    // A buffer of the program's that the library makes larger.
    rewind(file);
    size = 4;
    line = malloc(size);
    printf("%d\n", (int)getline(&line, &size, file));
    free(line);
    fclose(file);
    FILE *memory = open_memstream(&text, &size);
    for (int i = 0; i < 1000; i++) fprintf(memory, "%d,", i);
    fclose(memory);
    printf("%zu\n", size);
    free(text);
    char *word = NULL;
    if (sscanf("scanned word", "%ms", &word) == 1) puts(word);
    free(word);

    // Paths and directories.
    char *path = realpath("/usr/..", NULL);
    puts(path);
    free(path);
    path = getcwd(NULL, 0);
    printf("%d\n", path[0] == '/');
    free(path);
    struct dirent **entries;
    int count = scandir("/", &entries, is_visible, alphasort);
    printf("%d\n", count > 0);
    while (count > 0) free(entries[--count]);
    free(entries);
    glob_t found;
    printf("%d\n", glob("/us*", 0, NULL, &found));
    globfree(&found);

    // The environment, locales, conversions.
    for (int i = 0; i < 100; i++) {
        char name[20];
        sprintf(name, "VARIABLE_%d", i);
        setenv(name, "some value", 1);
    }
    clearenv();
    setenv("TZ", "Europe/Berlin", 1);
    setlocale(LC_ALL, "C.UTF-8");
    locale_t locale = newlocale(LC_ALL_MASK, "C", NULL);
    freelocale(locale);
    iconv_t conversion = iconv_open("UTF-16", "UTF-8");
    printf("%d\n", conversion != (iconv_t)-1);
    if (conversion != (iconv_t)-1) iconv_close(conversion);
    printf("%d\n", (int)wcslen(wcsdup(L"wide")));

    // Regular expressions, sorting, trees, tables.
    regex_t expression;
    regcomp(&expression, "\\(a\\|b\\)*c[0-9]\\{1,20\\}", 0);
    printf("%d\n", regexec(&expression, "ababc123", 0, NULL, 0));
    regfree(&expression);
    static int numbers[100000];
    for (int i = 0; i < 100000; i++) numbers[i] = (i * 7919) % 100003;
    qsort(numbers, 100000, sizeof *numbers, compare);
    printf("%d\n", numbers[0] <= numbers[1] && numbers[1] <= numbers[99999]);
    void *tree = NULL;
    for (int i = 0; i < 50; i++) {
        int *key = malloc(sizeof *key);
        *key = i * 31 % 50;
        tsearch(key, &tree, compare);
    }
    tdestroy(tree, forget);
    hcreate(100);
    hdestroy();
    struct addrinfo *address, hints = {.ai_flags = AI_NUMERICHOST};
    printf("%d\n", getaddrinfo("127.0.0.1", "80", &hints, &address));
    freeaddrinfo(address);

    // Alignments.
    void *aligned = NULL;
    printf("%d\n", posix_memalign(&aligned, 256, 1000) || (size_t)aligned % 256);
    aligned = realloc(aligned, 100000);
    free(aligned);
    aligned = aligned_alloc(4096, 8192);
    printf("%d\n", (int)((size_t)aligned % 4096));
    free(aligned);
    free(memalign(64, 100));
    free(calloc(100, 100));
    errno = 0;
    printf("%d\n", reallocarray(NULL, (size_t)-1 / 2, 4) == NULL && errno == ENOMEM);
    // Large ones, which allocators and the C library map by themselves.
    char *large = malloc(50 << 20);
    large[(50 << 20) - 1] = 1;
    large = realloc(large, 90 << 20);
    printf("%d\n", large[(50 << 20) - 1]);
    free(large);
    free(NULL);

    // Threads, libraries, children.
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, use_thread, NULL);
    for (int i = 0; i < 4; i++) {
        void *result;
        pthread_join(threads[i], &result);
        puts(result);
        free(result);
    }
    dlopen("/no/such/library.so", RTLD_NOW);
    printf("%d\n", dlerror() != NULL);
    dlsym(RTLD_DEFAULT, "there_is_no_such_function");
    printf("%d\n", dlerror() != NULL && dlerror() == NULL);
    void *library = dlopen("libm.so.6", RTLD_NOW);
    printf("%d\n", library && dlsym(library, "cos"));
    dlclose(library);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        free(strdup("of a child"));
        _exit(7);
    }
    int status;
    waitpid(child, &status, 0);
    printf("%d\n", WEXITSTATUS(status));
    FILE *pipe = popen("echo piped", "r");
    line = NULL, size = 0;
    if (getline(&line, &size, pipe) > 0) printf("%s", line);
    free(line);
    pclose(pipe);
    return 3;
}
