"""Jupyter's own tests of kernels, for the kernel linkjit-cpp (see kernel.rs), and what they do not ask for."""

import os
import time
import unittest

import jupyter_kernel_test
from jupyter_client.manager import start_new_kernel

# Machines may be slow.
PATIENCE = 120


class KernelTests(jupyter_kernel_test.KernelTests):
    kernel_name = "linkjit-cpp"
    TIMEOUT = PATIENCE
    language_name = "c++"
    file_extension = ".cpp"
    code_hello_world = '#include <cstdio>\nprintf("hello, world\\n");'
    code_stderr = '#include <cstdio>\nfprintf(stderr, "oops\\n");'
    completion_samples = [
        {"text": "struct Point { int alpha, beta; } p; p.al", "matches": ["alpha"]},
        {"text": "double äöü; retur", "matches": ["return"]},
    ]
    complete_code_samples = ["1 + 2", "int f() { return 1; }", "%help", "f(1));"]
    incomplete_code_samples = ["int f() {", "f(1,", "#if 1", "/* a"]
    code_generate_error = "throw 42;"
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": "#include <string>\nstd::string(\"a\")", "result": '"a"'},
        {"code": "int six = 6; six * six", "result": "36"},
    ]
    code_display_data = [{"code": "linkjit::display(1.5);", "mime": "text/plain"}]
    code_history_pattern = "6 *"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "printf"

    def test_values_have_all_forms(self):
        code = """
            #include <map>
            #include <string>
            struct Picture {};
            std::map<std::string, std::string> mime(const Picture &) {
              return {{"image/png", "\\x89PNG"}, {"text/html", "<b>x</b>"}, {"application/json", "[1]"}};
            }
            linkjit::display(Picture());
            Picture()"""
        self.flush_channels()
        reply, outputs = self.execute_helper(code)
        self.assertEqual(reply["content"]["status"], "ok")
        expected = {"image/png": "iVBORw==", "text/html": "<b>x</b>", "application/json": [1], "text/plain": "{}"}
        self.assertEqual([output["msg_type"] for output in outputs], ["display_data", "execute_result"])
        for output in outputs:
            self.assertEqual(output["content"]["data"], expected)

    def test_displays_come_between_output(self):
        self.flush_channels()
        code = '#include <iostream>\nfor (int i = 0; i < 2; i++) { std::cout << "before " << i; linkjit::display(i); }'
        _, outputs = self.execute_helper(code)
        shown = [output["content"].get("text") or output["content"]["data"]["text/plain"] for output in outputs]
        self.assertEqual(shown, ["before 0", "0", "before 1", "1"])

    def test_errors_say_where(self):
        self.flush_channels()
        _, outputs = self.execute_helper("int x = 1;\nint y = unknown;")
        error = outputs[0]["content"]
        self.assertEqual(error["ename"], "CompileError")
        self.assertIn("undeclared identifier 'unknown'", error["evalue"])
        self.assertIn("2:9", "\n".join(error["traceback"]))
        _, outputs = self.execute_helper('#include <stdexcept>\nthrow std::out_of_range("too far");')
        self.assertEqual(outputs[-1]["content"]["ename"], "std::out_of_range")
        self.assertEqual(outputs[-1]["content"]["evalue"], "too far")
        _, outputs = self.execute_helper("*(volatile int *)8 = 1;")
        self.assertEqual(outputs[-1]["content"]["ename"], "SIGSEGV")
        self.assertRegex(outputs[-1]["content"]["traceback"][-1], r"^in .*input \d+:\d+$")
        reply, _ = self.execute_helper("1")
        self.assertEqual(reply["content"]["status"], "ok")

    def test_expressions_are_evaluated(self):
        self.kc.execute("int seven = 7;", user_expressions={"a": "seven + 1", "b": "nothing"})
        values = self.get_non_kernel_info_reply(timeout=PATIENCE)["content"]["user_expressions"]
        self.assertEqual(values["a"]["data"]["text/plain"], "8")
        self.assertEqual(values["b"]["status"], "error")

    def outputs_until(self, wanted):
        """The text of the stream until it has these words."""
        text = ""
        while wanted not in text:
            message = self.kc.get_iopub_msg(timeout=PATIENCE)
            if message["msg_type"] == "stream":
                text += message["content"]["text"]
        return text

    def test_output_comes_while_the_cell_runs_and_interrupts_end_it(self):
        for interrupt in [self.km.interrupt_kernel, lambda: os.kill(self.km.provisioner.pid, 2)]:
            self.flush_channels()
            self.kc.execute('#include <cstdio>\nprintf("begun\\n"); for (volatile int x = 0;; x = x + 1);')
            later = self.kc.execute("1")
            self.outputs_until("begun")
            interrupt()
            reply = self.get_non_kernel_info_reply(timeout=PATIENCE)["content"]
            self.assertEqual((reply["status"], reply["ename"]), ("error", "Interrupted"))
            # A cell behind one that fails is not run.
            reply = self.get_non_kernel_info_reply(timeout=PATIENCE)
            self.assertEqual((reply["parent_header"]["msg_id"], reply["content"]["status"]), (later, "aborted"))

    def test_the_user_is_asked_for_input(self):
        for read in ["std::cin >> age;", 'scanf("%d", &age);', "char c[3]{}; read(0, c, 3); age = atoi(c);"]:
            self.flush_channels()
            self.kc.execute(
                '#include <iostream>\n#include <unistd.h>\nint age; printf("How old? "); fflush(stdout);\n' + read + "\nage",
                allow_stdin=True,
            )
            self.assertEqual(self.kc.get_stdin_msg(timeout=PATIENCE)["msg_type"], "input_request")
            # The question is there before its user is asked.
            self.assertIn("How old? ", self.outputs_until("?"))
            self.kc.input("42")
            self.assertEqual(self.get_non_kernel_info_reply(timeout=PATIENCE)["content"]["status"], "ok")
            while (message := self.kc.get_iopub_msg(timeout=PATIENCE))["msg_type"] != "execute_result":
                pass
            self.assertEqual(message["content"]["data"]["text/plain"], "42")

    def test_clients_without_input_get_an_error(self):
        self.kc.execute("#include <cstdio>\ngetchar();", allow_stdin=False)
        self.assertEqual(self.get_non_kernel_info_reply(timeout=PATIENCE)["content"]["ename"], "NoInput")


class EndTests(unittest.TestCase):
    def test_nothing_is_left_behind(self):
        for code in ["1", '#include <cstdio>\nputs("begun"); for (volatile int x = 0;; x = x + 1);']:
            for end in [lambda km: km.shutdown_kernel(), lambda km: os.kill(km.provisioner.pid, 9)]:
                manager, client = start_new_kernel(kernel_name="linkjit-cpp")
                client.execute(code)
                while client.get_iopub_msg(timeout=PATIENCE)["msg_type"] not in ("stream", "execute_result"):
                    pass
                children = descendants(manager.provisioner.pid)
                self.assertGreaterEqual(len(children), 2)
                client.stop_channels()
                end(manager)
                manager.cleanup_resources()
                deadline = time.monotonic() + 15
                while any(alive(child) for child in children):
                    self.assertLess(time.monotonic(), deadline, "a process is left")
                    time.sleep(0.05)


def stat(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def alive(process):
    fields = stat(process)
    return fields is not None and fields[0] != "Z"


def descendants(parent):
    processes = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    parents = {process: int(fields[1]) for process in processes if (fields := stat(process))}
    children = [process for process in parents if parents[process] == parent]
    return children + [below for child in children for below in descendants(child)]


if __name__ == "__main__":
    unittest.main()
