#include "core/base/secret.h"

#include <catch2/catch.hpp>

#include "core/base/json.h"

using namespace llmops;

namespace {

std::string of(size_t n, char c = 'a') { return std::string(n, c); }

}  // namespace

TEST_CASE("a known secret is replaced by its variable's name wherever it stands") {
  SecretScrubber scrubber;
  scrubber.add(Secret("API_KEY", "hunter2-hunter2"));
  CHECK(scrubber.scrub("a hunter2-hunter2 b hunter2-hunter2") == "a [secret API_KEY] b [secret API_KEY]");
  CHECK(scrubber.scrub("xhunter2-hunter2y") == "x[secret API_KEY]y");
  CHECK(scrubber.scrub("nothing here") == "nothing here");
  CHECK(scrubber.would_change("hunter2-hunter2"));
  CHECK_FALSE(scrubber.would_change("hunter2"));
}

TEST_CASE("a value of less than six characters is no secret: it would take ordinary words away") {
  SecretScrubber scrubber;
  scrubber.add(Secret("SHORT", "abcde"));
  scrubber.add(Secret("EMPTY", ""));
  CHECK(scrubber.scrub("abcdef") == "abcdef");
  scrubber.add(Secret("SIX", "abcdef"));
  CHECK(scrubber.scrub("abcdef") == "[secret SIX]");
}

TEST_CASE("of two secrets that hold each other the longer one is replaced") {
  SecretScrubber scrubber;
  scrubber.add(Secret("SHORT", "password"));
  scrubber.add(Secret("LONG", "password-and-more"));
  CHECK(scrubber.scrub("password-and-more password") == "[secret LONG] [secret SHORT]");
}

TEST_CASE("a secret with quotes and backslashes is found in its JSON form too") {
  SecretScrubber scrubber;
  scrubber.add(Secret("KEY", "pass\"word\\1"));
  CHECK(scrubber.scrub(dump_json(Json("x pass\"word\\1 y"))) == "\"x [secret KEY] y\"");
}

TEST_CASE("a secret with line ends or tabs is found in its JSON form too") {
  SecretScrubber scrubber;
  scrubber.add(Secret("KEY", "first line\nsecond\tline"));
  CHECK(scrubber.scrub(dump_json(Json("x first line\nsecond\tline y"))) == "\"x [secret KEY] y\"");
}

TEST_CASE("text of the shape of a provider's key is replaced, known or not") {
  const SecretScrubber scrubber;
  for (const std::string& key : {"sk-" + of(20), "sk-ant-api03-" + of(20), "sk-proj-" + of(30), "AKIA" + of(16, 'Q'), "ghp_" + of(36), "github_pat_" + of(50), "AIza" + of(35), "xoxb-" + of(24),
                                 "hf_" + of(34), "gsk_" + of(52), "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + of(20)}) {
    CAPTURE(key);
    CHECK(scrubber.scrub("key=" + key + ".") .starts_with("key=[secret]"));
    CHECK(scrubber.scrub("{\"k\":\"" + key + "\"}") == "{\"k\":\"[secret]\"}");
  }
  CHECK(scrubber.scrub("Authorization: Bearer " + of(20)) == "Authorization: Bearer [secret]");
}

TEST_CASE("a private key is replaced from its first to its last line") {
  const SecretScrubber scrubber;
  CHECK(scrubber.scrub("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----\nb") == "a\n[secret]\nb");
  CHECK(scrubber.scrub("-----BEGIN PRIVATE KEY-----\nMIIE") == "[secret]");
  CHECK(scrubber.scrub("-----BEGIN CERTIFICATE-----\nMIIE") == "-----BEGIN CERTIFICATE-----\nMIIE");
}

TEST_CASE("ordinary text that only begins like a key stays") {
  const SecretScrubber scrubber;
  for (const char* text : {"sk-short", "risk-" "aaaaaaaaaaaaaaaaaaaaaaaaaa", "task-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "Bearer of news", "the AKIA prefix", "hf_model", "eyJhbGci"}) CHECK(scrubber.scrub(text) == text);
}

TEST_CASE("scrubbing twice changes nothing more") {
  SecretScrubber scrubber;
  scrubber.add(Secret("API_KEY", "hunter2-hunter2"));
  const std::string once = scrubber.scrub("hunter2-hunter2 sk-" + of(30) + " Bearer " + of(30));
  CHECK(scrubber.scrub(once) == once);
}

TEST_CASE("a key is found where it stands, known values and shapes alike") {
  const std::vector<Secret> known = {Secret("A", "password"), Secret("B", "pass\"word")};
  const auto found = [&](const std::string& text, size_t from = 0) {
    const auto finding = find_key(text, known, from);
    return finding ? std::to_string(finding->offset) + "+" + std::to_string(finding->length) + " " + finding->variable : "none";
  };
  CHECK(found("my password") == "3+8 A");
  CHECK(found("password and password", 1) == "13+8 A");
  CHECK(found("pass\"word") == "0+9 B");
  CHECK(found("pass\\\"word") == "0+10 B");
  CHECK(found("AKIAABCDEFGHIJKLMNOP password") == "0+20 ");
  CHECK(found("password AKIAABCDEFGHIJKLMNOP") == "0+8 A");
  for (const std::string& key : {"sk-1" + of(19), "ghp_" + of(36), "github_pat_" + of(50), "AIza" + of(35), "xoxb-" + of(24), "hf_" + of(34), "gsk_" + of(52), "eyJhbGciOiJIUzI1NiJ9." + of(20)}) {
    CAPTURE(key);
    CHECK(found("k=" + key + ".x").starts_with("2+"));
    CHECK(found("\"" + key + "\"").starts_with("1+"));
    CHECK(found("x" + key) == "none");
    CHECK(found(key.substr(0, 12)) == "none");
  }
  CHECK(found("-----BEGIN RSA PRIVATE KEY-----\nMII") == "0+31 ");
}

TEST_CASE("ordinary text raises no alarm") {
  for (const std::string& text : {std::string("the bearer responsibilities of Bearer abcdefghijklmnop123"), std::string("class=\"sk-folding-cube-container-wide\""), std::string("AKIAIOSFODNN7EXAMPLE"),
                                  std::string("-----BEGIN CERTIFICATE-----\nMII"), std::string("task-12345678901234567890123"), std::string("s"), std::string()}) {
    CAPTURE(text);
    CHECK_FALSE(find_key(text, {Secret("SHORT", "the")}));
  }
}
