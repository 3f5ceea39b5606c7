#include "core/store/git_format.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

#include "core/base/hash.h"

namespace llmops {
namespace {

Error malformed(std::string_view what) { return {ErrorCode::kCorrupt, fmt::format("a {} in the store's repository is malformed", what), "restore store.git from a backup, or fetch it from a remote"}; }

int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

std::string from_hex(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) bytes += static_cast<char>(digit(text[i]) * 16 + digit(text[i + 1]));
  return bytes;
}

// "Name <mail>", whatever the caller gave.
std::string identity(std::string_view author) {
  const auto clean = [](std::string_view text) {
    std::string out;
    for (const char c : text) {
      if (c != '<' && c != '>' && static_cast<unsigned char>(c) >= 0x20) out += c;
    }
    const size_t first = out.find_first_not_of(' '), last = out.find_last_not_of(' ');
    return first == std::string::npos ? std::string() : out.substr(first, last - first + 1);
  };
  const size_t open = author.find('<');
  std::string name = clean(author.substr(0, open));
  std::string mail = open == std::string_view::npos ? std::string() : clean(author.substr(open));
  if (name.empty()) name = "unknown";
  return fmt::format("{} <{}>", name, mail);
}

}  // namespace

std::string encode_tree(std::vector<TreeEntry> entries) {
  std::sort(entries.begin(), entries.end(), [](const TreeEntry& a, const TreeEntry& b) { return (a.directory ? a.name + "/" : a.name) < (b.directory ? b.name + "/" : b.name); });
  std::string bytes;
  for (const TreeEntry& entry : entries) {
    bytes += entry.directory ? "40000 " : "100644 ";
    bytes += entry.name;
    bytes += '\0';
    bytes += from_hex(entry.oid);
  }
  return bytes;
}

Result<std::vector<TreeEntry>> decode_tree(std::string_view bytes) {
  std::vector<TreeEntry> entries;
  while (!bytes.empty()) {
    const size_t space = bytes.find(' '), end = bytes.find('\0');
    if (space == std::string_view::npos || end == std::string_view::npos || space > end || bytes.size() < end + 21) return malformed("tree");
    entries.push_back({std::string(bytes.substr(space + 1, end - space - 1)), to_hex(bytes.substr(end + 1, 20)), bytes.substr(0, space) == "40000"});
    bytes.remove_prefix(end + 21);
  }
  return entries;
}

std::string encode_commit(const Commit& commit) {
  std::string text = fmt::format("tree {}\n", commit.tree);
  if (!commit.parent.empty()) text += fmt::format("parent {}\n", commit.parent);
  const std::string who = fmt::format("{} {} +0000", identity(commit.author), commit.time_ms / 1000);
  text += fmt::format("author {}\ncommitter {}\n\n", who, who);
  std::string message = commit.message;
  std::replace(message.begin(), message.end(), '\0', '?');
  text += message;
  text += "\n\n";
  for (const auto& [key, value] : commit.trailers) text += fmt::format("{}: {}\n", key, value);
  text += fmt::format("time-ms: {}\n", commit.time_ms);
  return text;
}

Result<Commit> decode_commit(std::string_view bytes) {
  const size_t body = bytes.find("\n\n");
  if (body == std::string_view::npos) return malformed("commit");
  Commit commit;
  std::string_view header = bytes.substr(0, body + 1);
  while (!header.empty()) {
    const std::string_view line = header.substr(0, header.find('\n'));
    header.remove_prefix(line.size() + 1);
    if (line.starts_with("tree ")) commit.tree = line.substr(5);
    if (line.starts_with("parent ") && commit.parent.empty()) commit.parent = line.substr(7);
    if (line.starts_with("author ")) commit.author = line.substr(7, line.rfind('>') - 6);
  }
  const std::string_view text = bytes.substr(body + 2);
  const size_t end = text.rfind("\n\n");
  if (end == std::string_view::npos) return malformed("commit");
  commit.message = text.substr(0, end);
  std::string_view trailers = text.substr(end + 2);
  while (!trailers.empty()) {
    const std::string_view line = trailers.substr(0, trailers.find('\n'));
    trailers.remove_prefix(std::min(line.size() + 1, trailers.size()));
    if (const size_t colon = line.find(": "); colon != std::string_view::npos) commit.trailers[std::string(line.substr(0, colon))] = line.substr(colon + 2);
  }
  const std::string& time = commit.trailers["time-ms"];
  if (std::from_chars(time.data(), time.data() + time.size(), commit.time_ms).ec != std::errc{}) return malformed("commit");
  if (commit.tree.size() != 40 || commit.trailers["vid"].size() != 64) return malformed("commit");
  return commit;
}

std::string tree_path(std::string_view manifest_path) {
  std::string out;
  const auto escape = [&out](char c) { out += fmt::format("%{:02X}", static_cast<unsigned char>(c)); };
  while (true) {
    const size_t slash = std::min(manifest_path.find('/'), manifest_path.size());
    const std::string_view part = manifest_path.substr(0, slash);
    for (size_t i = 0; i < part.size(); ++i) {
      const char c = part[i];
      const bool risky_start = i == 0 && (c == '.' || (part.size() > 3 && part[3] == '~'));  // "..", ".git", NTFS's "GIT~1"
      if (risky_start || c == '%' || c == '\\' || c == ':' || static_cast<unsigned char>(c) < 0x20) escape(c);
      else out += c;
    }
    if (part.empty()) out += "%";
    if (slash == manifest_path.size()) return out;
    out += '/';
    manifest_path.remove_prefix(slash + 1);
  }
}

}  // namespace llmops
