// Tokenizer files from anywhere, and any text: no id is outside the vocabulary, and count() agrees with encode(). The first byte says of
// what format the file is; what is behind the last zero byte is the text.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "core/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr std::array kNames{"tokenizer.json", "x.model", "x.gguf", "cl100k_base.tiktoken", "vocab.txt"};
  static const std::string folder = [] {
    std::string pattern = "/tmp/llmops-fuzz-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    return pattern;
  }();
  if (size == 0) return 0;
  const std::string bytes(data + 1, data + size);
  const std::string path = folder + "/" + kNames[data[0] % kNames.size()];
  FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) std::abort();
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  if (std::fclose(file) != 0 || !written) std::abort();
  const auto tokenizer = llmops::open_tokenizer(path, "tokenizer");
  if (!tokenizer) return 0;
  const std::string text = bytes.substr(bytes.rfind('\0') + 1, 4096);
  for (const bool special : {false, true}) {
    const llmops::EncodeOptions options{.add_special = special, .parse_special = special};
    const auto ids = tokenizer->encode(text, options);
    if (ids.size() != tokenizer->count(text, options)) std::abort();
    for (const int32_t id : ids) if (id < 0 || id >= tokenizer->size()) std::abort();
    if (tokenizer->decode(ids).size() > 2 * llmops::kMostTextGrowth * bytes.size() * (ids.size() + 1)) std::abort();   // 2: spaces between
  }
  return 0;
}
