#include "headers.h"

#include "clang/Frontend/CompilerInstance.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/VirtualFileSystem.h"

using namespace clang;

namespace linkjit {

namespace {

/// Where clang finds our own headers. No file system has that folder.
constexpr const char *OwnFolder = "/linkjit-clang-22/microsoft";

/// Where Wine's headers may be: in packages of Debian, others, and WineHQ, and where one's own are installed.
constexpr const char *WineFolders[] = {"/usr/include/wine/wine", "/usr/include/wine",
                                       "/usr/include/wine-development/wine", "/opt/wine-stable/include/wine",
                                       "/opt/wine-staging/include/wine", "/opt/wine-devel/include/wine",
                                       "/usr/local/include/wine"};

/// A header of C, and the one of C++ that has its names in namespace std.
struct InNamespace {
  const char *Header;
  const char *OfC;
  const char *Names;
};

constexpr InNamespace NamesOfC[] = {
    {"cassert", "assert.h", ""},
    {"cctype", "ctype.h", "isalnum isalpha isblank iscntrl isdigit isgraph islower isprint ispunct isspace isupper isxdigit "
                          "tolower toupper"},
    {"cerrno", "errno.h", ""},
    {"cfloat", "float.h", ""},
    {"cinttypes", "inttypes.h", ""},
    {"climits", "limits.h", ""},
    {"clocale", "locale.h", "lconv localeconv setlocale"},
    {"cmath", "math.h", "abs acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf exp exp2 expm1 fabs fdim "
                        "floor fmax fmin fmod fpclassify frexp hypot isfinite isinf isnan isnormal ldexp lgamma llrint llround "
                        "log log10 log1p log2 logb lrint lround modf nearbyint nextafter pow remainder rint round signbit sin "
                        "sinh sqrt tan tanh tgamma trunc"},
    {"csetjmp", "setjmp.h", "jmp_buf longjmp"},
    {"csignal", "signal.h", "raise signal"},
    {"cstdarg", "stdarg.h", "va_list"},
    {"cstdint", "stdint.h", "int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t intmax_t uintmax_t intptr_t "
                            "uintptr_t int_fast8_t int_fast16_t int_fast32_t int_fast64_t uint_fast8_t uint_fast16_t "
                            "uint_fast32_t uint_fast64_t int_least8_t int_least16_t int_least32_t int_least64_t uint_least8_t "
                            "uint_least16_t uint_least32_t uint_least64_t"},
    {"cstdio", "stdio.h", "FILE clearerr fclose feof ferror fflush fgetc fgetpos fgets fopen fpos_t fprintf fputc fputs fread "
                          "freopen fscanf fseek fsetpos ftell fwrite getc getchar perror printf putc putchar puts remove rename "
                          "rewind scanf setbuf setvbuf size_t snprintf sprintf sscanf tmpfile tmpnam ungetc vfprintf vprintf "
                          "vsnprintf vsprintf"},
    {"cstdlib", "stdlib.h", "_Exit abort abs atexit atof atoi atol atoll bsearch calloc div div_t exit free getenv labs ldiv "
                            "ldiv_t llabs malloc mblen mbstowcs mbtowc qsort rand realloc size_t srand strtod strtof strtol "
                            "strtoll strtoul strtoull system wcstombs wctomb"},
    {"cstring", "string.h", "memchr memcmp memcpy memmove memset size_t strcat strchr strcmp strcoll strcpy strcspn strerror "
                            "strlen strncat strncmp strncpy strpbrk strrchr strspn strstr strtok strxfrm"},
    {"ctime", "time.h", "asctime clock clock_t ctime difftime gmtime localtime mktime size_t strftime time time_t tm"},
    {"cwchar", "wchar.h", "btowc fgetwc fgetws fputwc fputws fwprintf mbrtowc mbstate_t size_t swprintf wcscat wcschr wcscmp "
                          "wcscpy wcslen wcsncat wcsncmp wcsncpy wcsrchr wcsstr wcstod wcstok wcstol wcstoul wint_t wmemchr "
                          "wmemcmp wmemcpy wmemmove wmemset wprintf"},
    {"cwctype", "wctype.h", "iswalnum iswalpha iswdigit iswlower iswprint iswpunct iswspace iswupper towlower towupper wctype_t "
                            "wint_t"},
};

std::string textOf(const InNamespace &Each) {
  std::string Text = "#pragma once\n#include <" + std::string(Each.OfC) + ">\nnamespace std {\n";
  llvm::SmallVector<StringRef, 64> Names;
  StringRef(Each.Names).split(Names, ' ', -1, /*KeepEmpty=*/false);
  for (StringRef Name : Names)
    Text += ("using ::" + Name + ";\n").str();
  return Text + "}\n";
}

/// Wine's headers; empty if they are not installed.
std::string wineFolder() {
  for (const char *Folder : WineFolders)
    if (llvm::sys::fs::exists(std::string(Folder) + "/msvcrt/corecrt.h"))
      return Folder;
  return {};
}

} // namespace

std::vector<std::string> argumentsForHeaders() {
  std::vector<std::string> Arguments = {"-idirafter", OwnFolder};
  if (std::string Wine = wineFolder(); !Wine.empty())
    // Wine's own programs may be made with other characters and handlers than Microsoft's.
    Arguments.insert(Arguments.end(), {"-idirafter", Wine + "/msvcrt", "-idirafter", Wine + "/windows",
                                       "-DWINE_UNICODE_NATIVE", "-DUSE_COMPILER_EXCEPTIONS"});
  return Arguments;
}

void addOwnHeaders(CompilerInstance &Clang) {
  auto Own = llvm::makeIntrusiveRefCnt<llvm::vfs::InMemoryFileSystem>();
  auto Add = [&](const char *Name, const std::string &Text) {
    Own->addFile(std::string(OwnFolder) + "/" + Name, 0, llvm::MemoryBuffer::getMemBufferCopy(Text, Name));
  };
  for (const OwnHeader &Each : OwnHeaders)
    Add(Each.Name, Each.Text);
  for (const InNamespace &Each : NamesOfC)
    Add(Each.Header, textOf(Each));
  auto Both = llvm::makeIntrusiveRefCnt<llvm::vfs::OverlayFileSystem>(Clang.getVirtualFileSystemPtr());
  Both->pushOverlay(std::move(Own));
  Clang.setVirtualFileSystem(std::move(Both));
}

std::string adviceOnHeaders() {
  if (wineFolder().empty())
    return "C and Windows have the headers of Visual Studio (--crt xwin=DIR, $INCLUDE), or else of Wine (Debian: apt install "
           "libwine-dev)";
  return "there are Wine's headers of C and Windows, and a few of C++; for all of C++'s library give those of Visual Studio "
         "(--crt xwin=DIR, $INCLUDE)";
}

} // namespace linkjit
