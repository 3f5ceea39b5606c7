// One pass over each file, in pieces that overlap, so that a key on the border of two is seen whole.
#include "commands/version/key_scan.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>

namespace llmops {
namespace {

constexpr size_t kPieceBytes = size_t{1} << 20;
constexpr size_t kShortestOverlap = size_t{8} << 10;  // longer than a key or a private key's first line

struct ScanPlace { int line = 1, column = 1; };  // line 0: no place to point at

void advance(ScanPlace& place, std::string_view over) {
  place.line += static_cast<int>(std::count(over.begin(), over.end(), '\n'));
  const size_t last = over.rfind('\n');
  place.column = last == std::string_view::npos ? place.column + static_cast<int>(over.size()) : static_cast<int>(over.size() - last);
}

Error key_found(const KeyFinding& finding, const std::string& shown, const ScanPlace& place) {
  const bool is_known = !finding.variable.empty();
  Error error(ErrorCode::kConfig, fmt::format("'{}' holds {}, and a version would keep it", shown, is_known ? fmt::format("the value of '{}'", finding.variable) : "what looks like a key"),
              fmt::format("take it out; where a key is needed, name it: ${{env:{}}}", is_known ? finding.variable : "NAME"));
  if (place.line > 0) error.where = {shown, place.line, place.column, 1, ""};
  return error;
}

// Reads until `wanted` bytes are there or the file ends. errno of a failed read, or 0.
int fill(int fd, std::string& buffer, size_t wanted, bool& ended) {
  size_t filled = buffer.size();
  buffer.resize(wanted);
  while (filled < wanted) {
    const ssize_t got = read(fd, buffer.data() + filled, wanted - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  ended = filled < wanted;
  buffer.resize(filled);
  return 0;
}

Status scan_file(const fs::path& path, const std::string& shown, const std::vector<Secret>& known) {
  size_t overlap = kShortestOverlap;
  for (const Secret& secret : known) overlap = std::max(overlap, 6 * secret.reveal().size());  // \u0001 for every byte
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return io_error("read", path, errno);
  std::error_code unknown;
  const uintmax_t size = fs::file_size(path, unknown);
  const size_t wanted = unknown ? kPieceBytes + overlap : static_cast<size_t>(std::min<uintmax_t>(kPieceBytes + overlap, size + 1));
  std::string buffer;
  ScanPlace place;
  size_t from = 0;      // what stands before it was looked at, and is kept for the rule that a key begins a word
  bool ended = false;
  Status outcome;
  while (outcome && !ended) {
    if (const int number = fill(fd, buffer, wanted, ended)) {
      outcome = io_error("read", path, number);
      break;
    }
    const size_t border = ended ? buffer.size() : buffer.size() - overlap;
    const auto finding = find_key(buffer, known, from);
    if (finding && finding->offset < border) {
      advance(place, std::string_view(buffer).substr(0, finding->offset));
      outcome = key_found(*finding, shown, place);
    } else if (!ended) {
      advance(place, std::string_view(buffer).substr(0, border - 1));
      buffer.erase(0, border - 1);
      from = 1;
    }
  }
  close(fd);
  return outcome;
}

std::vector<Secret> named_secrets(const Session& session, const Chain& chain) {
  std::vector<Secret> secrets;
  const auto add = [&](const std::optional<SecretReference>& reference) {
    if (!reference) return;
    if (auto value = session.variable(reference->variable); value && value->size() >= kShortestSecret) secrets.emplace_back(reference->variable, std::move(*value));
  };
  for (const auto& [name, model] : chain.models) {
    add(model.api_key);
    for (const HeaderSpec& header : model.headers) add(header.secret);
  }
  return secrets;
}

}  // namespace

Status check_for_keys(const Session& session, const Chain& chain) {
  const std::vector<Secret> known = named_secrets(session, chain);
  LLMOPS_CHECK(scan_file(chain.file, chain.shown_path, known));
  // The same words once more, but for what --set brought in and what YAML had escaped.
  if (const auto finding = find_key(dump_json(chain.manifest), known)) return key_found(*finding, chain.shown_path, {0, 0});
  for (const ManifestFile& file : chain.files) LLMOPS_CHECK(scan_file(file.source, session.shown(file.source), known));
  for (const ChainStep* called : chain.called()) LLMOPS_CHECK(check_for_keys(session, *called->chain));
  return {};
}

}  // namespace llmops
