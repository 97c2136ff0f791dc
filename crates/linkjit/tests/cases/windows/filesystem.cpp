// compilers: msvc
// flags: -O0
// flags: -O2
// expect: directory 1 0 again 0 0
// expect: bad directory 0 1
// expect: file 5 bytes, attributes 1 links 1
// expect: no file 2 1
// expect: hint 16
// expect: copied 1 skipped 0 refused 1 overwritten 1 updated 0 itself 1
// expect: entries 2
// expect: resized 3
// expect: written at 130000000000000000
// expect: read-only 1 then 0
// expect: same 1 other 0
// expect: linked 2
// expect: renamed 0 1
// expect: handle 1 final 1
// expect: full 1 current 1 temporary 1
// expect: space 1 of file 1
// expect: converted 4 1113 5
// expect: narrow 3 replaced 3 page 1
// expect: links 1 1
// expect: kept 7 8 directory 5 itself 32 like 1 0
// expect: no temporary 1 other page 3
// expect: removed 1 again 0 full 1 read-only 1
// What Microsoft's C++ library links into each image for std::filesystem.
#include "crt.h"
typedef unsigned long dword;
typedef wchar_t wide;
typedef long long handle;
struct Size { dword size, error; };
struct Done { bool done; dword error; };
struct Converted { int length; dword error; };
struct Stats { long long time; unsigned long long size; dword attributes, tag, links, available; };
struct Id { unsigned long long volume; unsigned char id[16]; };
struct Found { dword attributes, times[6], high, low, tag, reserved; wide name[260], short_name[14]; };
extern "C" {
Size __std_fs_get_full_path_name(const wide *, dword, wide *);
dword __std_fs_open_handle(handle *, const wide *, dword, dword);
void __std_fs_close_handle(handle);
dword __std_fs_get_file_attributes_by_handle(handle, dword *);
Size __std_fs_get_final_path_name_by_handle(handle, wide *, dword, dword);
Done __std_fs_copy_file(const wide *, const wide *, int);
dword __std_fs_directory_iterator_open(const wide *, handle *, Found *);
void __std_fs_directory_iterator_close(handle);
dword __std_fs_directory_iterator_advance(handle, Found *);
dword __std_fs_get_stats(const wide *, Stats *, dword, dword);
unsigned __std_fs_code_page();
Converted __std_fs_convert_narrow_to_wide(unsigned, const char *, int, wide *, int);
Converted __std_fs_convert_wide_to_narrow(unsigned, const wide *, int, char *, int);
Converted __std_fs_convert_wide_to_narrow_replace_chars(unsigned, const wide *, int, char *, int);
dword __std_fs_get_file_id(Id *, const wide *);
dword __std_fs_set_last_write_time(long long, const wide *);
dword __std_fs_change_permissions(const wide *, bool, bool);
Size __std_fs_get_temp_path(wide *);
Size __std_fs_get_current_path(dword, wide *);
dword __std_fs_set_current_path(const wide *);
dword __std_fs_create_directory_symbolic_link(const wide *, const wide *);
dword __std_fs_create_hard_link(const wide *, const wide *);
dword __std_fs_create_symbolic_link(const wide *, const wide *);
dword __std_fs_read_name_from_reparse_data_buffer(void *, wide **, unsigned short *);
Done __std_fs_create_directory(const wide *);
Done __std_fs_create_directory_template(const wide *, const wide *);
int SetEnvironmentVariableW(const wide *, const wide *);
Done __std_fs_remove(const wide *);
dword __std_fs_rename(const wide *, const wide *);
dword __std_fs_resize_file(const wide *, unsigned long long);
dword __std_fs_space(const wide *, unsigned long long *, unsigned long long *, unsigned long long *);
int memcmp(const void *, const void *, size_t_);
void *_wfopen(const wide *, const wide *);
int fputs(const char *, void *);
int fclose(void *);
int _getpid();
}
static void write(const wide *name, const char *text) { void *file = _wfopen(name, L"w"); fputs(text, file); fclose(file); }
// What is available the caller notes.
static Stats stats(const wide *name, dword flags = 0x3e, dword hint = ~0u) { Stats found = {}; if (!__std_fs_get_stats(name, &found, flags, hint)) found.available = flags; return found; }
int main() {
    wide start[300], directory[64] = L"linkjit-filesystem-", *at = directory;
    while (*at) at++;
    for (int id = _getpid(); id; id /= 10) *at++ = L'0' + id % 10;
    wide temporary[261];
    Size room = __std_fs_get_temp_path(temporary);
    __std_fs_get_current_path(300, start);
    __std_fs_set_current_path(temporary);
    Done made = __std_fs_create_directory(directory), again = __std_fs_create_directory(directory);
    printf("directory %d %lu again %d %lu\n", made.done, made.error, again.done, again.error);
    __std_fs_set_current_path(directory);
    write(L"file", "hello");
    Done bad = __std_fs_create_directory(L"file");
    printf("bad directory %d %d\n", bad.done, bad.error == 183 || bad.error == 80);
    Stats file = stats(L"file"), plain = stats(L"file", 0x2a);
    printf("file %llu bytes, attributes %d links %lu\n", file.size, file.attributes == plain.attributes && plain.size == 5 && plain.time == file.time && !(file.attributes & 16), file.links);
    Stats none;
    printf("no file %lu %d\n", __std_fs_get_stats(L"absent", &none, 2, ~0u), stats(L"absent/more", 3).available == 0);
    printf("hint %lu\n", stats(L"absent", 3, 16).attributes);
    Done copied = __std_fs_copy_file(L"file", L"copy", 0), skipped = __std_fs_copy_file(L"file", L"copy", 1), refused = __std_fs_copy_file(L"file", L"copy", 0);
    Done overwritten = __std_fs_copy_file(L"file", L"copy", 2);
    __std_fs_set_last_write_time(130000000000000000, L"file");
    Done updated = __std_fs_copy_file(L"file", L"copy", 4), itself = __std_fs_copy_file(L"file", L"file", 2);
    printf("copied %d skipped %d refused %d overwritten %d updated %d itself %d\n", copied.done, skipped.done || skipped.error, !refused.done && refused.error, overwritten.done, updated.done, !itself.done && itself.error != 0);
    handle iterator = -1;
    Found found;
    int entries = 0;
    for (dword error = __std_fs_directory_iterator_open(L"*", &iterator, &found); !error; error = __std_fs_directory_iterator_advance(iterator, &found)) entries += found.name[0] != L'.';
    __std_fs_directory_iterator_close(iterator);
    printf("entries %d\n", entries);
    __std_fs_resize_file(L"copy", 3);
    printf("resized %llu\n", stats(L"copy").size);
    printf("written at %lld\n", stats(L"file").time);
    __std_fs_change_permissions(L"file", true, true);
    int read_only = stats(L"file").attributes & 1;
    __std_fs_change_permissions(L"file", false, false);
    printf("read-only %d then %lu\n", read_only, stats(L"file").attributes & 1);
    Id one, two, three;
    __std_fs_get_file_id(&one, L"file"), __std_fs_get_file_id(&two, L".\\file"), __std_fs_get_file_id(&three, L"copy");
    printf("same %d other %d\n", !memcmp(&one, &two, sizeof one), !memcmp(&one, &three, sizeof one));
    __std_fs_create_hard_link(L"hard", L"file");
    printf("linked %lu\n", stats(L"hard", 0x10).links);
    dword renamed = __std_fs_rename(L"hard", L"moved");
    printf("renamed %lu %d\n", renamed, stats(L"moved").available && !stats(L"hard").available);
    handle opened;
    dword attributes = 0;
    wide final[300], full[300];
    __std_fs_open_handle(&opened, L"file", 0x80, 0x2000000);
    __std_fs_get_file_attributes_by_handle(opened, &attributes);
    Size finally = __std_fs_get_final_path_name_by_handle(opened, final, 300, 0);
    printf("handle %d final %d\n", attributes == file.attributes || attributes == 32 || attributes == 128, finally.size > 4 && !finally.error && final[finally.size - 1] == L'e');
    __std_fs_close_handle(opened);
    Size fully = __std_fs_get_full_path_name(L"file", 300, full), current = __std_fs_get_current_path(300, final), little = __std_fs_get_current_path(3, final);
    printf("full %d current %d temporary %d\n", fully.size == current.size + 5 && full[1] == L':', little.size > 3, room.size > 3 && !room.error);
    unsigned long long available, total, free_bytes, of_file;
    dword no_space = __std_fs_space(L".", &available, &total, &free_bytes);
    printf("space %d", !no_space && total >= free_bytes && total);
    printf(" of file %d\n", !__std_fs_space(L".\\file", &available, &of_file, &free_bytes) && of_file == total);
    wide wides[8];
    char narrows[8];
    wide wides_of_temporary[261];
    printf("converted %d", __std_fs_convert_narrow_to_wide(65001, "\xc3\xa9t\xc3\xa9!", 6, wides, 8).length);
    printf(" %lu", __std_fs_convert_narrow_to_wide(65001, "\xff", 1, wides, 8).error);
    printf(" %d\n", __std_fs_convert_wide_to_narrow(65001, L"\x20ac\xe9", 2, nullptr, 0).length);
    printf("narrow %d", __std_fs_convert_wide_to_narrow(1252, L"a\x20ac\xe9", 3, narrows, 8).length);
    printf(" replaced %d page %d\n", __std_fs_convert_wide_to_narrow_replace_chars(1252, L"a\x4e00z", 3, narrows, 8).length, __std_fs_code_page() == 0 || __std_fs_code_page() == 65001);
    struct { dword tag; unsigned short length, reserved, substitute, substitute_length, print, print_length; dword flags; wide names[8]; } link = {0xa000000c, 0, 0, 0, 8, 8, 6, 0, L"longSHO"};
    wide *name = nullptr;
    unsigned short length = 0;
    dword error = __std_fs_read_name_from_reparse_data_buffer(&link, &name, &length);
    int first = !error && length == 3 && name == link.names + 4;
    link.print_length = 0;
    __std_fs_read_name_from_reparse_data_buffer(&link, &name, &length);
    link.tag = 1;
    printf("links %d %d\n", first, length == 4 && name == link.names && __std_fs_read_name_from_reparse_data_buffer(&link, &name, &length) == 4393);
    Stats partly = {7, 8, 0, 0, 0, 9};
    dword asked = __std_fs_get_stats(L"file", &partly, 0x10, ~0u);
    partly = {7, 8, 0, 0, 0, 9};
    __std_fs_get_stats(L"file", &partly, 2, 32);
    __std_fs_create_directory(L"like");
    Done to_directory = __std_fs_copy_file(L"file", L"like", 1), to_itself = __std_fs_copy_file(L"file", L"file", 1);
    Done like = __std_fs_create_directory_template(L"like", L"alike"), like_again = __std_fs_create_directory_template(L"like", L"alike");
    printf("kept %lld %llu directory %lu itself %lu like %d %lu\n", partly.time, asked ? 0 : partly.size, to_directory.error, to_itself.error, like.done, like_again.done + like_again.error);
    __std_fs_remove(L"alike"), __std_fs_remove(L"like");
    SetEnvironmentVariableW(L"TMP", L"Z:\\no such\\directory");
    printf("no temporary %d", __std_fs_get_temp_path(wides_of_temporary).error == ~0u);
    // UTF-7 knows no conditions.
    printf(" other page %d\n", __std_fs_convert_wide_to_narrow_replace_chars(65000, L"abc", 3, narrows, 8).length);
    Done removed = __std_fs_remove(L"moved"), removed_again = __std_fs_remove(L"moved");
    __std_fs_create_directory(L"inner"), write(L"inner\\file", "x");
    Done full_directory = __std_fs_remove(L"inner");
    __std_fs_change_permissions(L"copy", false, true);
    Done protected_file = __std_fs_remove(L"copy");
    printf("removed %d again %d full %d read-only %d\n", removed.done, removed_again.done || removed_again.error, !full_directory.done && full_directory.error == 145, protected_file.done);
    __std_fs_remove(L"inner\\file"), __std_fs_remove(L"inner"), __std_fs_remove(L"file");
    __std_fs_set_current_path(temporary);
    __std_fs_remove(directory);
    __std_fs_set_current_path(start);
    return 0;
}
