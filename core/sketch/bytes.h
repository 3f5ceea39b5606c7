// Sketches as bytes: integers of variable length (LEB128), the same on every machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace llmops {

void append_varint(std::string& out, uint64_t value);
void append_signed(std::string& out, int64_t value);          // zigzag: small either way is short
void append_fixed64(std::string& out, uint64_t value);
void append_double(std::string& out, double value);           // its bits
void append_text(std::string& out, std::string_view text);    // length and bytes

// Reads what the functions above wrote. Past the end, or past a number of more than 64 bits, everything reads as 0 and failed() is true. `bytes` must outlive it.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  uint64_t varint();
  int64_t signed_number();
  // A count: at most 2^50, so that the sum of thousands of files fits 64 bits.
  int64_t count();
  uint64_t fixed64();
  double number();
  std::string_view text();
  std::string_view bytes(size_t size);
  size_t left() const { return rest_.size(); }
  bool failed() const { return failed_; }
  void fail() { failed_ = true; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace llmops
