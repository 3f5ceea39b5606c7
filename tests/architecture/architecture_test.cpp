// The shape of the house, read from the sources: arrows point down, third-party headers stay in their rooms, names say
// what things are.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace fs = std::filesystem;

namespace {

const fs::path kRoot = fs::path(LLMOPS_TEST_SOURCE_DIR).parent_path();

std::vector<std::string> sources(std::initializer_list<const char*> folders) {
  std::vector<std::string> files;
  for (const char* folder : folders) {
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder)) {
      const std::string ending = entry.path().extension().string();
      if (entry.is_regular_file() && (ending == ".cpp" || ending == ".h")) files.push_back(entry.path().lexically_relative(kRoot).generic_string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string read(const std::string& file) {
  std::ifstream stream(kRoot / file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::vector<std::string> includes(const std::string& file) {
  static const std::regex kInclude(R"(^\s*#include\s+[<"]([^>"]+)[>"])");
  std::vector<std::string> found;
  std::istringstream lines(read(file));
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_search(line, match, kInclude)) found.push_back(match[1]);
  }
  return found;
}

std::string room_of(const std::string& path) {
  const size_t first = path.find('/');
  const size_t second = path.find('/', first + 1);
  return second == std::string::npos ? "" : path.substr(first + 1, second - first - 1);
}

// Which rooms of core a room may include, itself left out. Lower tiers first; edges within a tier are listed one by one.
const std::map<std::string, std::set<std::string>>& allowed_rooms() {
  static const std::set<std::string> kBottom = {"base", "http"};
  static const std::set<std::string> kData = {"base", "http", "format"};
  static const std::set<std::string> kMiddle = {"base", "http", "format", "stats", "text", "store"};
  static const std::set<std::string> kProviders = {"base", "http", "format", "stats", "text", "store", "chain", "telemetry"};
  static const std::set<std::string> kRuntime = {"base", "http", "format", "stats", "text", "store", "chain", "telemetry", "provider"};
  static const std::map<std::string, std::set<std::string>> allowed = {
      {"base", {}},
      {"http", {"base"}},
      {"format", kBottom},
      {"stats", kData},
      {"text", kData},
      {"sketch", {"base"}},
      {"data", {"base", "http", "format", "stats", "text"}},
      {"model", {"base", "http", "format", "quant"}},
      {"quant", kData},
      {"store", kData},
      {"chain", kMiddle},
      {"telemetry", kMiddle},
      {"drift", {"base", "format", "stats", "text", "sketch"}},
      {"provider", kProviders},
      {"runtime", kRuntime},
      {"eval", {"base", "http", "format", "stats", "text", "store", "chain", "telemetry", "provider", "runtime"}},
  };
  return allowed;
}

bool matches_any(const std::string& file, const std::vector<std::string>& places) {
  return std::any_of(places.begin(), places.end(), [&](const std::string& place) { return place.back() == '/' ? file.starts_with(place) : file == place; });
}

}  // namespace

TEST_CASE("an include only points down: cli -> commands -> core", "[architecture]") {
  std::vector<std::string> wrong;
  for (const std::string& file : sources({"core", "commands"})) {
    for (const std::string& include : includes(file)) {
      const bool up = include.starts_with("cli/") || (file.starts_with("core/") && include.starts_with("commands/"));
      if (up) wrong.push_back(file + " includes " + include + ": pass the value in from above, or move the code down");
    }
  }
  CHECK(wrong == std::vector<std::string>());
}

TEST_CASE("a room of core only includes the rooms below it", "[architecture]") {
  std::vector<std::string> wrong;
  for (const std::string& file : sources({"core"})) {
    const std::string room = room_of(file);
    const auto allowed = allowed_rooms().find(room);
    if (allowed == allowed_rooms().end()) {
      wrong.push_back(file + ": room '" + room + "' is not in the table of this test; add it with the rooms it may use");
      continue;
    }
    for (const std::string& include : includes(file)) {
      if (!include.starts_with("core/")) continue;
      const std::string other = room_of(include);
      if (other != room && !allowed->second.contains(other)) wrong.push_back(file + " includes " + include + ": '" + room + "' may not know '" + other + "'; compute the number in commands/ and pass it in");
    }
  }
  CHECK(wrong == std::vector<std::string>());
}

TEST_CASE("third-party headers stay in the few files that may name them", "[architecture]") {
  const std::map<std::string, std::vector<std::string>> confined = {
      {"CLI/CLI.hpp", {"cli/"}},
      {"sqlite3.h", {"core/store/database.cpp", "core/store/search_index.cpp"}},
      {"git2.h", {"core/store/object_repo.cpp"}},
      {"curl/curl.h", {"core/http/"}},
      {"yaml-cpp/", {"core/base/yaml.cpp"}},
      {"openssl/", {"core/base/hash.cpp", "core/base/base64.cpp"}},
      {"valijson/", {"core/text/schema_checker.cpp"}},
      {"utf8proc", {"core/text/", "core/data/normal_form.cpp"}},
      {"zstd.h", {"core/format/", "core/store/blobs.cpp"}},
      {"zlib.h", {"core/format/"}},
      {"re2/", {"core/"}},
      {"Eigen/", {"core/stats/", "core/drift/", "core/nn/", "core/quant/sparse_gpt.cpp"}},
  };
  std::vector<std::string> wrong;
  for (const std::string& file : sources({"core", "commands", "cli"})) {
    for (const std::string& include : includes(file)) {
      for (const auto& [header, places] : confined) {
        if (include.starts_with(header) && !matches_any(file, places)) wrong.push_back(file + " includes " + include + ": use the room that wraps it (" + places[0] + ")");
      }
    }
  }
  CHECK(wrong == std::vector<std::string>());
}

TEST_CASE("core does not read the surroundings: they are passed in", "[architecture]") {
  const std::vector<std::pair<std::string, std::vector<std::string>>> forbidden = {
      {R"(\b(std::)?getenv\()", {}},
      {R"(\bsystem_clock::|\bclock_gettime\()", {"core/base/clock.cpp"}},
      {R"(std::c(out|err)\b|\bprintf\()", {}},
      {R"(std::random_device|\bstd::rand\()", {}},
      {R"(std::(normal|uniform_int|uniform_real)_distribution)", {}},
      {R"(std::endl)", {}},
      {R"(catch \(\.\.\.\))", {}},
  };
  std::vector<std::string> wrong;
  for (const std::string& file : sources({"core", "commands"})) {
    const std::string text = read(file);
    for (const auto& [pattern, places] : forbidden) {
      if (!matches_any(file, places) && std::regex_search(text, std::regex(pattern))) wrong.push_back(file + " holds " + pattern);
    }
  }
  CHECK(wrong == std::vector<std::string>());
}

TEST_CASE("names say what things are, and comments hold no debts", "[architecture]") {
  static const std::regex kFileName(R"((^|/)(utils?|helpers?|common|misc|types)\.(h|cpp)$)");
  static const std::regex kClassName(R"(\bclass \w*(Manager|Handler|Processor|Helper|Util)\b)");
  static const std::regex kDebt(R"(\b(TODO|FIXME|XXX|HACK)\b)");
  std::vector<std::string> wrong;
  for (const std::string& file : sources({"core", "commands", "cli"})) {
    const std::string text = read(file);
    if (std::regex_search(file, kFileName)) wrong.push_back(file + ": name the concept");
    if (std::regex_search(text, kClassName)) wrong.push_back(file + ": name what the class is");
    if (std::regex_search(text, kDebt)) wrong.push_back(file + ": pay the debt or write it into ROADMAP.md");
  }
  CHECK(wrong == std::vector<std::string>());
}

TEST_CASE("documents hold no superlatives", "[architecture]") {
  static const std::regex kWords(R"(\b(blazing|enterprise-grade|production-ready|state-of-the-art|world-class|cutting-edge|seamless)\b)", std::regex::icase);
  for (const auto& entry : fs::recursive_directory_iterator(kRoot)) {
    if (entry.path().extension() != ".md" || entry.path().string().find("/build/") != std::string::npos) continue;
    const std::string name = entry.path().lexically_relative(kRoot).generic_string();
    INFO(name);
    CHECK_FALSE(std::regex_search(read(name), kWords));
  }
}
