// Strict JSON read from its text, value by value, without a document: for formats of which there are gigabytes.
// It accepts nothing that parse_json refuses, and says of the rest only that it refuses: whoever needs the reason, or a text that is refused for its form
// (names with escapes, integers beyond 64 bits, a byte order mark), asks parse_json. Cost: about a fifth of parse_json's when values are skipped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/json.h"

namespace llmops {

class JsonCursor {
 public:
  // The text must outlive the cursor.
  explicit JsonCursor(std::string_view text, JsonLimits limits = {}) : at_(text.data()), end_(text.data() + text.size()), max_depth_(limits.max_depth) {}

  // Every function reads one value from where the cursor stands; false: refused, and the cursor is of no use any more.
  bool value(Json& out);
  bool string(std::string& out);
  bool skip();
  // Nothing but white space is left.
  bool at_end();
  // The first character of the next value; '\0': none.
  char peek();

  // Calls `member(name)` for each member; it must read the member's value and return whether it could. Equal names are refused. The name is valid
  // as long as the text.
  template <class Member>
  bool object(Member&& member) {
    const size_t first = names_.size();
    if (!members(first, member)) return false;
    names_.resize(first);
    return true;
  }
  // Calls `element()` for each element; it must read it and return whether it could.
  template <class Element>
  bool array(Element&& element) {
    if (!open('[')) return false;
    if (peek() == ']') return close();
    while (element()) {
      const char next = peek();
      if (next == ']') return close();
      if (next != ',') return false;
      ++at_;
    }
    return false;
  }

 private:
  template <class Member>
  bool members(size_t first, Member&& member) {
    if (!open('{')) return false;
    if (peek() == '}') return close();
    std::string_view name;
    while (member_name(first, name) && member(name)) {
      const char next = peek();
      if (next == '}') return are_distinct(first) && close();
      if (next != ',') return false;
      ++at_;
    }
    return false;
  }
  bool open(char bracket);
  bool close() { return ++at_, --depth_, true; }
  bool member_name(size_t first, std::string_view& name);
  bool are_distinct(size_t first) const;
  bool plain_run(const char*& stop);
  bool decode_escape(std::string& out);
  bool number(Json& out);
  bool word(std::string_view expected);

  const char* at_;
  const char* end_;
  int max_depth_;
  int depth_ = 0;
  std::vector<std::string_view> names_;      // of the objects that are open
  std::vector<Json> values_;                 // of the arrays and objects that are being made
};

}  // namespace llmops
