// Secrets: values that may be sent to the provider they are for, and to nowhere else. A Secret has no operator<<, is not a
// Json and is not formattable; every text that is stored or printed passes through a SecretScrubber.
#pragma once

#include <mutex>
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
