// Words by hand-written rules against a matcher of the expressions themselves that tries every way, as a backtracking engine does.
#include "core/text/token_words.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/text/codepoint.h"
#include "core/text/token_splitter.h"

using namespace llmops::text;

namespace {

// Characters of every category that the expressions tell apart (UnicodeData.txt).
const std::vector<std::pair<int32_t, std::string>> kCharacters = {
    {'a', "Ll"}, {'s', "Ll"}, {'t', "Ll"}, {'l', "Ll"}, {'v', "Ll"}, {'e', "Ll"}, {'S', "Lu"}, {'L', "Lu"}, {0xE9, "Ll"}, {0xC9, "Lu"}, {0x1C5, "Lt"}, {0x2B0, "Lm"}, {0x4E2D, "Lo"}, {0x301, "Mn"}, {0x903, "Mc"},
    {'1', "Nd"}, {0xB2, "No"}, {0x663, "Nd"}, {0x2160, "Nl"}, {' ', "Zs"}, {'\t', "Cc"}, {'\n', "Cc"}, {'\r', "Cc"}, {0xA0, "Zs"}, {0x3000, "Zs"}, {'\'', "Po"}, {'/', "Po"}, {'.', "Po"}, {0x1F600, "So"}};

using Next = std::function<bool(size_t)>;

class SlowMatcher {
 public:
  SlowMatcher(std::string pattern, bool possessive_counts) : in_(std::move(pattern)), possessive_counts_(possessive_counts), whole_(alternatives()) {}

  // The end of the match at `from`, in characters; `from`: none.
  size_t end_at(const std::vector<int32_t>& text, size_t from) {
    text_ = &text;
    size_t end = from;
    either(whole_, from, [&](size_t at) { end = at; return true; });
    return end;
  }

 private:
  struct Item;
  using Sequence = std::vector<Item>;
  using Either = std::vector<Sequence>;
  struct Item {
    std::function<bool(int32_t)> is;   // one character
    Either group;                      // when `is` is empty
    enum class Kind { kSet, kGroup, kEnd, kNoWordNext } kind = Kind::kSet;
    bool any_case = false, possessive = false;
    size_t least = 1, most = 1;
  };

  bool peek(std::string_view what) const { return std::string_view(in_).substr(at_).starts_with(what); }
  bool eat(std::string_view what) {
    if (!peek(what)) return false;
    at_ += what.size();
    return true;
  }

  Either alternatives() {
    Either made(1);
    while (at_ < in_.size() && !peek(")")) {
      if (eat("|")) made.emplace_back();
      else made.back().push_back(item());
    }
    return made;
  }

  Item item() {
    Item made;
    if (eat("(?!\\S)")) { made.kind = Item::Kind::kNoWordNext; return made; }
    if (eat("$")) { made.kind = Item::Kind::kEnd; return made; }
    if (peek("(")) {
      made.any_case = eat("(?i:");
      if (!made.any_case) REQUIRE(eat("(?:"));
      made.kind = Item::Kind::kGroup;
      made.group = alternatives();
      REQUIRE(eat(")"));
    } else {
      made.is = set();
    }
    return repeated(std::move(made));
  }

  Item repeated(Item made) {
    bool counts = false;
    if (eat("?")) made.least = 0;
    else if (eat("*")) made.least = 0, made.most = SIZE_MAX;
    else if (eat("+")) made.most = SIZE_MAX;
    else if (eat("{")) {
      counts = true;
      made.least = made.most = number();
      if (eat(",")) made.most = number();
      REQUIRE(eat("}"));
    } else return made;
    if (!eat("+")) return made;
    if (!counts || possessive_counts_) { made.possessive = true; return made; }
    Item outer;
    outer.kind = Item::Kind::kGroup;
    outer.group = {{made}};
    outer.most = SIZE_MAX;
    return outer;
  }

  size_t number() {
    size_t value = 0;
    for (; at_ < in_.size() && in_[at_] >= '0' && in_[at_] <= '9'; ++at_) value = 10 * value + static_cast<size_t>(in_[at_] - '0');
    return value;
  }

  std::function<bool(int32_t)> set() {
    if (!eat("[")) return one();
    const bool negated = eat("^");
    std::vector<std::function<bool(int32_t)>> parts;
    while (!eat("]")) parts.push_back(one());
    return [=](int32_t c) { return std::any_of(parts.begin(), parts.end(), [&](const auto& part) { return part(c); }) != negated; };
  }

  std::function<bool(int32_t)> one() {
    if (eat("\\s")) return [](int32_t c) { return is_white_space(c); };
    if (eat("\\r")) return [](int32_t c) { return c == '\r'; };
    if (eat("\\n")) return [](int32_t c) { return c == '\n'; };
    if (eat("\\p{")) {
      const size_t end = in_.find('}', at_);
      const std::string category = in_.substr(at_, end - at_);
      at_ = end + 1;
      return [category](int32_t c) {
        const auto found = std::find_if(kCharacters.begin(), kCharacters.end(), [&](const auto& known) { return known.first == c; });
        return found != kCharacters.end() && found->second.starts_with(category);
      };
    }
    const char literal = in_[at_++];
    return [literal](int32_t c) { return c == literal; };
  }

