// What a key looks like: prefixes and lengths of the providers' published formats, and the rules of gitleaks. The scan looks
// for a short literal first, so that ordinary text costs one search per rule.
#include "core/base/secret.h"

#include <algorithm>
#include <array>

#include "core/base/json.h"

namespace llmops {
namespace {

bool is_key_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}
bool is_upper_or_digit(char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool is_token_char(char c) { return is_key_char(c) || c == '.' || c == '/' || c == '+' || c == '='; }

struct Shape {
  std::string_view prefix;
  size_t shortest_rest;          // characters after the prefix
  bool (*accepts)(char);
  bool keep_prefix;              // the prefix is a word ("Bearer "), not part of the key
};

constexpr Shape kShapes[] = {
    {"sk-", 20, is_key_char, false},             // OpenAI, Anthropic (sk-ant-), OpenRouter (sk-or-)
    {"AKIA", 16, is_upper_or_digit, false},      // AWS access key id
    {"ASIA", 16, is_upper_or_digit, false},
    {"ghp_", 30, is_key_char, false},            // GitHub
    {"gho_", 30, is_key_char, false},
    {"ghs_", 30, is_key_char, false},
    {"github_pat_", 40, is_key_char, false},
    {"AIza", 30, is_key_char, false},            // Google
    {"xoxb-", 20, is_key_char, false},           // Slack
    {"xoxp-", 20, is_key_char, false},
    {"hf_", 30, is_key_char, false},             // Hugging Face
    {"gsk_", 40, is_key_char, false},            // Groq
    {"eyJhbGci", 30, is_token_char, false},      // JWT
    {"Bearer ", 16, is_token_char, true},
    {"bearer ", 16, is_token_char, true},
};

constexpr std::string_view kPrivateKeyStart = "-----BEGIN ";
constexpr std::string_view kPrivateKeyWord = "PRIVATE KEY-----";

void scrub_shape(std::string& text, const Shape& shape) {
  size_t from = 0;
  while (true) {
    const size_t at = text.find(shape.prefix, from);
    if (at == std::string::npos) return;
    size_t end = at + shape.prefix.size();
    while (end < text.size() && shape.accepts(text[end])) ++end;
    const bool at_word_start = at == 0 || !is_key_char(text[at - 1]);
    if (!at_word_start || end - at - shape.prefix.size() < shape.shortest_rest) {
      from = at + shape.prefix.size();
      continue;
    }
    const size_t start = shape.keep_prefix ? at + shape.prefix.size() : at;
    constexpr std::string_view kMark = "[secret]";
    text.replace(start, end - start, kMark);
    from = start + kMark.size();
  }
}

void scrub_private_keys(std::string& text) {
  size_t from = 0;
  while (true) {
    const size_t at = text.find(kPrivateKeyStart, from);
    if (at == std::string::npos) return;
    const size_t word = text.find(kPrivateKeyWord, at);
    if (word == std::string::npos || word - at > 40) { from = at + kPrivateKeyStart.size(); continue; }
    const size_t end_line = text.find("-----END ", word);
    size_t end = end_line == std::string::npos ? text.size() : text.find(kPrivateKeyWord, end_line);
    end = end == std::string::npos ? text.size() : std::min(text.size(), end_line == std::string::npos ? end : end + kPrivateKeyWord.size());
    text.replace(at, end - at, "[secret]");
    from = at + 8;
  }
}

void replace_all(std::string& text, const std::string& value, const std::string& by) {
  size_t from = 0;
  while ((from = text.find(value, from)) != std::string::npos) {
    text.replace(from, value.size(), by);
    from += by.size();
  }
}

// A key inside JSON text stands in its escaped form.
std::string json_escaped(const std::string& value) {
  const std::string quoted = dump_json(Json(value));
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace

namespace {

// Which pairs of bytes begin a shape: one look-up per byte tells that none begins there.
struct PairTable {
  std::array<bool, 65536> starts{};
  constexpr PairTable() {
    for (const Shape& shape : kShapes) {
      if (!shape.keep_prefix) starts[index(shape.prefix[0], shape.prefix[1])] = true;
    }
    starts[index(kPrivateKeyStart[0], kPrivateKeyStart[1])] = true;
  }
  static constexpr size_t index(char first, char second) { return size_t{static_cast<unsigned char>(first)} << 8 | static_cast<unsigned char>(second); }
};
constexpr PairTable kPairs;

bool is_placeholder(std::string_view key) { return key.find("EXAMPLE") != std::string_view::npos || key.find("example") != std::string_view::npos; }

// The length of the key that begins at `at`; 0: none does.
size_t key_length(std::string_view text, size_t at) {
  const std::string_view rest = text.substr(at);
  if (rest.starts_with(kPrivateKeyStart)) {
    const size_t word = rest.find(kPrivateKeyWord);
    return word != std::string_view::npos && word <= 40 ? word + kPrivateKeyWord.size() : 0;
  }
  if (at > 0 && is_key_char(text[at - 1])) return 0;
  for (const Shape& shape : kShapes) {
    if (shape.keep_prefix || !rest.starts_with(shape.prefix)) continue;
    size_t end = shape.prefix.size();
    while (end < rest.size() && shape.accepts(rest[end])) ++end;
    const std::string_view key = rest.substr(0, end);
    const bool has_digit = std::any_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (end - shape.prefix.size() < shape.shortest_rest || is_placeholder(key) || (shape.prefix == "sk-" && !has_digit)) continue;
    return end;
  }
  return 0;
}

}  // namespace

std::optional<KeyFinding> find_key(std::string_view text, const std::vector<Secret>& known, size_t from) {
  std::optional<KeyFinding> first;
  const auto look_for = [&](const std::string& value, const Secret& secret) {
    const size_t at = text.find(value, from);
    if (at != std::string_view::npos && (!first || at < first->offset)) first = KeyFinding{at, value.size(), secret.variable()};
  };
  for (const Secret& secret : known) {
    if (secret.reveal().size() < kShortestSecret) continue;
    look_for(secret.reveal(), secret);
    if (const std::string escaped = json_escaped(secret.reveal()); escaped != secret.reveal()) look_for(escaped, secret);
  }
  const size_t end = first ? first->offset : text.size();
  for (size_t at = from; at + 1 < end; ++at) {
    if (!kPairs.starts[PairTable::index(text[at], text[at + 1])]) continue;
    if (const size_t length = key_length(text, at)) return KeyFinding{at, length, ""};
  }
  return first;
}

void SecretScrubber::add(const Secret& secret) {
  if (secret.reveal().size() < kShortestSecret) return;
  const std::lock_guard lock(mutex_);
  known_.push_back(secret);
  // Longer values first: one may hold another.
  std::sort(known_.begin(), known_.end(), [](const Secret& a, const Secret& b) { return a.reveal().size() > b.reveal().size(); });
}

std::string SecretScrubber::scrub(std::string_view input) const {
  std::string text(input);
  {
    const std::lock_guard lock(mutex_);
    for (const Secret& secret : known_) {
      const std::string mark = "[secret " + secret.variable() + "]";
      replace_all(text, secret.reveal(), mark);
      if (const std::string escaped = json_escaped(secret.reveal()); escaped != secret.reveal()) replace_all(text, escaped, mark);
    }
  }
  for (const Shape& shape : kShapes) scrub_shape(text, shape);
  scrub_private_keys(text);
  return text;
}

bool SecretScrubber::would_change(std::string_view text) const { return scrub(text) != text; }

}  // namespace llmops
