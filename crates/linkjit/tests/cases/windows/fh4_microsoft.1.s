    .include "tests/cases/windows/fh4.1.s"
