#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#include "core/provider/process.h"
#include "tests/support/test_data.h"

using namespace llmops;
using namespace llmops::test;

namespace {

ProcessOptions shell(std::string script, bool persistent = false) {
  ProcessOptions options;
  options.argv = {"sh", "-c", std::move(script)};
  options.directory = "/";
  options.timeout_s = 10;
  options.persistent = persistent;
  return options;
}

Json json(const char* text) { return *parse_json(text, "test"); }

Result<Json> call_once(ProcessOptions options, const Json& request = Json::object()) {
  JsonLineProcess process(std::move(options), 1);
  return process.call(request, {});
}

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

bool has_children() {
  siginfo_t info{};
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

bool is_running(pid_t pid) {
  // A zombie that init has not yet collected still takes signals.
  std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(status, text);
  return !text.empty() && text.find(") Z") == std::string::npos;
}

int open_descriptors() {
  int count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

}  // namespace

TEST_CASE("one JSON line goes in, one comes out") {
  const Result<Json> reply = call_once(shell("read line; echo \"{\\\"got\\\": $line}\""), json(R"({"a": [1, "x y"]})"));
  REQUIRE(reply);
  CHECK(dump_json(*reply) == R"({"got":{"a":[1,"x y"]}})");
}

TEST_CASE("the program gets the end of its stdin, its arguments as they are, and no shell") {
  ProcessOptions options = shell("");
  options.argv = {"cat"};
  CHECK(dump_json(*call_once(options, json("[1, 2]"))) == "[1,2]");
  options.argv = {"printf", "\"%s\"", "$HOME; `x` *"};
  CHECK(*call_once(options) == "$HOME; `x` *");
}

TEST_CASE("the environment is the one given, and nothing of this process") {
  setenv("LLMOPS_TEST_LEAK", "leaked", 1);
  ProcessOptions options = shell("echo \"[\\\"$GIVEN\\\", \\\"$LLMOPS_TEST_LEAK\\\"]\"");
  options.environment = {{"GIVEN", "yes"}};
  CHECK(dump_json(*call_once(options)) == R"(["yes",""])");
  unsetenv("LLMOPS_TEST_LEAK");
}

TEST_CASE("a program is looked up on the PATH that it is given, or relative to its folder") {
  const TempDir folder;
  const auto tool = folder.write("bin/my-tool", "#!/bin/sh\necho '\"found\"'\n");
  std::filesystem::permissions(tool, std::filesystem::perms::owner_all);
  ProcessOptions options = shell("");
  options.directory = folder.path();
  options.argv = {"bin/my-tool"};
  CHECK(*call_once(options) == "found");
  options.argv = {"my-tool"};
  const Result<Json> missing = call_once(options);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kProvider);
  CHECK(missing.error().kind == "exec_failed");
  CHECK(missing.error().message == "'my-tool' cannot be started: No such file or directory");
  CHECK(missing.error().hint == "install it, or write argv[0] with its path");
  options.environment = {{"PATH", "/nowhere:bin:/usr/bin"}};
  CHECK(*call_once(options) == "found");
}

TEST_CASE("a program that cannot be executed, or a folder that is not there, is exec_failed") {
  const TempDir folder;
  folder.write("plain", "text");
  ProcessOptions options = shell("");
  options.directory = folder.path();
  options.argv = {"./plain"};
  const Result<Json> plain = call_once(options);
  REQUIRE_FALSE(plain);
  CHECK(plain.error().message == "'./plain' cannot be started: Permission denied");
  CHECK(plain.error().hint == "check argv[0], the folder it runs in, and that it may be executed");
  options = shell("echo 1");
  options.directory = folder.path() / "none";
  CHECK(call_once(options).error().kind == "exec_failed");
  options.argv = {};
  CHECK(call_once(options).error().message == "argv of the program is empty");
}

TEST_CASE("an exit status is an error with the end of stderr") {
  const Result<Json> reply = call_once(shell("echo '{}'; echo 'Traceback' >&2; echo 'ValueError: bad' >&2; exit 3"));
  REQUIRE_FALSE(reply);
  CHECK(reply.error().kind == "exec_failed");
  CHECK_FALSE(reply.error().retryable);
  CHECK(reply.error().message == "'sh' ended with exit status 3: ValueError: bad");
  CHECK(reply.error().details == std::vector<std::string>{"Traceback", "ValueError: bad"});
}

TEST_CASE("of a long stderr the last 4 KiB are kept") {
  const Result<Json> reply =
      call_once(shell("i=0; while [ $i -lt 3000 ]; do echo \"line number $i of many\" >&2; i=$((i+1)); done; exit 1"));
  REQUIRE_FALSE(reply);
  CHECK(reply.error().message == "'sh' ended with exit status 1: line number 2999 of many");
  size_t bytes = 0;
  for (const std::string& line : reply.error().details) bytes += line.size() + 1;
  CHECK(bytes <= 4096);
  CHECK(bytes > 4000);
}

TEST_CASE("a signal, and silence, are told apart from an exit status") {
  CHECK(call_once(shell("kill -9 $$")).error().message == "'sh' was ended by signal 9");
  CHECK(call_once(shell("exit 0")).error().message == "'sh' ended without an answer");
  CHECK(call_once(shell("exit 0", true)).error().message == "'sh' ended without an answer");
}

TEST_CASE("stdout that is not one JSON value is invalid_json") {
  for (const char* script : {"echo hello", "echo '{}'; echo '{}'", "echo 'debug'; echo '{}'"}) {
    const Result<Json> reply = call_once(shell(script));
    CAPTURE(script);
    REQUIRE_FALSE(reply);
    CHECK(reply.error().kind == "invalid_json");
  }
  const Error error = call_once(shell("echo debug; echo '{}'")).error();
  CHECK(error.message == "'sh' did not answer with one line of JSON, but with 'debug {}'");
  CHECK(error.hint == "print one JSON value on stdout, and everything else on stderr");
}

TEST_CASE("an error object is passed on") {
  const Error error = call_once(shell(R"(echo '{"error": {"message": "quota used up", "retryable": true}}')")).error();
  CHECK(error.code == ErrorCode::kProvider);
  CHECK(error.kind == "exec_error");
  CHECK(error.message == "quota used up");
  CHECK(error.retryable);
  CHECK_FALSE(call_once(shell(R"(echo '{"error": {"message": "no"}}')")).error().retryable);
  CHECK(call_once(shell(R"(echo '{"error": {}}')")).error().message == "'sh' reported an error without a message");
  CHECK(call_once(shell(R"(echo '{"error": null, "content": "x"}')")).has_value());
}

TEST_CASE("a program that is too slow is ended, with all that it started") {
  const bool is_persistent = GENERATE(false, true);
  const TempDir folder;
  ProcessOptions options = shell("sleep 100 & echo $! > grandchild; echo 'still loading' >&2; wait", is_persistent);
  options.directory = folder.path();
  options.timeout_s = 0.4;
  const auto start = std::chrono::steady_clock::now();
  {
    const Result<Json> reply = call_once(options);
    REQUIRE_FALSE(reply);
    CHECK(reply.error().kind == "timeout");
    CHECK(reply.error().retryable);
    CHECK(reply.error().message == "'sh' did not answer within 0.4 s: still loading");
    CHECK(reply.error().hint == "raise timeout_s of the program");
  }
  CHECK(ms_since(start) < 3000);
  CHECK_FALSE(has_children());
  pid_t grandchild = 0;
  std::ifstream(folder.path() / "grandchild") >> grandchild;
  REQUIRE(grandchild > 0);
  for (int i = 0; i < 100 && is_running(grandchild); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK_FALSE(is_running(grandchild));
}

TEST_CASE("a program that ignores SIGTERM is killed, and its caller does not wait for that") {
  ProcessOptions options = shell("trap '' TERM; while :; do sleep 0.05; done");
  const CancelToken cancel;
  const std::jthread canceller([cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    cancel.cancel();
  });
  const auto start = std::chrono::steady_clock::now();
  {
    JsonLineProcess process(options, 1);
    const Result<Json> reply = process.call({}, cancel);
    CHECK(ms_since(start) < 500);
    REQUIRE_FALSE(reply);
    CHECK(reply.error().code == ErrorCode::kInterrupted);
  }
  CHECK(ms_since(start) < 3000);
  CHECK_FALSE(has_children());
}

TEST_CASE("too much output ends the program") {
  ProcessOptions options = shell("yes");
  options.max_output_bytes = 100'000;
  const Result<Json> reply = call_once(options);
  REQUIRE_FALSE(reply);
  CHECK(reply.error().kind == "too_large");
  CHECK(reply.error().message == "'sh' answered with more than 100000 bytes");
  options = shell("printf '\"%0200000d\"\\n' 0; read line", true);
  options.max_output_bytes = 100'000;
  CHECK(call_once(options).error().kind == "too_large");
  CHECK_FALSE(has_children());
}

TEST_CASE("a large request and a large answer pass each other in the pipes") {
  ProcessOptions options = shell("");
  options.argv = {"cat"};
  options.max_output_bytes = 8 << 20;
  const Json big = std::string(5 << 20, 'x');
  const Result<Json> reply = call_once(options, big);
  REQUIRE(reply);
  CHECK(*reply == big);
}

TEST_CASE("a program that does not read its stdin may answer all the same") {
  const Json big = std::string(5 << 20, 'x');
  const Result<Json> reply = call_once(shell("exec <&-; echo '\"done\"'"), big);
  REQUIRE(reply);
  CHECK(*reply == "done");
}

TEST_CASE("a program that leaves another one behind with its stdout does not hold the caller up") {
  const auto start = std::chrono::steady_clock::now();
  const Result<Json> reply = call_once(shell("sleep 100 & echo '\"done\"'"));
  REQUIRE(reply);
  CHECK(*reply == "done");
  CHECK(ms_since(start) < 3000);
}

TEST_CASE("a persistent program serves many lines") {
  JsonLineProcess process(shell("n=0; while read line; do n=$((n+1)); echo \"[$$, $n, $line]\"; done", true), 4);
  const Json first = *process.call(1, {});
  for (int i = 2; i <= 50; ++i) {
    const Result<Json> reply = process.call(i, {});
    REQUIRE(reply);
    CHECK((*reply)[0] == first[0]);
    CHECK((*reply)[1] == i);
    CHECK((*reply)[2] == i);
  }
}

TEST_CASE("without persistent every line has a process of its own") {
  JsonLineProcess process(shell("read line; echo $$"), 4);
  CHECK(*process.call({}, {}) != *process.call({}, {}));
}

TEST_CASE("persistent programs serve side by side, up to the most allowed, and never mix their answers") {
  JsonLineProcess process(shell("while read line; do sleep 0.01; echo \"[$$, $line]\"; done", true), 3);
  std::mutex mutex;
  std::set<int64_t> pids;
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 9; ++i) {
      threads.emplace_back([&, i] {
        for (int k = 0; k < 5; ++k) {
          const Result<Json> reply = process.call(i * 100 + k, {});
          if (!reply || (*reply)[1] != i * 100 + k) {
            ++wrong;
            continue;
          }
          const std::lock_guard lock(mutex);
          pids.insert((*reply)[0].get<int64_t>());
        }
      });
    }
  }
  CHECK(wrong == 0);
  CHECK(pids.size() <= 3);
  CHECK(pids.size() >= 2);
}