  bool either(const Either& all, size_t at, const Next& next) const {
    return std::any_of(all.begin(), all.end(), [&](const Sequence& one) { return sequence(one, 0, at, next); });
  }
  bool sequence(const Sequence& items, size_t i, size_t at, const Next& next) const {
    if (i == items.size()) return next(at);
    return repeat(items[i], 0, at, [&](size_t end) { return sequence(items, i + 1, end, next); });
  }
  bool repeat(const Item& item, size_t count, size_t at, const Next& next) const {
    if (item.possessive && count == 0) {
      Item greedy = item;
      greedy.possessive = false;
      std::optional<size_t> end;
      return repeat(greedy, 0, at, [&](size_t found) { end = found; return true; }) && next(*end);
    }
    if (count < item.most && once(item, at, [&](size_t end) { return (end > at || item.most == 1) && repeat(item, count + 1, end, next); })) return true;
    return count >= item.least && next(at);
  }
  bool once(const Item& item, size_t at, const Next& next) const {
    const std::vector<int32_t>& text = *text_;
    switch (item.kind) {
      case Item::Kind::kEnd: return at == text.size() && next(at);
      case Item::Kind::kNoWordNext: return (at == text.size() || is_white_space(text[at])) && next(at);
      case Item::Kind::kSet: return at < text.size() && item.is(text[at]) && next(at + 1);
      case Item::Kind::kGroup: break;
    }
    if (!item.any_case) return either(item.group, at, next);
    std::vector<int32_t> lower = text;
    for (int32_t& c : lower) if (c >= 'A' && c <= 'Z') c += 32;
    SlowMatcher inner(*this);
    inner.text_ = &lower;
    return inner.either(item.group, at, next);
  }

  std::string in_;
  size_t at_ = 0;
  bool possessive_counts_;
  Either whole_;
  const std::vector<int32_t>* text_ = nullptr;
};

std::vector<std::string> words_of(const WordRules& rules, std::string_view text) {
  std::vector<std::string> words;
  for (size_t from = 0; from < text.size();) {
    const size_t end = end_of_word(rules, text, from);
    words.emplace_back(text.substr(from, end - from));
    from = end;
  }
  return words;
}

std::vector<std::string> slow_words(SlowMatcher& matcher, const std::vector<int32_t>& text) {
  std::vector<std::string> words;
  for (size_t from = 0; from < text.size();) {
    const size_t end = matcher.end_at(text, from);
    if (end == from) return {"no match at " + std::to_string(from)};
    words.emplace_back();
    for (; from < end; ++from) append_utf8(words.back(), text[from]);
  }
  return words;
}

void check_against_slow(const std::string& pattern, bool possessive_counts) {
  INFO(pattern);
  const std::optional<WordRules> rules = rules_of_pattern(pattern, possessive_counts);
  REQUIRE(rules);
  SlowMatcher matcher(pattern, possessive_counts);
  std::mt19937 random(11);
  for (int round = 0; round < 1500; ++round) {
    std::vector<int32_t> points(1 + random() % 12);
    const size_t first = random() % kCharacters.size(), some = round % 2 == 0 ? kCharacters.size() : 6;   // runs of alike characters, too
    for (int32_t& c : points) c = kCharacters[(first + random() % some) % kCharacters.size()].first;
    std::string text;
    for (const int32_t c : points) append_utf8(text, c);
    INFO(text);
    if (words_of(*rules, text) != slow_words(matcher, points)) CHECK(words_of(*rules, text) == slow_words(matcher, points));
  }
}

using Words = std::vector<std::string>;

Words preset_words(const char* preset, std::string_view text) { return words_of(*rules_of_pattern(patterns_of_preset(preset).front(), true), text); }

}  // namespace

TEST_CASE("words are what the expression of each preset matches") {
  for (const char* preset : {"gpt-2", "llama3", "qwen2", "qwen35", "seed-coder", "tekken", "o200k_base", "cl100k_base"}) check_against_slow(patterns_of_preset(preset).front(), true);
}

TEST_CASE("a counted repetition with a + behind is possessive for tiktoken, and repeated for Hugging Face") {
  const std::string pattern = patterns_of_preset("cl100k_base").front();
  check_against_slow(pattern, false);
  const std::string digits = "12345";
  CHECK(words_of(*rules_of_pattern(pattern, true), digits) == Words{"123", "45"});
  CHECK(words_of(*rules_of_pattern(pattern, false), digits) == Words{"12345"});
}

TEST_CASE("a possessive repetition that would take what follows it is of another family") {
  const auto known = [](std::string pattern, const std::string& from, const std::string& to) {
    const size_t at = pattern.find(from);
    REQUIRE(at != std::string::npos);
    return rules_of_pattern(pattern.replace(at, from.size(), to), false).has_value();
  };
  const std::string llama = patterns_of_preset("llama3").front(), o200k = patterns_of_preset("o200k_base").front();
  CHECK(known(llama, "\\p{L}+", "\\p{L}++"));
  CHECK_FALSE(known(llama, "\\s*[\\r\\n]+", "\\s*+[\\r\\n]+"));
  CHECK_FALSE(known(llama, "\\s+(?!", "\\s++(?!"));
  CHECK_FALSE(known(llama, "\\s+(?!", "\\s+$|\\s+(?!"));   // which ends at any line
  CHECK_FALSE(known(o200k, "\\p{M}]*[", "\\p{M}]*+["));
}

TEST_CASE("Llama 3 takes three digits, a contraction in any case, and new lines behind punctuation") {
  CHECK(preset_words("llama3", "Hello WORLD'S 12345") == Words{"Hello", " WORLD", "'S", " ", "123", "45"});
  CHECK(preset_words("llama3", "end.\n\n  next") == Words{"end", ".\n\n", " ", " next"});
  CHECK(preset_words("llama3", "a  \n b") == Words{"a", "  \n", " b"});
}

TEST_CASE("o200k ends a word where lower case turns to upper, and keeps contractions with their word") {
  CHECK(preset_words("o200k_base", "helloWorld HTTPServer don't") == Words{"hello", "World", " HTTPServer", " don't"});
  CHECK(preset_words("o200k_base", "a/b\n/") == Words{"a", "/b", "\n", "/"});
}
