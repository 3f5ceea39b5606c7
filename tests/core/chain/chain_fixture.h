// A chain in a folder of its own, and what its loading said.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "core/chain/chain.h"
#include "tests/support/test_data.h"

namespace llmops::test {

// "file:line:column: message | hint"
inline std::string told(const Error& error) {
  std::string text;
  if (!error.where.file.empty()) text += error.where.file + ":" + std::to_string(error.where.line) + ":" + std::to_string(error.where.column) + ": ";
  text += error.message;
  return error.hint.empty() ? text : text + " | " + error.hint;
}

struct ChainFolder {
  TempDir dir;
  fs::path file = dir.path() / "demo.chain.yaml";

  Result<Chain> load(const std::string& text, const std::vector<std::string>& sets = {}) const {
    dir.write("demo.chain.yaml", text);
    return load_file(sets);
  }
  Result<Chain> load_file(const std::vector<std::string>& sets = {}) const {
    std::vector<Override> overrides;
    for (const std::string& set : sets) {
      LLMOPS_ASSIGN(Override one, parse_override(set));
      overrides.push_back(std::move(one));
    }
    return load_chain({file, dir.path(), "demo.chain.yaml", overrides});
  }
  Chain must_load(const std::string& text, const std::vector<std::string>& sets = {}) const {
    auto chain = load(text, sets);
    if (!chain) FAIL(told(chain.error()));
    return std::move(*chain);
  }
  // What is wrong with the text; "loaded" when nothing is.
  std::string refusal(const std::string& text, const std::vector<std::string>& sets = {}) const {
    const auto chain = load(text, sets);
    return chain ? "loaded" : told(chain.error());
  }
};

// The first three lines of every chain here, so that what a test writes begins at line 4.
inline const std::string kHead = "llmops: chain/v1\nname: demo\ninputs: [question, history]\n";
inline const std::string kEcho = "models: {main: {provider: echo}}\n";                      // line 4
inline const std::string kAnswer = "steps: [{id: answer, model: main, prompt: \"{{ question }}\"}]\n";
inline const std::string kOutput = "output: \"{{ steps.answer.output }}\"\n";

}  // namespace llmops::test
