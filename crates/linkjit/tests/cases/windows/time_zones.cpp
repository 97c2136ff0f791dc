// compilers: msvc
// expect: zones 1 sorted 1 Berlin 1 UTC 1
// expect: current 1
// expect: winter 3600 0 GMT+1 summer 7200 3600 GMT+2
// expect: begins 1711846800 ends 1729990800
// expect: Sydney 39600 3600 then 36000
// expect: Kolkata 19800 GMT+5:30
// expect: UTC 0 UTC for ever 1
// expect: unknown 1
// expect: leap seconds 0
// What Microsoft's C++ library links into each image for std::chrono's time zones.
#include "crt.h"
struct Zones { int error; const char *version; size_t_ count; const char **names, **links; };
struct Current { int error; const char *name; };
struct Info { int error; double begin, end; int offset, save; const char *abbreviation; };
extern "C" {
Zones *__std_tzdb_get_time_zones();
void __std_tzdb_delete_time_zones(Zones *);
Current *__std_tzdb_get_current_zone();
void __std_tzdb_delete_current_zone(Current *);
Info *__std_tzdb_get_sys_info(const char *, size_t_, double);
void __std_tzdb_delete_sys_info(Info *);
void *__std_tzdb_get_leap_seconds(size_t_, size_t_ *);
void *__std_calloc_crt(size_t_, size_t_);
void __std_free_crt(void *);
size_t_ strlen(const char *);
}
static Info *info(const char *zone, double seconds) { return __std_tzdb_get_sys_info(zone, strlen(zone), seconds * 1000); }
int main() {
    Zones *zones = __std_tzdb_get_time_zones();
    int sorted = 1, berlin = 0, utc = 0;
    for (size_t_ i = 0; i < zones->count; i++) {
        sorted &= !i || strcmp(zones->names[i - 1], zones->names[i]) < 0;
        berlin += !strcmp(zones->names[i], "Europe/Berlin"), utc += !strcmp(zones->names[i], "Etc/UTC");
    }
    printf("zones %d sorted %d Berlin %d UTC %d\n", zones->count > 400 && !zones->error, sorted, berlin, utc);
    __std_tzdb_delete_time_zones(zones);
    Current *current = __std_tzdb_get_current_zone();
    printf("current %d\n", !current->error && strlen(current->name) > 2);
    __std_tzdb_delete_current_zone(current);
    // The first of February and of July 2024.
    Info *winter = info("Europe/Berlin", 1706745600), *summer = info("Europe/Berlin", 1719792000);
    printf("winter %d %d %s summer %d %d %s\n", winter->offset / 1000, winter->save / 1000, winter->abbreviation, summer->offset / 1000, summer->save / 1000, summer->abbreviation);
    printf("begins %lld ends %lld\n", (long long)(summer->begin / 1000), (long long)(summer->end / 1000));
    __std_tzdb_delete_sys_info(winter), __std_tzdb_delete_sys_info(summer);
    Info *south = info("Australia/Sydney", 1706745600), *later = info("Australia/Sydney", south->end / 1000);
    printf("Sydney %d %d then %d\n", south->offset / 1000, south->save / 1000, later->offset / 1000);
    Info *india = info("Asia/Kolkata", 1706745600), *utc_info = info("UTC", 0), *unknown = info("Nowhere/At_All", 0);
    printf("Kolkata %d %s\n", india->offset / 1000, india->abbreviation);
    printf("UTC %d %s for ever %d\n", utc_info->offset, utc_info->abbreviation, utc_info->end > 1e17 && utc_info->begin < -1e17);
    printf("unknown %d\n", unknown->error != 0);
    size_t_ count = 5;
    void *seconds = __std_tzdb_get_leap_seconds(0, &count);
    printf("leap seconds %d\n", (int)count + (seconds != nullptr));
    __std_free_crt(__std_calloc_crt(3, 8));
}
