// A large library: sqlite, from its static archive.
// compilers: gcc clang-19
// flags: -O2
// archives: libsqlite3.a
// expect: sum=507393
#include <sqlite3.h>
#include <stdio.h>

int main(void) {
    sqlite3 *db;
    sqlite3_stmt *insert, *query;
    long sum = -1;
    if (sqlite3_open(":memory:", &db) || sqlite3_exec(db, "create table t(a integer, b text)", 0, 0, 0))
        return 1;
    sqlite3_prepare_v2(db, "insert into t values(?1, 'row ' || ?1)", -1, &insert, 0);
    for (int i = 1; i <= 1000; i++) {
        sqlite3_bind_int(insert, 1, i);
        sqlite3_step(insert);
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    sqlite3_prepare_v2(db, "select sum(a) + sum(length(b)) from t", -1, &query, 0);
    if (sqlite3_step(query) == SQLITE_ROW)
        sum = (long)sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    printf("sum=%ld\n", sum);
    return sqlite3_close(db);
}
