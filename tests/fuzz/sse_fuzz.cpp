// A stream gives the same reply however its bytes are cut into pieces. The first byte is the size of the pieces.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/provider/openai_stream.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t piece = 1 + data[0] % 16;
  llmops::ChatStream whole, pieces;
  whole.feed(bytes, 1);
  whole.finish();
  for (size_t at = 0; at < bytes.size(); at += piece) {
    if (!pieces.feed(bytes.substr(at, piece), 1)) break;
  }
  pieces.finish();
  if (whole.is_complete() != pieces.is_complete() || whole.error() != pieces.error() || whole.broken_chunk() != pieces.broken_chunk()) abort();
  if (whole.completion() != pieces.completion()) abort();
  return 0;
}
