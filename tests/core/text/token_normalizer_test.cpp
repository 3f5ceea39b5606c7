// Normalizers, one step at a time.
#include "core/text/token_normalizer.h"

#include <catch2/catch.hpp>

#include "tests/support/weights.h"

using namespace llmops;
using namespace llmops::text;

namespace {

std::string applied(std::vector<NormalizeStep> steps, std::string_view text) {
  Vocabulary vocabulary;
  vocabulary.normalize = std::move(steps);
  const auto made = TokenNormalizer::make(vocabulary, "t");
  return made ? made->apply(text, true) : made.error().message;
}

// One key, "A" to `replacement`, in a double array of 256 units: the root's offset is 1, the unit of 'A' lies at 1 ^ 'A', its value at 2.
std::string charsmap(const std::string& replacement) {
  std::vector<uint32_t> units(256);
  units[0] = 1U << 10;
  units['A' ^ 1] = 'A' | 1U << 8 | ('A' ^ 1 ^ 2) << 10;
  units[2] = 1U << 31;
  std::string map = test::raw(static_cast<uint32_t>(units.size() * 4));
  for (const uint32_t unit : units) map += test::raw(unit);
  return map + replacement + '\0';
}

}  // namespace

TEST_CASE("accents go when they stand apart from their letters") {
  const NormalizeStep apart{.kind = NormalizeKind::kNfd, .pattern = {}, .content = {}}, strip{.kind = NormalizeKind::kStripMarks, .pattern = {}, .content = {}};
  CHECK(applied({strip}, "élève") == "élève");
  CHECK(applied({apart, strip}, "élève") == "eleve");
  CHECK(applied({apart, strip}, "नी") == "न");   // of the category Mc
}

TEST_CASE("a character map of Hugging Face goes by grapheme, the shortest known beginning for the whole") {
  const NormalizeStep map{.kind = NormalizeKind::kCharsmap, .pattern = {}, .content = charsmap("a")};
  CHECK(applied({map}, "AbA") == "aba");
  CHECK(applied({map}, "A\u0301x") == "ax");                                          // a grapheme of 3 bytes
  CHECK(applied({map}, "A\u0301\u0301\u0301x") == "a\u0301\u0301\u0301x");            // of 7: character by character
}

TEST_CASE("normalizers whose growth multiplies past all real ones are refused") {
  const NormalizeStep twice{.kind = NormalizeKind::kReplace, .pattern = "a", .content = "aa"};
  CHECK(applied(std::vector<NormalizeStep>(10, twice), "a") == std::string(1024, 'a'));
  const std::string refusal = "'t' has normalizers that could make a text more than 1024 times as long";
  CHECK(applied(std::vector<NormalizeStep>(60, twice), "a") == refusal);
  CHECK(applied({{.kind = NormalizeKind::kReplacePattern, .pattern = "a", .content = std::string(2000, 'b')}}, "a") == refusal);
  CHECK(applied({{.kind = NormalizeKind::kCharsmap, .pattern = {}, .content = charsmap(std::string(2000, 'b'))}}, "A") == refusal);
  // What mBART, XLM-R and ALBERT do together.
  const NormalizeStep spaces{.kind = NormalizeKind::kReplacePattern, .pattern = " {2,}", .content = "▁"}, form{.kind = NormalizeKind::kNfkd, .pattern = {}, .content = {}};
  CHECK(applied({form, {.kind = NormalizeKind::kLowercase, .pattern = {}, .content = {}}, {.kind = NormalizeKind::kCharsmap, .pattern = {}, .content = charsmap("a")}, spaces}, "É  Z") == "e\u0301▁z");
}
