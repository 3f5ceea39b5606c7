// Sketches over shards, and bytes that were cut.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

#include "core/sketch/bytes.h"

namespace llmops::test {

template <class Sketch>
std::string bytes_of(const Sketch& sketch) {
  std::string out;
  sketch.append_to(out);
  return out;
}

template <class Sketch>
std::optional<Sketch> read_of(const std::string& bytes) {
  ByteReader reader(bytes);
  auto made = Sketch::read(reader);
  return made && !reader.failed() && reader.left() == 0 ? made : std::nullopt;
}

// `add(sketch, i)` for 0 to count - 1: in one pass, and dealt out to shards at random that are merged in a random order and grouping, give the same bytes.
template <class Sketch, class Add>
void check_any_sharding(size_t count, const Add& add) {
  Sketch whole;
  for (size_t i = 0; i < count; ++i) add(whole, i);
  for (const size_t shards : {1U, 2U, 7U, 40U}) {
    std::mt19937 random(static_cast<unsigned>(shards));
    std::vector<Sketch> parts(shards);
    std::vector<size_t> order(count);
    for (size_t i = 0; i < count; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    for (const size_t i : order) add(parts[random() % shards], i);
    while (parts.size() > 1) {
      std::shuffle(parts.begin(), parts.end(), random);
      parts[parts.size() - 2].merge(parts.back());
      parts.pop_back();
    }
    INFO(shards << " shards");
    CHECK(bytes_of(parts[0]) == bytes_of(whole));
    CHECK(parts[0] == whole);
  }
  const auto again = read_of<Sketch>(bytes_of(whole));
  REQUIRE(again);
  CHECK(*again == whole);
  CHECK(read_of<Sketch>(bytes_of(Sketch())) == std::optional(Sketch()));
  const std::string bytes = bytes_of(whole);
  for (size_t size = 0; size < bytes.size(); size += 1 + bytes.size() / 97) CHECK_FALSE(read_of<Sketch>(bytes.substr(0, size)));
}

}  // namespace llmops::test
