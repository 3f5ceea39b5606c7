#include "core/store/canonical_reader.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <random>
#include <string>

#include "core/base/fs.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {

using test::must;

TEST_CASE("canonical text is its own canonical form, also with numbers past 2^53") {
  const std::string seed = must(read_file(fs::path(LLMOPS_TEST_SOURCE_DIR) / "fuzz/seeds/json/large_float"));
  for (const std::string& text : {seed, std::string("9007199254740992.0"), std::string("[-1e16,{\"a\":1.5e20}]"), std::string("[9007199254740991,-9007199254740991,1e21,0.1]")}) {
    INFO(text);
    const std::string canonical = must(canonical_json(must(parse_json(text, "x"))));
    CHECK(must(canonical_json(must(parse_canonical_json(canonical, "y")))) == canonical);
  }
  CHECK(must(parse_canonical_json("9007199254740991", "x")).is_number_integer());
  CHECK(must(parse_canonical_json("9007199254740992", "x")).is_number_float());
}

TEST_CASE("every double comes back from its canonical form, bit for bit") {
  std::mt19937_64 random(11);
  int large = 0;
  for (int i = 0; i < 200'000; ++i) {
    // Sign, the exponents of 2^50 to 2^70, any fraction: around and past the border.
    const uint64_t bits = (random() & 0x800FFFFFFFFFFFFFu) | ((1023 + 50 + random() % 21) << 52);
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    const Json back = must(parse_canonical_json(ecmascript_number(value), "x"));
    large += back.is_number_float();
    if (back.get<double>() != value) FAIL(ecmascript_number(value));
  }
  CHECK(large > 100'000);
}

}  // namespace llmops
