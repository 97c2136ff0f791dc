// Fills a table of an in-memory database and sums it up.
#include "sqlite3.h"
#include <stdio.h>

int main(void) {
    sqlite3 *db;
    sqlite3_stmt *statement;
    if (sqlite3_open(":memory:", &db) || sqlite3_exec(db, "create table t(a integer, b text); begin", 0, 0, 0)) return 1;
    if (sqlite3_prepare_v2(db, "insert into t values(?1, 'row ' || ?1)", -1, &statement, 0)) return 2;
    for (int row = 1; row <= 1000; row++) {
        sqlite3_bind_int(statement, 1, row);
        sqlite3_step(statement);
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    if (sqlite3_exec(db, "commit", 0, 0, 0)) return 3;

    long long sum = -1;
    sqlite3_prepare_v2(db, "select sum(a) + sum(length(b)) from t", -1, &statement, 0);
    if (sqlite3_step(statement) == SQLITE_ROW) sum = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    printf("sum=%lld\n", sum);
    return 0;
}
