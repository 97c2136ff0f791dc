// Allocators that take memory of the kernel or of the program itself, and end when they are given anything else.
// flags: -O2 -fno-builtin -DARRAY
// flags: -O0 -fno-builtin -fPIC -DARRAY
// flags: -O2 -fno-builtin -DBY_MMAP
// flags: -O2 -fno-builtin -DBY_SBRK
// flags: -O1 -fno-builtin -fno-pic -DBY_SYSCALL
// flags: -O2 -fno-builtin -DBY_INSTRUCTION
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PIECE (1 << 20)
#define PIECES 4096
static char *pieces[PIECES];
static size_t sizes[PIECES];
static int count;
static size_t used;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static char *take_piece(size_t size) {
#ifdef ARRAY
    static char array[256 << 20];
    static size_t taken;
    char *piece = array + taken;
    taken += size;
    return piece;
#elif defined(BY_MMAP)
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#elif defined(BY_SBRK)
    return sbrk(size);
#elif defined(BY_SYSCALL)
    return (char *)syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
#else
    long result;
    register long flags __asm__("r10") = MAP_PRIVATE | MAP_ANONYMOUS;
    register long file __asm__("r8") = -1;
    register long offset __asm__("r9") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_mmap), "D"(0), "S"(size), "d"(PROT_READ | PROT_WRITE), "r"(flags), "r"(file), "r"(offset)
                     : "rcx", "r11", "memory");
    return (char *)result;
#endif
}

static void *take(size_t align, size_t size) {
    if (align < 16) align = 16;
    pthread_mutex_lock(&mutex);
    size_t at = count ? ((size_t)pieces[count - 1] + used + 8 + align - 1) / align * align : 0;
    if (!count || at + size > (size_t)pieces[count - 1] + sizes[count - 1]) {
        size_t want = size + align + 64 > PIECE ? (size + align + 64 + 4095) / 4096 * 4096 : PIECE;
        if (count == PIECES) abort();
        pieces[count] = take_piece(want);
        sizes[count++] = want;
        at = ((size_t)pieces[count - 1] + 8 + align - 1) / align * align;
    }
    used = at + size - (size_t)pieces[count - 1];
    // How large it is stands in front.
    ((size_t *)at)[-1] = size;
    pthread_mutex_unlock(&mutex);
    return (void *)at;
}

static void check(void *memory) {
    for (int i = 0; i < count; i++)
        if ((char *)memory >= pieces[i] && (char *)memory < pieces[i] + sizes[i]) return;
    static const char message[] = "foreign memory\n";
    if (write(1, message, sizeof message - 1) < 0) abort();
    _exit(9);
}

void *malloc(size_t size) { return take(16, size); }
void free(void *memory) {
    if (memory) check(memory);
}
void *calloc(size_t number, size_t size) {
    size_t all;
    if (__builtin_mul_overflow(number, size, &all)) return errno = ENOMEM, NULL;
    return memset(take(16, all), 0, all);
}
void *realloc(void *memory, size_t size) {
    if (!memory) return malloc(size);
    check(memory);
    size_t old = ((size_t *)memory)[-1];
    return memcpy(take(16, size), memory, old < size ? old : size);
}
void *memalign(size_t align, size_t size) { return take(align, size); }
void *aligned_alloc(size_t align, size_t size) { return take(align, size); }
int posix_memalign(void **result, size_t align, size_t size) {
    *result = take(align, size);
    return 0;
}
size_t malloc_usable_size(void *memory) { return memory ? ((size_t *)memory)[-1] : 0; }

static void *use(void *unused) {
    (void)unused;
    char *texts[50];
    for (int i = 0; i < 50; i++)
        if (asprintf(&texts[i], "%0*d", i * 997, i) < 0) abort();
    for (int i = 0; i < 50; i++) free(texts[i]);
    return NULL;
}

int main(void) {
    char *text = strdup("dup"), *line = NULL;
    puts(text);
    free(text);
    size_t size = 0;
    FILE *file = fopen("/etc/passwd", "r");
    int lines = 0;
    while (getline(&line, &size, file) > 0) lines++;
    printf("%d\n", lines > 0);
    line = realloc(line, 100000);
    free(line);
    fclose(file);
    struct passwd *user = getpwuid(0);
    puts(user->pw_name);
    struct group *group = getgrgid(0);
    puts(group->gr_name);
    text = realpath("/", NULL);
    puts(text);
    free(text);
    FILE *stream = open_memstream(&text, &size);
    for (int i = 0; i < 300000; i++) fputs("0123456789", stream);
    fclose(stream);
    printf("%zu\n", size);
    free(text);
    text = aligned_alloc(1 << 16, 1 << 17);
    printf("%d\n", (int)((size_t)text % (1 << 16)));
    free(text);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, use, NULL);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    return 0;
}
