"""The kernels for Windows, whose programs run under Wine (see kernel.rs)."""

import unittest

from jupyter_client.manager import start_new_kernel

# Wine may be started for the first time.
PATIENCE = 120


class WindowsTests(unittest.TestCase):
    def until(self, kind):
        """The content of the next message of a kind; output until then."""
        text = ""
        while (message := self.client.get_iopub_msg(timeout=PATIENCE))["msg_type"] != kind:
            if message["msg_type"] == "stream":
                text += message["content"]["text"]
        return message["content"], text

    def value(self):
        return self.until("execute_result")[0]["data"]["text/plain"]

    def test_cells_run_under_wine(self):
        for target in ["mingw", "msvc"]:
            with self.subTest(target=target):
                self.manager, self.client = start_new_kernel(kernel_name="linkjit-cpp-" + target)
                self.check()
                self.client.stop_channels()
                self.manager.shutdown_kernel()

    def check(self):
        self.client.execute('extern "C" unsigned long GetCurrentProcessId(); GetCurrentProcessId() > 0')
        self.assertEqual(self.value(), "true")
        self.client.execute('extern "C" int puts(const char *); puts("before"); linkjit::display(6 * 7);')
        display, text = self.until("display_data")
        self.assertEqual((display["data"]["text/plain"], text), ("42", "before\n"))
        self.client.execute("throw 5;")
        self.assertEqual(self.until("error")[0]["evalue"], "5")
        self.client.execute('extern "C" int getchar(); getchar()', allow_stdin=True)
        self.client.get_stdin_msg(timeout=PATIENCE)
        self.client.input("A")
        self.assertEqual(self.value(), "65")
        self.client.execute('puts("begun"); for (volatile int x = 0;; x = x + 1);')
        self.until("stream")
        self.manager.interrupt_kernel()
        self.assertEqual(self.until("error")[0]["ename"], "Interrupted")
        self.client.execute("7")
        self.assertEqual(self.value(), "7")


if __name__ == "__main__":
    unittest.main()
