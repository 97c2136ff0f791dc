// compilers: msvc
// flags: -O0
// flags: -O2
// expect: finding
// expect: strings
// expect: changing
// expect: smallest and largest
// expect: sorted
// expect: bits
// expect: all right
// What the headers of Microsoft's C++ library call for ranges of plain elements, which its import library holds.
#include "crt.h"
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned u32; typedef unsigned long long u64; typedef long long i64;
template <class T> struct Pair { T min, max; };
#define EACH(X) X(1, u8) X(2, u16) X(4, u32) X(8, u64)
#define NUMBERS(X) X(1i, signed char) X(1u, u8) X(2i, short) X(2u, u16) X(4i, int) X(4u, u32) X(8i, i64) X(8u, u64) X(f, float) X(d, double)
extern "C" {
#define DECLARE(n, T) \
    const T *__std_find_trivial_##n(const T *, const T *, T); const T *__std_find_not_ch_##n(const T *, const T *, T); \
    const T *__std_find_trivial_unsized_##n(const T *, T); const T *__std_find_last_trivial_##n(const T *, const T *, T); \
    u64 __std_find_last_not_ch_pos_##n(const T *, const T *, T); const T *__std_adjacent_find_##n(const T *, const T *); \
    const T *__std_find_first_of_trivial_##n(const T *, const T *, const T *, const T *); \
    u64 __std_find_first_of_trivial_pos_##n(const T *, u64, const T *, u64); u64 __std_find_last_of_trivial_pos_##n(const T *, u64, const T *, u64); \
    u64 __std_find_first_not_of_trivial_pos_##n(const T *, u64, const T *, u64); u64 __std_find_last_not_of_trivial_pos_##n(const T *, u64, const T *, u64); \
    const T *__std_search_##n(const T *, const T *, const T *, u64); const T *__std_find_end_##n(const T *, const T *, const T *, u64); \
    const T *__std_search_n_##n(const T *, const T *, u64, T); u64 __std_count_trivial_##n(const T *, const T *, T); u64 __std_mismatch_##n(const T *, const T *, u64); \
    void __std_reverse_trivially_swappable_##n(T *, T *); void __std_reverse_copy_trivially_copyable_##n(const T *, const T *, T *); \
    void __std_replace_##n(T *, T *, T, T); void __std_replace_copy_##n(const T *, const T *, T *, T, T); \
    T *__std_remove_##n(T *, T *, T); T *__std_remove_copy_##n(const T *, const T *, T *, T); T *__std_unique_##n(T *, T *); T *__std_unique_copy_##n(const T *, const T *, T *);
EACH(DECLARE)
#define DECLARE_NUMBERS(n, T) T __std_min_##n(const T *, const T *); T __std_max_##n(const T *, const T *); Pair<T> __std_minmax_##n(const T *, const T *); \
    const T *__std_is_sorted_until_##n(const T *, const T *, bool);
NUMBERS(DECLARE_NUMBERS)
#define DECLARE_ELEMENTS(n) const void *__std_min_element_##n(const void *, const void *, bool); const void *__std_max_element_##n(const void *, const void *, bool); \
    Pair<const void *> __std_minmax_element_##n(const void *, const void *, bool);
DECLARE_ELEMENTS(1) DECLARE_ELEMENTS(2) DECLARE_ELEMENTS(4) DECLARE_ELEMENTS(8) DECLARE_ELEMENTS(f) DECLARE_ELEMENTS(d)
void __std_swap_ranges_trivially_swappable_noalias(void *, void *, void *);
void *__std_swap_ranges_trivially_swappable(void *, void *, void *);
void __std_rotate(void *, void *, void *);
bool __std_includes_less_4i(const int *, const int *, const int *, const int *);
void __std_bitset_to_string_1(char *, const void *, u64, char, char);
void __std_bitset_to_string_2(wchar_t *, const void *, u64, wchar_t, wchar_t);
bool __std_bitset_from_string_1(void *, const char *, u64, u64, u64, char, char);
}
static int wrong;
static void check(bool right, int line) { if (!right) { wrong++; printf("line %d\n", line); } }
#define CHECK(it) check(it, __LINE__)
template <class T> static bool same(const T *a, const T *b, int n) { for (int i = 0; i < n; i++) if (a[i] != b[i]) return false; return true; }
int main() {
    const u64 none = ~0ull;
    puts("finding");
#define FINDING(n, T) { \
        const T a[] = {5, 5, 3, 9, 9, 9, 3, 7}, *const end = a + 8, set[] = {7, 9}, part[] = {9, 9}; \
        CHECK(__std_find_trivial_##n(a, end, 9) == a + 3 && __std_find_trivial_##n(a, end, 8) == end && __std_find_trivial_##n(a, a, 5) == a); \
        CHECK(__std_find_not_ch_##n(a, end, 5) == a + 2 && __std_find_not_ch_##n(a, a + 2, 5) == a + 2); \
        CHECK(__std_find_trivial_unsized_##n(a, 7) == a + 7); \
        CHECK(__std_find_last_trivial_##n(a, end, 9) == a + 5 && __std_find_last_trivial_##n(a, end, 8) == end); \
        CHECK(__std_find_last_not_ch_pos_##n(a, end, 7) == 6 && __std_find_last_not_ch_pos_##n(a, a + 2, 5) == none); \
        CHECK(__std_adjacent_find_##n(a, end) == a && __std_adjacent_find_##n(a + 1, end) == a + 3 && __std_adjacent_find_##n(a + 5, end) == end); \
        CHECK(__std_find_first_of_trivial_##n(a, end, set, set + 2) == a + 3 && __std_find_first_of_trivial_##n(a, a + 3, set, set + 2) == a + 3); \
        CHECK(__std_search_##n(a, end, part, 2) == a + 3 && __std_search_##n(a, end, set, 2) == end && __std_search_##n(a, end, part, 0) == a); \
        CHECK(__std_find_end_##n(a, end, part, 2) == a + 4 && __std_find_end_##n(a, end, set, 2) == end && __std_find_end_##n(a, end, part, 0) == end); \
        CHECK(__std_search_n_##n(a, end, 3, 9) == a + 3 && __std_search_n_##n(a, end, 4, 9) == end && __std_search_n_##n(a, end, 0, 9) == a); \
        CHECK(__std_count_trivial_##n(a, end, 9) == 3 && __std_mismatch_##n(a, a + 1, 7) == 1 && __std_mismatch_##n(a, a, 8) == 8); }
    EACH(FINDING)
    puts("strings");
#define STRINGS(n, T) { \
        const T a[] = {'a', 'b', 'c', 'b', 'a'}, set[] = {'b', 'c'}, all[] = {'a', 'b', 'c'}; \
        CHECK(__std_find_first_of_trivial_pos_##n(a, 5, set, 2) == 1 && __std_find_last_of_trivial_pos_##n(a, 5, set, 2) == 3); \
        CHECK(__std_find_first_not_of_trivial_pos_##n(a, 5, set, 2) == 0 && __std_find_last_not_of_trivial_pos_##n(a, 4, set, 2) == 0); \
        CHECK(__std_find_first_not_of_trivial_pos_##n(a, 5, all, 3) == none && __std_find_last_of_trivial_pos_##n(a, 0, all, 3) == none); }
    EACH(STRINGS)
    puts("changing");
#define CHANGING(n, T) { \
        T a[] = {1, 2, 2, 3, 3, 4}, to[6]; \
        const T reversed[] = {4, 3, 3, 2, 2, 1}, replaced[] = {4, 9, 9, 2, 2, 1}, twice[] = {4, 8, 8, 2, 2, 1}, few[] = {4, 9, 2, 1}, fewer[] = {4, 2, 1}; \
        __std_reverse_copy_trivially_copyable_##n(a, a + 6, to); __std_reverse_trivially_swappable_##n(a, a + 6); \
        CHECK(same(a, reversed, 6) && same(to, reversed, 6)); \
        __std_replace_##n(a, a + 6, 3, 9); __std_replace_copy_##n(a, a + 6, to, 9, 8); \
        CHECK(same(a, replaced, 6) && same(to, twice, 6)); \
        CHECK(__std_unique_copy_##n(a, a + 6, to) == to + 4 && same(to, few, 4) && __std_unique_##n(a, a + 6) == a + 4 && same(a, few, 4)); \
        CHECK(__std_remove_copy_##n(a, a + 4, to, 9) == to + 3 && same(to, fewer, 3) && __std_remove_##n(a, a + 4, 9) == a + 3 && same(a, fewer, 3)); }
    EACH(CHANGING)
    char one[] = "one two three", two[] = "ONE TWO THREE", turned[] = "defabc";
    __std_swap_ranges_trivially_swappable_noalias(one, one + 3, two);
    CHECK(__std_swap_ranges_trivially_swappable(one + 4, one + 7, two + 4) == two + 7);
    CHECK(!strcmp(one, "ONE TWO three") && !strcmp(two, "one two THREE"));
    __std_rotate(turned, turned + 3, turned + 6);
    CHECK(!strcmp(turned, "abcdef"));
    puts("smallest and largest");
#define NUMBER(n, T) { \
        const T a[] = {5, (T)-3, 7, (T)-3, 7, 1}; const bool negative = (T)-1 < 0; \
        const T low = negative ? (T)-3 : 1, high = negative ? 7 : (T)-3; \
        CHECK(__std_min_##n(a, a + 6) == low && __std_max_##n(a, a + 6) == high); \
        Pair<T> both = __std_minmax_##n(a, a + 6); CHECK(both.min == low && both.max == high); \
        const T up[] = {1, 1, 2, 5, 4}, down[] = {5, 5, 2, 3}; \
        CHECK(__std_is_sorted_until_##n(up, up + 5, false) == up + 4 && __std_is_sorted_until_##n(up, up + 4, false) == up + 4); \
        CHECK(__std_is_sorted_until_##n(down, down + 4, true) == down + 3 && __std_is_sorted_until_##n(down, down, true) == down); }
    NUMBERS(NUMBER)
#define ELEMENT(n, T, negative) { \
        const T a[] = {5, (T)-3, 7, (T)-3, 7, 1}, *const end = a + 6; \
        CHECK(__std_min_element_##n(a, end, negative) == (negative ? a + 1 : a + 5) && __std_max_element_##n(a, end, negative) == (negative ? a + 2 : a + 1)); \
        Pair<const void *> both = __std_minmax_element_##n(a, end, negative); \
        CHECK(both.min == (negative ? a + 1 : a + 5) && both.max == (negative ? a + 4 : a + 3)); \
        CHECK(__std_min_element_##n(a, a, negative) == a); }
    ELEMENT(1, u8, false) ELEMENT(1, signed char, true) ELEMENT(2, u16, false) ELEMENT(2, short, true) ELEMENT(4, u32, false) ELEMENT(4, int, true)
    ELEMENT(8, u64, false) ELEMENT(8, i64, true) ELEMENT(f, float, true) ELEMENT(d, double, true)
    puts("sorted");
    const int many[] = {1, 2, 2, 4, 7}, some[] = {2, 2, 7}, other[] = {2, 4, 4};
    CHECK(__std_includes_less_4i(many, many + 5, some, some + 3) && !__std_includes_less_4i(many, many + 5, other, other + 3) && __std_includes_less_4i(many, many, some, some));
    puts("bits");
    u64 bits[2] = {0, 0}; char text[71] = {}; wchar_t wide[6] = {};
    CHECK(__std_bitset_from_string_1(bits, "10110x" + 0, 8, 40, 5, '0', '1') && bits[0] == 22 && !__std_bitset_from_string_1(bits, "1x", 8, 40, 2, '0', '1'));
    CHECK(__std_bitset_from_string_1(bits, "1101", 8, 2, 4, '0', '1') && bits[0] == 3);
    bits[0] = 5, bits[1] = 32;
    __std_bitset_to_string_1(text, bits, 70, '.', '#'); __std_bitset_to_string_2(wide, bits, 4, L'0', L'1');
    CHECK(!strcmp(text, "#..................................................................#.#") && same(wide, L"0101", 5));
    puts(wrong ? "wrong" : "all right");
}
