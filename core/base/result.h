// Result<T>: a value or an Error, with std::expected's names. Ignoring one does not compile.
// (libstdc++ 12's std::expected compiles silently when ignored and has no and_then.)
#pragma once

#include <cassert>
#include <optional>
#include <utility>
#include <variant>

#include "core/base/error.h"

namespace llmops {

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  // Precondition of value(), * and ->: has_value().
  T& value() & { assert(has_value()); return *std::get_if<0>(&state_); }
  const T& value() const& { assert(has_value()); return *std::get_if<0>(&state_); }
  T&& value() && { assert(has_value()); return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  // Precondition: !has_value().
  Error& error() & { assert(!has_value()); return *std::get_if<1>(&state_); }
  const Error& error() const& { assert(!has_value()); return *std::get_if<1>(&state_); }
  Error&& error() && { assert(!has_value()); return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}
  bool has_value() const { return !error_.has_value(); }
  explicit operator bool() const { return has_value(); }
  Error& error() & { assert(!has_value()); return *error_; }
  const Error& error() const& { assert(!has_value()); return *error_; }
  Error&& error() && { assert(!has_value()); return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace llmops

#define LLMOPS_CONCAT_INNER(a, b) a##b
#define LLMOPS_CONCAT(a, b) LLMOPS_CONCAT_INNER(a, b)
// LLMOPS_ASSIGN(auto text, read_file(path)); returns the error to the caller, else declares or assigns the value.
#define LLMOPS_ASSIGN(lhs, expression) LLMOPS_ASSIGN_INNER(LLMOPS_CONCAT(llmops_result_, __LINE__), lhs, expression)
#define LLMOPS_ASSIGN_INNER(name, lhs, expression) \
  auto name = (expression);                        \
  if (!name) return std::move(name).error();       \
  lhs = std::move(name).value()
// LLMOPS_CHECK(write_file(...)); returns the error to the caller.
#define LLMOPS_CHECK(expression) \
  do {                           \
    auto llmops_status = (expression); \
    if (!llmops_status) return std::move(llmops_status).error(); \
  } while (false)
