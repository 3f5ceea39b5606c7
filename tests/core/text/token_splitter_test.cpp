// The pre-tokenizers one by one; the examples of Hugging Face's documentation where it has them
// (https://huggingface.co/docs/tokenizers/api/pre-tokenizers).
#include "core/text/token_splitter.h"

#include <catch2/catch.hpp>

using namespace llmops;
using namespace llmops::text;

namespace {

using Words = std::vector<std::string>;

Words words_of(std::vector<SplitStep> steps, std::string_view text) {
  Vocabulary vocabulary;
  vocabulary.model = TokenModel::kWordLevel;
  vocabulary.split = std::move(steps);
  const auto splitter = TextSplitter::make(vocabulary, "t");
  if (!splitter) return {splitter.error().message};
  Words words;
  splitter->each(text, true, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}

Words split(SplitBehavior behavior, std::string_view text, bool invert = false) {
  const Words literal = words_of({{.kind = SplitKind::kLiteral, .pattern = "-", .behavior = behavior, .invert = invert}}, text);
  CHECK(words_of({{.kind = SplitKind::kPattern, .pattern = "\\-", .behavior = behavior, .invert = invert}}, text) == literal);
  return literal;
}

}  // namespace

TEST_CASE("what a split matches is removed, alone, or joined to a neighbour") {
  const std::string text = "the-final--countdown";
  CHECK(split(SplitBehavior::kRemoved, text) == Words{"the", "final", "countdown"});
  CHECK(split(SplitBehavior::kIsolated, text) == Words{"the", "-", "final", "-", "-", "countdown"});
  CHECK(split(SplitBehavior::kMergedWithPrevious, text) == Words{"the-", "final-", "-", "countdown"});
  CHECK(split(SplitBehavior::kMergedWithNext, text) == Words{"the", "-final", "-", "-countdown"});
  CHECK(split(SplitBehavior::kContiguous, text) == Words{"the", "-", "final", "--", "countdown"});
  CHECK(split(SplitBehavior::kRemoved, text, true) == Words{"-", "-", "-"});
}

TEST_CASE("digits are cut out together or one by one") {
  CHECK(words_of({{.kind = SplitKind::kDigits, .pattern = {}}}, "Call 123 please") == Words{"Call ", "123", " please"});
  CHECK(words_of({{.kind = SplitKind::kDigits, .pattern = {}, .individual = true}}, "Call 123 please") == Words{"Call ", "1", "2", "3", " please"});
}

TEST_CASE("punctuation, white space and single characters divide words") {
  CHECK(words_of({{.kind = SplitKind::kPunctuation, .pattern = {}}}, "Hello ?") == Words{"Hello ", "?"});
  CHECK(words_of({{.kind = SplitKind::kWhitespace, .pattern = {}}}, "Hello there!?  you_2") == Words{"Hello", "there", "!?", "you_2"});
  CHECK(words_of({{.kind = SplitKind::kWhitespaceSplit, .pattern = {}}}, " Hello\tthere! ") == Words{"Hello", "there!"});
  CHECK(words_of({{.kind = SplitKind::kLiteral, .pattern = "x", .behavior = SplitBehavior::kRemoved}}, "Helloxthere") == Words{"Hello", "there"});   // CharDelimiterSplit
}

TEST_CASE("two Metaspace steps are refused, whose text could grow without end") {
  const SplitStep one{.kind = SplitKind::kMetaspace, .pattern = "x"}, other{.kind = SplitKind::kMetaspace, .pattern = "y"};
  CHECK(words_of({one}, "a b") == Words{"xa", "xb"});
  CHECK(words_of({one, other}, "a b") == Words{"'t' has two Metaspace steps"});
}
