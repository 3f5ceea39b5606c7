// What is kept of production without its texts, and what monitors saw.
#include <catch2/catch.hpp>

#include "core/base/failpoint.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::must;
using test::TestStore;

constexpr int64_t kHour = 3'600'000;

std::string profiles(TestStore& store, const Store::ProfileFilter& filter) {
  std::string text;
  must(store->visit_profiles(filter, [&](const StoredProfile& one) {
    CHECK((one.spec == filter.spec && one.component == filter.component));
    text += (text.empty() ? "" : " ") + std::to_string(one.period_ms / kHour) + one.stratum + "=" + std::to_string(one.records) + one.body;
    return true;
  }));
  return text;
}

std::string looks(TestStore& store) {
  std::string text;
  for (const StoredLook& one : must(store->looks())) text += (text.empty() ? "" : " ") + one.monitor + "@" + std::to_string(one.period_ms) + "/" + std::to_string(one.looked_ms) + one.body;
  return text;
}

}  // namespace

TEST_CASE("profiles come back by period and stratum, of their spec and component alone") {
  TestStore store;
  must(store->put_profiles({{"s1", "", 2 * kHour, "{}", 5, "b"}, {"s1", "", kHour, "{\"r\":1}", 3, "c"}, {"s1", "", kHour, "{}", 4, "a"}, {"s1", "find", kHour, "{}", 9, "f"}, {"s2", "", kHour, "{}", 7, "z"}}));
  CHECK(profiles(store, {"s1", "", {}, {}}) == "1{\"r\":1}=3c 1{}=4a 2{}=5b");
  CHECK(profiles(store, {"s1", "", 2 * kHour, {}}) == "2{}=5b");
  CHECK(profiles(store, {"s1", "", {}, 2 * kHour}) == "1{\"r\":1}=3c 1{}=4a");
  CHECK(profiles(store, {"s1", "find", {}, {}}) == "1{}=9f");
  CHECK(profiles(store, {"s3", "", {}, {}}).empty());
  int seen = 0;
  must(store->visit_profiles({"s1", "", {}, {}}, [&](const StoredProfile&) { return ++seen < 2; }));
  CHECK(seen == 2);
}

TEST_CASE("a profile that is put again replaces the one before, and its body may hold any byte") {
  TestStore store;
  const std::string bytes("\0\xFF\x01 x\0", 6);
  must(store->put_profiles({{"s", "", 0, "{}", 1, "old"}}));
  must(store->put_profiles({{"s", "", 0, "{}", 2, bytes}}));
  must(store->put_profiles({}));
  CHECK(profiles(store, {"s", "", {}, {}}) == "0{}=2" + bytes);
  store.open();
  CHECK(profiles(store, {"s", "", {}, {}}) == "0{}=2" + bytes);
}

TEST_CASE("profiles that cannot be written leave those before as they are") {
  TestStore store;
  must(store->put_profiles({{"s", "", 0, "{}", 1, "old"}}));
  {
    const test::Failpoints failing("profiles.put:enospc");
    const Status failed = store->put_profiles({{"s", "", 0, "{}", 2, "new"}, {"s", "", kHour, "{}", 2, "new"}});
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::kIo);
  }
  CHECK(profiles(store, {"s", "", {}, {}}) == "0{}=1old");
}

TEST_CASE("a look that was taken stays as it is, and the ones beside it are not kept either") {
  TestStore store;
  must(store->add_looks({{"topics", 2 * kHour, 10, "{}"}, {"health", kHour, 11, "{\"e\":1}"}}));
  const Status repeated = store->add_looks({{"health", 2 * kHour, 12, "{}"}, {"topics", 2 * kHour, 13, "{\"other\":1}"}});
  REQUIRE_FALSE(repeated);
  CHECK(repeated.error().code == ErrorCode::kData);
  CHECK(repeated.error().message == "'topics' looked at the period from 1970-01-01T02:00:00Z already");
  CHECK(looks(store) == "health@3600000/11{\"e\":1} topics@7200000/10{}");
  // Twice in one call is a repeat as well.
  REQUIRE_FALSE(store->add_looks({{"new", 0, 1, "{}"}, {"new", 0, 2, "{}"}}));
  CHECK(looks(store) == "health@3600000/11{\"e\":1} topics@7200000/10{}");
}

TEST_CASE("looks that cannot be written are not there") {
  TestStore store;
  {
    const test::Failpoints failing("looks.add:eio");
    const Status failed = store->add_looks({{"topics", 0, 1, "{}"}});
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::kIo);
  }
  CHECK(looks(store).empty());
  must(store->add_looks({{"topics", 0, 1, "{}"}}));
  CHECK(looks(store) == "topics@0/1{}");
}

TEST_CASE("a monitor begins anew when its looks are removed, and the others go on") {
  TestStore store;
  must(store->add_looks({{"a", 1, 1, "{}"}, {"a", 2, 1, "{}"}, {"b", 1, 1, "{}"}}));
  CHECK(must(store->remove_looks("a")) == 2);
  CHECK(must(store->remove_looks("a")) == 0);
  CHECK(looks(store) == "b@1/1{}");
  must(store->add_looks({{"a", 1, 5, "{}"}}));
  CHECK(looks(store) == "a@1/5{} b@1/1{}");
}

}  // namespace llmops
