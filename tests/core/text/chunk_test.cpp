#include "core/text/chunk.h"

#include <catch2/catch.hpp>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace llmops {
namespace {

std::vector<std::string> texts(const std::vector<Passage>& passages) {
  std::vector<std::string> out;
  for (const Passage& p : passages) out.push_back(p.text);
  return out;
}

std::vector<std::string> cut(std::string_view text, ChunkBy by, int size, int overlap = 0) {
  return texts(chunk_document("d.md", text, ChunkOptions{by, size, overlap}));
}

std::vector<std::string> words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a document without options is one passage with its path and number", "[chunk]") {
  const auto passages = chunk_document("kb/a.md", "\n Hello  world \n", std::nullopt);
  REQUIRE(passages.size() == 1);
  CHECK(passages[0].id == "kb/a.md#1");
  CHECK(passages[0].source == "kb/a.md");
  CHECK(passages[0].text == "Hello  world");
  CHECK(chunk_document("kb/a.md", " \n", std::nullopt).empty());
  CHECK(chunk_document("kb/a.md", "", ChunkOptions{}).empty());
}

TEST_CASE("size cuts windows of words with an overlap", "[chunk]") {
  CHECK(cut("a b c d e", ChunkBy::kSize, 2) == Texts{"a b", "c d", "e"});
  CHECK(cut("a b c d e", ChunkBy::kSize, 3, 1) == Texts{"a b c", "c d e"});
  CHECK(cut("a b c d", ChunkBy::kSize, 2, 1) == Texts{"a b", "b c", "c d"});
  CHECK(cut("a  b\nc", ChunkBy::kSize, 5) == Texts{"a  b\nc"});
  CHECK(cut("a b", ChunkBy::kSize, 1, 5) == Texts{"a", "b"});   // an overlap that isn't smaller is cut down
  const auto passages = chunk_document("p", "a b c", ChunkOptions{ChunkBy::kSize, 2, 0});
  CHECK(passages[1].id == "p#2");
}

TEST_CASE("headings begin passages, except inside code fences", "[chunk]") {
  const std::string text = "intro\n# One\ntext\n```\n# no heading\n```\n###### Six\nmore\n####### seven\n#hash\n  ## Two";
  CHECK(cut(text, ChunkBy::kHeading, 300) ==
        Texts{"intro", "# One\ntext\n```\n# no heading\n```", "###### Six\nmore\n####### seven\n#hash", "## Two"});
  CHECK(cut("# A\nb c d", ChunkBy::kHeading, 3) == Texts{"# A\nb", "c d"});
  CHECK(cut("~~~~\n# x\n~~~\n# y\n~~~~\n# z", ChunkBy::kHeading, 300) == Texts{"~~~~\n# x\n~~~\n# y\n~~~~", "# z"});
}

TEST_CASE("sentences stay whole up to the size", "[chunk]") {
  CHECK(cut("One two. Three four! Five?", ChunkBy::kSentence, 4) == Texts{"One two. Three four!", "Five?"});
  CHECK(cut("Dr. J. Smith came. He left.", ChunkBy::kSentence, 4) == Texts{"Dr. J. Smith came.", "He left."});
  CHECK(cut("See e.g. this one. Next.", ChunkBy::kSentence, 4) == Texts{"See e.g. this one.", "Next."});
  CHECK(cut("No end\n\nNew part", ChunkBy::kSentence, 2) == Texts{"No end", "New part"});
  CHECK(cut("a b c d e f. G.", ChunkBy::kSentence, 4) == Texts{"a b c d", "e f.", "G."});
  CHECK(cut("He said \"go.\" Then left.", ChunkBy::kSentence, 3) == Texts{"He said \"go.\"", "Then left."});
  CHECK(cut("A b. C d. E f.", ChunkBy::kSentence, 4, 2) == Texts{"A b. C d.", "C d. E f."});
}

TEST_CASE("passages are pieces of the text, within the size, and cover every word", "[chunk]") {
  std::mt19937_64 random(3);
  const char* const kPieces[] = {"word ", "End. ", "\n\n", "# head\n", "```\n", "東京。", "! ", "\n## x\n", "Mr. "};
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (size_t i = random() % 60; i > 0; --i) text += kPieces[random() % std::size(kPieces)];
    const auto by = static_cast<ChunkBy>(random() % 3);
    const int size = 1 + static_cast<int>(random() % 9), overlap = static_cast<int>(random() % static_cast<uint64_t>(size));
    CAPTURE(text, static_cast<int>(by), size, overlap);
    size_t covered = 0;   // behind the last passage's begin
    std::string without_overlap;
    for (const Passage& p : chunk_document("d", text, ChunkOptions{by, size, overlap})) {
      REQUIRE_FALSE(p.text.empty());
      const size_t at = text.find(p.text, covered);
      REQUIRE(at != std::string::npos);
      CHECK(words(p.text).size() <= static_cast<size_t>(size));
      if (overlap == 0) {
        without_overlap += p.text + " ";
        covered = at + p.text.size();
      }
    }
    if (overlap == 0) CHECK(words(without_overlap) == words(text));
  }
}

}  // namespace llmops
