"""A user of `linkjit repl` at a terminal: see repl_terminal.rs."""

import os
import pty
import re
import select
import sys
import time

LINKJIT, HOME = sys.argv[1:]
PATIENCE = 120


class Terminal:
    def __init__(self):
        self.output = ""
        process, self.file = pty.fork()
        if process == 0:
            editor = "sed -i s/one/two/"
            own = dict(HOME=HOME, XDG_CONFIG_HOME="", XDG_DATA_HOME="", XDG_STATE_HOME="", LINKJIT_CACHE="off", TERM="xterm", EDITOR=editor, VISUAL="")
            os.execve(LINKJIT, [LINKJIT, "repl"], os.environ | own)
        self.process = process

    def sees(self, text):
        """Waits for a text; what came before it is not looked at again."""
        end = time.monotonic() + PATIENCE
        while text not in self.output:
            assert time.monotonic() < end, f"there is no {text!r} in {self.output!r}"
            if select.select([self.file], [], [], 1)[0]:
                try:
                    got = os.read(self.file, 65536).decode(errors="replace")
                except OSError:
                    raise AssertionError(f"the session has ended before {text!r}: {self.output!r}")
                # The editor draws the line anew for each key, with colours.
                self.output += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", got)
        self.output = self.output.partition(text)[2]

    def types(self, keys):
        os.write(self.file, keys.encode())

    def enters(self, keys, seen=""):
        """Ends a line, and waits until the next one may be typed: what comes before that is lost."""
        self.types(keys + "\r")
        self.sees("\n")
        if seen:
            self.sees(seen)
        self.sees(">>> ")

    def ends(self):
        try:
            while os.read(self.file, 65536):
                pass
        except OSError:
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


terminal = Terminal()
terminal.sees(">>> ")
# The user's file was run first.
terminal.enters("of_startup", "(int) 11")
# Open brackets let an input go on.
terminal.types("int twice(int n) {\rreturn 2 * n; }")
terminal.sees("n; }")
terminal.enters("")
terminal.enters("twice(21)", "(int) 42")
# Completion.
terminal.enters("struct Point { int alphabet = 7; } point;")
terminal.types("point.alph\t")
terminal.sees("point.alphabet")
terminal.enters("", "(int) 7")
# Ctrl-C ends an input, and not the session.
terminal.types("for (;;);\r")
time.sleep(1)
terminal.types("\x03")
terminal.sees("error: interrupted")
terminal.sees(">>> ")
# It ends a line that is not finished, too.
terminal.types("nonsense")
terminal.sees("nonsense")
terminal.types("\x03")
terminal.sees("\n")
terminal.sees(">>> ")
# The editor changes "one" to "two".
terminal.enters('const char *number = "one";')
terminal.enters("%edit", '"two"')
terminal.enters("number", '(const char *) "two"')
terminal.types("\x04")
assert terminal.ends() == 0

# Another session knows what was typed: the arrow goes back to it.
terminal = Terminal()
terminal.sees(">>> ")
terminal.types("\x1b[A\x1b[A")
terminal.sees('number = "two";')
terminal.enters("")
terminal.types("%quit\r")
assert terminal.ends() == 0
