// Secrets: values that may be sent to the provider they are for, and to nowhere else. A Secret has no operator<<, is not a
// Json and is not formattable; every text that is stored or printed passes through a SecretScrubber.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llmops {

class Secret {
 public:
  Secret() = default;
  Secret(std::string variable, std::string value) : variable_(std::move(variable)), value_(std::move(value)) {}
  const std::string& variable() const { return variable_; }  // the NAME in ${env:NAME}
  const std::string& reveal() const { return value_; }       // only for building the request
  bool empty() const { return value_.empty(); }

 private:
  std::string variable_, value_;
};

// Shorter values are no secrets: looking for them would take ordinary words away.
inline constexpr size_t kShortestSecret = 6;

// Where a key stands in a text; `variable` names it when it is a known value, empty: it has the shape of one.
struct KeyFinding { size_t offset = 0, length = 0; std::string variable; };
// The first key at `from` or later, for refusing a file: the known values and the shapes below, but stricter than scrubbing,
// because a wrong alarm stops the user's work: no bearer header, "sk-" only with a digit in it, nothing that says EXAMPLE.
// Cost: one search per known value and one pass of about 1.5 ns per byte for all shapes.
std::optional<KeyFinding> find_key(std::string_view text, const std::vector<Secret>& known, size_t from = 0);

// Replaces every known secret value (of 6 characters or more) by "[secret NAME]", and text that has the shape of a
// well-known key (OpenAI, Anthropic, AWS, GitHub, Google, Slack, JWT, private key block, bearer header) by "[secret]".
// Thread-safe. Cost: one pass per known value, one keyword scan per shape.
class SecretScrubber {
 public:
  void add(const Secret& secret);
  std::string scrub(std::string_view text) const;
  bool would_change(std::string_view text) const;

 private:
  mutable std::mutex mutex_;
  std::vector<Secret> known_;
};

}  // namespace llmops