TEST_CASE("a persistent program that dies is replaced; only the call that met it fails") {
  JsonLineProcess process(shell("while read line; do [ $line = 13 ] && exit 5; echo \"[$$, $line]\"; done", true), 1);
  const Json before = *process.call(1, {});
  const Result<Json> met = process.call(13, {});
  REQUIRE_FALSE(met);
  CHECK(met.error().message == "'sh' ended with exit status 5");
  const Result<Json> after = process.call(2, {});
  REQUIRE(after);
  CHECK((*after)[1] == 2);
  CHECK((*after)[0] != before[0]);
}

TEST_CASE("a persistent program that died between two calls is replaced without a failure") {
  JsonLineProcess process(shell("read line; echo $$; exit 0", true), 1);
  const Json first = *process.call({}, {});
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  const Result<Json> second = process.call({}, {});
  REQUIRE(second);
  CHECK(*second != first);
}

TEST_CASE("an answer out of turn is never given to the next caller") {
  JsonLineProcess process(shell("while read line; do echo $line; echo '\"uninvited\"'; done", true), 1);
  for (int i = 0; i < 5; ++i) {
    const Result<Json> reply = process.call(i, {});
    REQUIRE(reply);
    CHECK(*reply == i);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

TEST_CASE("nothing is left of programs that ran: no zombie, no descriptor") {
  CHECK_FALSE(has_children());
  const int before = open_descriptors();
  for (int i = 0; i < 10; ++i) CHECK(call_once(shell("echo 1")));
  {
    JsonLineProcess process(shell("while read line; do echo $line; done", true), 4);
    CHECK(process.call(1, {}));
  }
  CHECK(open_descriptors() == before);
  CHECK_FALSE(has_children());
}

TEST_CASE("programs inherit no descriptor of this process") {
  const Result<Json> reply = call_once(shell("ls /proc/self/fd | wc -l"));
  REQUIRE(reply);
  CHECK(*reply <= 4);  // the three, and that of the listing itself
}
