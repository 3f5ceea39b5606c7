#include <catch2/catch.hpp>

#include "core/store/check.h"
#include "tests/core/store/store_fixture.h"

namespace llmops {
namespace {

using test::make_version;
using test::must;
using test::TestStore;

}  // namespace

TEST_CASE("a label moves between versions and its history is kept") {
  TestStore store;
  const VersionInput one = make_version("bot", {{"a", "1"}}), two = make_version("bot", {{"a", "2"}});
  must(store->commit_version(one));
  must(store->commit_version(two));
  must(store->set_label({"bot", "prod", one.vid, "release 1", "Ada <a@x>", 0}));
  store.clock.now_ms += 1000;
  must(store->set_label({"bot", "dev", two.vid, "", "Ada <a@x>", 0}));
  must(store->set_label({"bot", "prod", two.vid, "a reason\nof two lines", "Bob <b@x>", 77'000}));
  CHECK(must(store->label("bot", "prod"))->vid == two.vid);
  CHECK_FALSE(must(store->label("bot", "none")));
  const auto history = must(store->label_history("bot", "prod"));
  REQUIRE(history.size() == 2);
  CHECK(history[0].vid == two.vid);
  CHECK(history[0].reason == "a reason\nof two lines");
  CHECK(history[0].author == "Bob <b@x>");
  CHECK(history[0].moved_ms == 77'000);
  CHECK(history[1].vid == one.vid);
  CHECK(history[1].moved_ms == store.clock.now_ms - 1000);
  const auto all = must(store->labels(""));
  REQUIRE(all.size() == 2);
  CHECK(all[0].name == "dev");
  CHECK(all[1].name == "prod");
  CHECK(must(store->labels("other")).empty());
  CHECK(must(check_store(store.options(), true)).empty());
}

TEST_CASE("a label cannot stand on a version that the chain does not have") {
  TestStore store;
  const VersionInput other = make_version("other", {{"a", "1"}});
  must(store->commit_version(other));
  const Status status = store->set_label({"bot", "prod", other.vid, "", "", 0});
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kNotFound);
  CHECK(status.error().message == "chain 'bot' has no version '" + other.vid.substr(0, 12) + "'");
  const Status named = store->set_label({"other", "a b", other.vid, "", "", 0});
  REQUIRE_FALSE(named);
  CHECK(named.error().message == "label name 'a b' is not usable");
}

TEST_CASE("a move whose writer failed after the log is completed at the next open") {
  TestStore store;
  const VersionInput one = make_version("bot", {{"a", "1"}}), two = make_version("bot", {{"a", "2"}});
  must(store->commit_version(one));
  must(store->commit_version(two));
  must(store->set_label({"bot", "prod", one.vid, "", "A <a>", 0}));
  {
    const test::Failpoints points("label.after_log:eio");
    CHECK_FALSE(store->set_label({"bot", "prod", two.vid, "", "A <a>", 0}));
  }
  store.open();
  CHECK(must(store->label("bot", "prod"))->vid == two.vid);
  CHECK(must(store->label_history("bot", "prod")).size() == 2);
  CHECK(must(check_store(store.options(), true)).empty());
}

}  // namespace llmops
