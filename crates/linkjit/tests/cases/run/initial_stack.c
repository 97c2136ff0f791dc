// Arguments, environment and auxiliary vector in one block, as the kernel makes it; initializers and main see the same.
// flags: -O0
// flags: -O2 -fno-pic
// flags: -O2 -fPIC
// run-args: one two three
#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char **environ;

static int early_argc;
static char **early_argv, **early_envp;

__attribute__((constructor)) static void initializer(int argc, char **argv, char **envp) {
    early_argc = argc, early_argv = argv, early_envp = envp;
}

static const Elf64_auxv_t *auxiliary_vector(char **envp) {
    while (*envp) envp++;
    return (const Elf64_auxv_t *)(envp + 1);
}

static unsigned long auxiliary(const Elf64_auxv_t *vector, unsigned long type) {
    for (; vector->a_type != AT_NULL; vector++) {
        if (vector->a_type == type) return vector->a_un.a_val;
    }
    return 0;
}

int main(int argc, char **argv, char **envp) {
    printf("%d %d %d\n", early_argc == argc, early_argv == argv, early_envp == envp);
    printf("argc %d, before argv %ld\n", argc, ((long *)argv)[-1]);
    printf("aligned %d\n", (int)((uintptr_t)(argv - 1) % 16));
    printf("argv[argc] %d, envp behind it %d, environ %d\n", argv[argc] == NULL, envp == argv + argc + 1, environ == envp);
    const Elf64_auxv_t *vector = auxiliary_vector(envp);
    const unsigned long types[] = {AT_PAGESZ, AT_PHENT, AT_CLKTCK, AT_HWCAP, AT_UID, AT_SECURE, AT_RANDOM, AT_SYSINFO_EHDR};
    for (int i = 0; i < (int)(sizeof types / sizeof *types); i++) {
        printf("%lu: %d\n", types[i], auxiliary(vector, types[i]) == getauxval(types[i]));
    }
    char *end = argv[0];
    int strings = 0;
    for (char **string = argv; string < argv + argc; string++) {
        strings += *string == end;
        end = *string + strlen(*string) + 1;
    }
    for (char **string = envp; *string; string++) {
        if (*string != end) puts("a gap");
        end = *string + strlen(*string) + 1;
    }
    printf("%d strings side by side, behind the vector %d\n", strings, (char *)vector < argv[0]);
    return 0;
}
