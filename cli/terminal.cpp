#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fmt/format.h>

#include "core/base/json.h"
#include "core/text/unicode.h"

namespace llmops {
namespace {

std::string value_of(const std::map<std::string, std::string>& variables, const char* name) {
  const auto found = variables.find(name);
  return found == variables.end() ? "" : found->second;
}

const char* escape_of(Tone tone) {
  switch (tone) {
    case Tone::kGood: return "\x1b[32m";
    case Tone::kBad: return "\x1b[31m";
    case Tone::kUndecided: return "\x1b[33m";
    case Tone::kMuted: return "\x1b[2m";
    case Tone::kStrong: return "\x1b[1m";
    case Tone::kPlain: break;
  }
  return "";
}

std::string painted(std::string_view text, Tone tone, bool color) {
  if (!color || tone == Tone::kPlain || text.empty()) return std::string(text);
  return fmt::format("{}{}\x1b[0m", escape_of(tone), text);
}

}  // namespace

Terminal::Terminal(const std::map<std::string, std::string>& variables)
    : variables_(variables), out_is_terminal_(isatty(1) != 0), err_is_terminal_(isatty(2) != 0), in_is_terminal_(isatty(0) != 0) {
  set_color("auto");
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string locale = value_of(variables, name);
    if (locale.empty()) continue;
    unicode_ = locale.find("UTF-8") != std::string::npos || locale.find("utf8") != std::string::npos || locale.find("UTF8") != std::string::npos || locale.find("utf-8") != std::string::npos;
    break;
  }
  winsize size{};
  if (out_is_terminal_ && ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    width_ = size.ws_col;
    height_ = size.ws_row;
  } else if (out_is_terminal_) {
    width_ = 80;
  }
  int columns = 0;
  const std::string wanted = value_of(variables, "COLUMNS");
  if (std::from_chars(wanted.data(), wanted.data() + wanted.size(), columns).ec == std::errc() && columns >= 20) width_ = columns;
}

void Terminal::set_color(std::string_view mode) {
  if (mode == "always" || mode == "never") {
    color_out_ = color_err_ = mode == "always";
    return;
  }
  const std::string forced = value_of(variables_, "CLICOLOR_FORCE");
  const bool refused = !value_of(variables_, "NO_COLOR").empty() || value_of(variables_, "TERM") == "dumb";
  if (!forced.empty() && forced != "0" && value_of(variables_, "NO_COLOR").empty()) {
    color_out_ = color_err_ = true;
    return;
  }
  color_out_ = out_is_terminal_ && !refused;
  color_err_ = err_is_terminal_ && !refused;
}

std::string Terminal::paint(std::string_view text, Tone tone) const { return painted(text, tone, color_out_); }
std::string Terminal::paint_err(std::string_view text, Tone tone) const { return painted(text, tone, color_err_); }

void Terminal::err(std::string_view line) const {
  if (quiet_) return;
  const std::string whole = std::string(line) + "\n";
  std::fwrite(whole.data(), 1, whole.size(), stderr);
}

bool Terminal::out(std::string_view text, bool may_page) const {
  const auto lines = std::count(text.begin(), text.end(), '\n');
  std::string pager = value_of(variables_, "LLMOPS_PAGER");
  if (pager.empty()) pager = value_of(variables_, "PAGER");
  if (may_page && out_is_terminal_ && height_ > 0 && lines >= height_ && pager != "cat") {
    if (pager.empty()) pager = "less -FRX";
    // The user's own variable, as git and man do it; never taken from a repository.
    if (FILE* pipe = popen(pager.c_str(), "w")) {
      std::fwrite(text.data(), 1, text.size(), pipe);
      if (pclose(pipe) == 0) return true;
    }
  }
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  // A reader that closed the pipe has seen enough.
  return written || errno == EPIPE;
}

std::string render_error(const Error& error, const Terminal& terminal) {
  std::string out = terminal.paint_err("error:", Tone::kBad) + " " + escape_control(error.message) + "\n";
  if (!error.where.file.empty()) {
    out += "  --> " + error.where.file;
    if (error.where.line > 0) out += fmt::format(":{}", error.where.line);
    if (error.where.line > 0 && error.where.column > 0) out += fmt::format(":{}", error.where.column);
    out += "\n";
    if (!error.where.line_text.empty() && error.where.column > 0) {
      const std::string number = std::to_string(error.where.line);
      const std::string margin(number.size(), ' ');
      const std::string shown = escape_control(error.where.line_text);
      const auto column = static_cast<size_t>(error.where.column) - 1;
      const std::string before = error.where.line_text.substr(0, std::min(column, error.where.line_text.size()));
      const size_t rest = error.where.line_text.size() > column ? error.where.line_text.size() - column : 1;
      const size_t length = std::clamp<size_t>(static_cast<size_t>(std::max(1, error.where.length)), 1, std::max<size_t>(1, rest));
      out += fmt::format("{} |\n{} | {}\n{} | {}{}\n", margin, number, shown, margin, std::string(static_cast<size_t>(display_width(before)), ' '),
                         terminal.paint_err(std::string(length, '^'), Tone::kBad));
    }
  }
  for (const std::string& detail : error.details) out += "  " + escape_control(detail) + "\n";
  if (!error.hint.empty()) out += terminal.paint_err("hint:", Tone::kStrong) + " " + escape_control(error.hint) + "\n";
  return out;
}

std::string render_error_json(const Error& error) {
  Json where = nullptr;
  if (!error.where.file.empty()) {
    where = {{"file", error.where.file}, {"line", error.where.line > 0 ? Json(error.where.line) : Json(nullptr)}, {"column", error.where.column > 0 ? Json(error.where.column) : Json(nullptr)}};
  }
  Json inner = {{"code", error_code_name(error.code)}, {"message", error.message}, {"hint", error.hint}, {"where", where}};
  if (!error.kind.empty()) inner["kind"] = error.kind;
  if (!error.details.empty()) inner["details"] = error.details;
  return dump_json_pretty({{"schema", "llmops.error/v1"}, {"error", inner}}) + "\n";
}

int exit_code_of(const Error& error) {
  if (error.code == ErrorCode::kBug) return 70;
  if (error.code == ErrorCode::kInterrupted) return 130;
  return 2;
}

}  // namespace llmops
