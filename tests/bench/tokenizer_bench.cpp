// How fast one core encodes and counts a text: the file repeated to about SIZE megabytes.
// Usage: tokenizer_bench TOKENIZER TEXT [SIZE]     default 32
// Prints megabytes (10^6 bytes) per second of the process's CPU time, best of five, and the number of tokens.
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string>
#include <string_view>

#include "core/base/fs.h"
#include "core/text/tokenizer.h"

namespace {

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class Work>
void measure(const char* name, size_t bytes, Work&& work) {
  double best = 0;
  size_t tokens = 0;
  for (int part = 0; part < 5; ++part) {
    const double start = cpu_seconds();
    tokens = work();
    best = std::max(best, static_cast<double>(bytes) * 1e-6 / std::max(cpu_seconds() - start, 1e-9));
  }
  std::printf("%-8s %10zu bytes  %10zu tokens  %8.1f MB/s\n", name, bytes, tokens, best);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::printf("usage: tokenizer_bench TOKENIZER TEXT [SIZE]\n"), 2;
  size_t megabytes = 32;
  if (argc > 3) {
    const std::string_view size = argv[3];
    std::from_chars(size.data(), size.data() + size.size(), megabytes);
  }
  const double start = cpu_seconds();
  const auto tokenizer = llmops::open_tokenizer(argv[1], argv[1]);
  if (!tokenizer) return std::printf("%s\n", tokenizer.error().message.c_str()), 1;
  std::printf("%-8s %10d tokens  %30.3f s\n", "open", tokenizer->size(), cpu_seconds() - start);
  const auto part = llmops::read_file(argv[2]);
  if (!part || part->empty()) return std::printf("cannot read %s\n", argv[2]), 1;
  std::string text;
  while (text.size() < megabytes * 1'000'000) text += *part;
  measure("encode", text.size(), [&] { return tokenizer->encode(text).size(); });
  measure("count", text.size(), [&] { return tokenizer->count(text); });
  return 0;
}
