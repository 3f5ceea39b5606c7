// What a key looks like: prefixes and lengths of the providers' published formats, and the rules of gitleaks. The scan looks
// for a short literal first, so that ordinary text costs one search per rule.
#include "core/base/secret.h"

#include <algorithm>

#include "core/base/json.h"

namespace llmops {
namespace {

constexpr size_t kShortestSecret = 6;

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
