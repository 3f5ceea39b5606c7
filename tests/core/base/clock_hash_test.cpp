#include <catch2/catch.hpp>

#include "core/base/clock.h"
#include "core/base/hash.h"
#include "tests/support/test_data.h"

using namespace llmops;

TEST_CASE("a moment is written in RFC 3339, with milliseconds only when there are any") {
  CHECK(format_utc(0) == "1970-01-01T00:00:00Z");
  CHECK(format_utc(1'795'334'400'000) == "2026-11-22T08:00:00Z");
  CHECK(format_utc(1'795'334'400'007) == "2026-11-22T08:00:00.007Z");
  CHECK(format_utc(951'782'400'000) == "2000-02-29T00:00:00Z");
  CHECK(format_utc(-1) == "1969-12-31T23:59:59.999Z");
}

TEST_CASE("RFC 3339 is read with fractions and offsets") {
  CHECK(*parse_utc("2026-11-22T08:00:00Z") == 1'795'334'400'000);
  CHECK(*parse_utc("2026-11-22t08:00:00z") == 1'795'334'400'000);
  CHECK(*parse_utc("2026-11-22 08:00:00Z") == 1'795'334'400'000);
  CHECK(*parse_utc("2026-11-22T08:00:00.5Z") == 1'795'334'400'500);
  CHECK(*parse_utc("2026-11-22T08:00:00.007999Z") == 1'795'334'400'007);
  CHECK(*parse_utc("2026-11-22T10:00:00+02:00") == 1'795'334'400'000);
  CHECK(*parse_utc("2026-11-22T04:30:00-03:30") == 1'795'334'400'000);
  for (const int64_t moment : {int64_t{0}, int64_t{1'700'000'000'001}, int64_t{4'102'444'800'000}}) CHECK(*parse_utc(format_utc(moment)) == moment);
}

TEST_CASE("what is not RFC 3339 is refused") {
  for (const char* text : {"", "2026", "2026-11-22", "2026-11-22T08:00:00", "2026-11-22T08:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-11-32T00:00:00Z",
                           "2026-11-22T24:00:00Z", "2026-11-22T08:60:00Z", "2026-11-22T08:00:00.Z", "2026-11-22T08:00:00+2:00", "2026-11-22T08:00:00 Z", "2026-11-22T08:00:00Zx", "yesterday"}) {
    const auto parsed = parse_utc(text);
    CAPTURE(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == ErrorCode::kData);
    CHECK(parsed.error().message == "'" + std::string(text) + "' is not a time in RFC 3339");
    CHECK(parsed.error().hint == "write it like 2026-11-22T08:00:00Z");
  }
}

TEST_CASE("days that no month has, signs and letters in numbers are refused too") {
  for (const char* text : {"2026-02-31T00:00:00Z", "2026-04-31T00:00:00Z", "2026-1-2T03:04:05Z", "2026-+1-02T03:04:05Z", "2026- 1-02T03:04:05Z", "2026-11-22T08:00:00+ab:cd", "2026-11-22T08:00:00+99:99"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_utc(text));
  }
}

TEST_CASE("SHA-256 gives the digests of FIPS 180-4") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256_hex(std::string(1'000'000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  Sha256 hash;
  hash.update("ab");
  hash.update("");
  hash.update("c");
  const Sha256Digest digest = hash.finish();
  CHECK(to_hex({reinterpret_cast<const char*>(digest.data()), digest.size()}) == sha256_hex("abc"));
}

TEST_CASE("a file has the digest of its bytes, whatever its size") {
  const test::TempDir dir;
  const std::string large(2'500'000, 'z');
  const auto digest = sha256_file(dir.write("f", large));
  REQUIRE(digest);
  CHECK(digest->sha256 == sha256_hex(large));
  CHECK(digest->size_bytes == 2'500'000);
  CHECK(sha256_file(dir.path() / "none").error().code == ErrorCode::kNotFound);
  CHECK_FALSE(sha256_file(dir.path()));
}

TEST_CASE("a UUIDv7 begins with its time, has version and variant, and is never the same twice") {
  // RFC 9562, appendix A.6: 017F22E2-79B0-7CC3-98C4-DC0C0C07398F is of this moment.
  const std::string uuid = make_uuid_v7(0x017F22E279B0);
  CHECK(uuid.size() == 36);
  CHECK(uuid.substr(0, 15) == "017f22e2-79b0-7");
  CHECK(std::string("89ab").find(uuid[19]) != std::string::npos);
  for (const size_t dash : {8, 13, 18, 23}) CHECK(uuid[dash] == '-');
  CHECK(uuid.find_first_not_of("0123456789abcdef-") == std::string::npos);
  CHECK(make_uuid_v7(1) != make_uuid_v7(1));
  CHECK(make_uuid_v7(1'000) < make_uuid_v7(2'000));
}
