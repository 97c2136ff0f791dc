// Each expression is shown, and its records are compared: `EXPECT(records, expression)`. Kinds and colons come before texts,
// bars stand for bytes that are zero.
#include <cstdio>
#include <string>

static int failures;

static std::string records() {
  std::string text;
  auto &results = __linkjit_repl_results;
  for (unsigned long long at = 0; at < results.length;) {
    unsigned length;
    __builtin_memcpy(&length, results.bytes + at + 1, sizeof length);
    text += text.empty() ? "" : " ";
    if (results.bytes[at] != 'v')
      text += std::string(1, results.bytes[at]) + ":";
    for (unsigned i = 0; i < length; i++)
      text += results.bytes[at + 5 + i] ? results.bytes[at + 5 + i] : '|';
    at += 5 + length;
  }
  __linkjit_repl_clear();
  return text;
}

static void expect(const std::string &expected, const std::string &found, const char *source) {
  if (found == expected)
    return;
  failures++;
  std::printf("%s\n  expected %s\n  found    %s\n", source, expected.c_str(), found.c_str());
}

#define EXPECT(text, ...) (__linkjit_repl::show(__VA_ARGS__), expect(text, records(), #__VA_ARGS__))
