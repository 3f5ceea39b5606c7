// Writes a small model into a folder: for transcripts and benches.
#include <charconv>
#include <cstdio>
#include <map>
#include <string_view>

#include "tests/support/small_model.h"

namespace {

int usage() {
  std::fputs("usage: llmops_small_model FOLDER [--arch llama|mistral|qwen2|qwen3|gemma2|phi3|mixtral] [--type F32|F16|BF16] [--tied]\n"
             "       [--layers N] [--hidden N] [--heads N] [--kv-heads N] [--ffn N] [--vocabulary N] [--experts N] [--shards N] [--seed N]\n", stderr);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  llmops::test::SmallModel model;
  const std::map<std::string_view, size_t*> numbers = {{"--layers", &model.layers}, {"--hidden", &model.hidden}, {"--heads", &model.heads}, {"--kv-heads", &model.kv_heads}, {"--ffn", &model.ffn}, {"--vocabulary", &model.vocabulary}, {"--experts", &model.experts}, {"--shards", &model.shards}, {"--seed", &model.seed}};
  const std::map<std::string_view, std::string*> texts = {{"--arch", &model.architecture}, {"--type", &model.type}};
  if (argc < 2) return usage();
  for (int i = 2; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--tied") {
      model.tied = true;
      continue;
    }
    if (i + 1 == argc) return usage();
    const std::string_view value = argv[++i];
    if (const auto text = texts.find(option); text != texts.end()) {
      *text->second = value;
    } else if (const auto number = numbers.find(option); number != numbers.end()) {
      const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), *number->second);
      if (failed != std::errc() || end != value.data() + value.size()) return usage();
    } else {
      return usage();
    }
  }
  const llmops::Status written = llmops::test::write_small_model(argv[1], model);
  if (written) return 0;
  std::fprintf(stderr, "llmops_small_model: %s\n", written.error().message.c_str());
  return 1;
}
